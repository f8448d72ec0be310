"""The steps of a filter of lm-evaluation-harness that change one reply: what is left of it, given its document.

Source of the rules: lm_eval 0.4.13, `filters/extraction.py` and `filters/transformation.py`.
"""

import re
from collections.abc import Callable, Mapping
from string import ascii_uppercase
from typing import Any, TypeVar
from unicodedata import category

import msgspec

from stepdown.errors import UsageError
from stepdown.exchange.lm_eval_patterns import MOST_PATTERNS, compile_pattern, first_group, nth, substitute

Document = Mapping[str, Any]
Step = Callable[[str, Document], str]
Kind = TypeVar("Kind", bound=msgspec.Struct)
_MOST_OF_CHOICES = 1 << 14  # characters of all choices of a document


class RegexStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The filter `regex`: of all that the pattern finds the one at `group_select`, else `fallback`."""

    regex_pattern: str = r"#### (\-?[0-9\.\,]+)"
    group_select: int = 0
    fallback: str = "[invalid]"


class ChoiceStep(RegexStep, frozen=True, forbid_unknown_fields=True):
    """The filter `multi_choice_regex`: where the pattern finds nothing, a choice's text, or a letter after a colon."""

    ignore_case: bool = False
    ignore_punctuation: bool = False
    regexes_to_ignore: tuple[str, ...] | None = None


class MapStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The filter `map`: what stands for a text, from text to text."""

    mapping_dict: dict[str, str] = {}
    default_value: str | None = None


def _read(kind: type[Kind], given: Mapping[str, Any], key: str, file: str) -> Kind:
    try:
        return msgspec.convert(dict(given), kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"`{key}` of `{file}`: {error}", f"it takes {', '.join(kind.__struct_fields__)}") from error


def _regex_step(given: Mapping[str, Any], key: str, file: str) -> Step:
    chosen = _read(RegexStep, given, key, file)
    pattern = compile_pattern(chosen.regex_pattern, key, file)

    def extract(text: str, document: Document) -> str:
        match = nth(pattern, text, chosen.group_select)
        if match is None:
            return chosen.fallback
        found = first_group(match)
        return (chosen.fallback if found is None else found).strip()

    return extract


def _choice_step(given: Mapping[str, Any], key: str, file: str) -> Step:
    chosen = _read(ChoiceStep, given, key, file)
    pattern = compile_pattern(chosen.regex_pattern, key, file)
    ignored = chosen.regexes_to_ignore or ()
    if len(ignored) > MOST_PATTERNS:
        raise UsageError(f"`{key}` of `{file}` has {len(ignored)} regexes_to_ignore", f"give at most {MOST_PATTERNS}")
    patterns = [compile_pattern(one, key, file) for one in ignored]

    def plain(text: str) -> str:
        for one in patterns:
            text = substitute(one, "", text)
        text = text.lower() if chosen.ignore_case else text
        return "".join(one for one in text if category(one)[0] != "P") if chosen.ignore_punctuation else text

    def found(pattern: Any, text: str) -> str:
        match = nth(pattern, text, chosen.group_select)
        return ((first_group(match) or "") if match else "").strip()

    def extract(text: str, document: Document) -> str:
        choices = [plain(one.strip()) for one in choices_of(document)]
        letters = dict(zip(choices, ascii_uppercase, strict=False))
        # The longest first, so that one which begins as another is not taken for it.
        texts = compile_pattern(
            "|".join(sorted(map(re.escape, choices), key=len, reverse=True)), key, file, _MOST_OF_CHOICES
        )
        marked = compile_pattern(f":[\\s]*({'|'.join(ascii_uppercase[: len(choices)])})", key, file)
        one = found(pattern, text)
        if not one and (one := found(texts, plain(text))):
            one = f"({letters[one]})" if one in letters else one
        if not one and (one := found(marked, text)):
            one = f"({one})"
        return one or chosen.fallback

    return extract


def choices_of(document: Document) -> list[str]:
    """Return the choices that `multi_choice_regex` reads. Raises `ValueError` for a document without."""
    choices = document.get("choices")
    texts = [*choices] if isinstance(choices, list | tuple | dict) else []
    if not 0 < len(texts) <= len(ascii_uppercase) or not all(isinstance(one, str) for one in texts):
        raise ValueError("the document has no `choices` of 1 to 26 texts")
    if sum(map(len, texts)) * 2 > _MOST_OF_CHOICES:
        raise ValueError(f"the document's `choices` have more than {_MOST_OF_CHOICES // 2:,} characters")
    return texts


def _map_step(given: Mapping[str, Any], key: str, file: str) -> Step:
    chosen = _read(MapStep, given, key, file)

    def mapped(text: str, document: Document) -> str:
        found = chosen.mapping_dict.get(text, chosen.default_value)
        if found is None:
            raise ValueError(f"`mapping_dict` has nothing for `{text[:40]}`, and there is no `default_value`")
        return found

    return mapped


def _plain_step(change: Callable[[str], str]) -> Callable[[Mapping[str, Any], str, str], Step]:
    def made(given: Mapping[str, Any], key: str, file: str) -> Step:
        if given:
            raise UsageError(f"`{key}` of `{file}` has `{next(iter(given))}`", "this step takes nothing")
        return lambda text, document: change(text)

    return made


STEPS: dict[str, Callable[[Mapping[str, Any], str, str], Step]] = {
    "regex": _regex_step,
    "multi_choice_regex": _choice_step,
    "map": _map_step,
    "remove_whitespace": _plain_step(str.strip),
    "lowercase": _plain_step(str.lower),
    "uppercase": _plain_step(str.upper),
}
