"""What a task file of lm-evaluation-harness does with a reply: its filters, and its metric `exact_match`.

Source of the rules: lm_eval 0.4.13, `filters/extraction.py`, `filters/transformation.py` and `api/metrics.py`.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.exchange.imported import plain_name
from stepdown.exchange.lm_eval_samples import HARNESS
from stepdown.exchange.lm_eval_templates import compile_pattern, find_all, substitute
from stepdown.types import Grade, Problem

METRIC = "exact_match"
_SHOWN = 300  # characters of an answer in a grade
Step = Callable[[str], str]


class RegexStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The filter `regex`: of all that the pattern finds the one at `group_select`, else `fallback`."""

    regex_pattern: str = r"#### (\-?[0-9\.\,]+)"
    group_select: int = 0
    fallback: str = "[invalid]"


class Matching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The metric `exact_match`: what is taken out of both texts before they are compared."""

    regexes_to_ignore: tuple[str, ...] | None = None
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False


class HarnessFilter(msgspec.Struct, frozen=True):
    """A filter of a task file by its name: each step with its arguments."""

    name: str
    filter: tuple[dict[str, Any], ...] = ()


class HarnessGrader:
    """Grades a reply as the harness does: by a filter's steps, and then by `exact_match` with the gold."""

    def __init__(self, chosen: HarnessFilter, matching: Matching, file: str, gold: Callable[[Problem], str]) -> None:
        """`gold` gives the target as the task has it. Raises `UsageError` for a step that is not read here."""
        self._gold = gold
        self._steps = steps_of(chosen, file)
        given = matching.regexes_to_ignore or ()
        self._ignored = [compile_pattern(one, "regexes_to_ignore", file) for one in given]
        self._matching = matching
        made = msgspec.json.encode([chosen.filter, matching])
        digits = blake2b(made, digest_size=4).hexdigest()
        # As its samples say it, and what it does: two tasks may call different filters the same.
        self.name = f"{HARNESS}/{METRIC}/{plain_name(chosen.name)}@{digits}"

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        """Return the grade of a reply; one over which a pattern takes more than half a second is ungraded."""
        try:
            found = filtered(solution, self._steps)
            verdict = self._plain(found) == self._plain(self._gold(problem))
        except (TimeoutError, ValueError, RecursionError) as error:
            return Grade("ungraded", None, f"the task's patterns cannot read it: {error}"[:_SHOWN], self.name)
        return Grade("right" if verdict else "wrong", found[:_SHOWN], "as exact_match compares", self.name)

    def _plain(self, text: str) -> str:
        """Return what `exact_match` compares of a text."""
        for pattern in self._ignored:
            text = substitute(pattern, "", text)
        text = text.lower() if self._matching.ignore_case else text
        gone = string.punctuation * self._matching.ignore_punctuation + string.digits * self._matching.ignore_numbers
        return text.translate(str.maketrans("", "", gone))


def steps_of(chosen: HarnessFilter, file: str) -> list[Step]:
    """Return the steps of a filter as functions of a text. Raises `UsageError` for one that is not read here."""
    steps: list[Step] = []
    for place, step in enumerate(chosen.filter):
        name, given = step.get("function"), {key: value for key, value in step.items() if key != "function"}
        last = place == len(chosen.filter) - 1
        if name == "take_first" and last and not given:
            break
        if name not in _STEPS:
            hint = f"stepdown reads {', '.join((*_STEPS, 'take_first at the end'))}; votes are `report`'s maj@k"
            raise UsageError(f"`filter_list` of `{file}`: `{chosen.name}` has the step `{str(name)[:60]}`", hint)
        steps.append(_STEPS[name](given, f"filter_list.{chosen.name}.{name}", file))
    return steps


def filtered(text: str, steps: Sequence[Step]) -> str:
    """Return what a filter's steps leave of a reply."""
    for step in steps:
        text = step(text)
    return text


def _regex_step(given: Mapping[str, Any], key: str, file: str) -> Step:
    try:
        chosen = msgspec.convert(dict(given), RegexStep)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"`{key}` of `{file}`: {error}", "stepdown reads regex_pattern, group_select, fallback"
        ) from error
    pattern = compile_pattern(chosen.regex_pattern, key, file)

    def extract(text: str) -> str:
        found = find_all(pattern, text)
        if not -len(found) <= chosen.group_select < len(found):
            if found:
                raise ValueError(f"`{key}` found {len(found)}, and the task asks for number {chosen.group_select}")
            return chosen.fallback
        one = found[chosen.group_select]
        one = next((part for part in one if part), chosen.fallback) if isinstance(one, tuple) else one
        return str(one).strip()

    return extract


def _plain_step(change: Step) -> Callable[[Mapping[str, Any], str, str], Step]:
    def made(given: Mapping[str, Any], key: str, file: str) -> Step:
        if given:
            raise UsageError(f"`{key}` of `{file}` has `{next(iter(given))}`", "this step takes nothing")
        return change

    return made


_STEPS: dict[str, Callable[[Mapping[str, Any], str, str], Step]] = {
    "regex": _regex_step,
    "remove_whitespace": _plain_step(str.strip),
    "lowercase": _plain_step(str.lower),
    "uppercase": _plain_step(str.upper),
}
