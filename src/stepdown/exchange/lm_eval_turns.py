"""What lm-evaluation-harness writes of a document: its question, its targets, and the turns of a demonstration.

Source of the rules: lm_eval 0.4.13, `api/task.py` (`doc_to_text`, `doc_to_target`, `doc_to_choice`, `build_qa_turn`,
`process_results`) and `api/utils.py`.
"""

import ast
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.exchange.lm_eval_tasks import Choices, TaskConfig
from stepdown.exchange.lm_eval_templates import compile_template

Document = Mapping[str, Any]
Reader = Callable[[Document], Any]
_LONGEST_LIST = 1 << 16  # characters of a text that is read as a list
_MOST_TARGETS = 1_000


class TaskWriter:
    """Writes documents as a task says; `columns` are those of the documents that are asked."""

    def __init__(self, config: TaskConfig, file: str, columns: Callable[[], Collection[str]]) -> None:
        """Raises `UsageError` for a template that is not read here."""
        self._config, self._file, self._columns = config, file, columns
        few = config.fewshot_config
        self._description = self._field(config.description, "description")
        self._text = self._of_columns(config.doc_to_text, "doc_to_text")
        self._target = self._targets(config.doc_to_target, "doc_to_target")
        self._choices = self._choice(config.doc_to_choice, "doc_to_choice")
        self._prefix = self._of_columns(config.gen_prefix or "", "gen_prefix")
        own = few.doc_to_text, few.doc_to_target
        self._shot_text = self._of_columns(own[0], "fewshot_config.doc_to_text") if own[0] else self._text
        self._shot_target = self._targets(own[1], "fewshot_config.doc_to_target") if own[1] else self._target
        choices = config.doc_to_choice if few.doc_to_choice is msgspec.UNSET else few.doc_to_choice
        self._shot_choices = self._choice(choices, "fewshot_config.doc_to_choice")
        prefix = config.gen_prefix if few.gen_prefix is msgspec.UNSET else few.gen_prefix
        self._shot_prefix = self._field(prefix or "", "fewshot_config.gen_prefix")

    def described(self, document: Document) -> str:
        """Return what stands before everything."""
        return self._string(self._description(document), "description")

    def text(self, document: Document) -> str:
        """Return the question of a document, without what the reply begins with."""
        return self._question(self._text(document), "doc_to_text")

    def asked(self, document: Document) -> str:
        """Return the question of a document with what the reply begins with."""
        text, prefix = self.text(document), self._string(self._prefix(document), "gen_prefix")
        return f"{text}{self._config.target_delimiter * _needs_blank(text, prefix)}{prefix}"

    def shot(self, document: Document) -> str:
        """Return a demonstration."""
        config, few = self._config, self._config.fewshot_config
        between = config.target_delimiter if few.target_delimiter is None else few.target_delimiter
        after = config.fewshot_delimiter if few.fewshot_delimiter is None else few.fewshot_delimiter
        text = self._question(self._shot_text(document), "doc_to_text")
        prefix = self._string(self._shot_prefix(document), "gen_prefix")
        answer = self._answer(self._shot_target(document), document)
        between *= _needs_blank(text, prefix) if prefix else answer is not None
        if answer is None:
            return f"{text}{between}{prefix}"
        return f"{text}{between}{prefix}{' ' * _needs_blank(prefix, answer)}{answer}{after}"

    def golds(self, document: Document, *, several: bool) -> tuple[str, ...]:
        """Return what is right; `several` says whether the first document has a list, as then all must."""
        target = self._target(document)
        if self._choices is not None:
            return (self._chosen(target, self._choices(document), "doc_to_target"),)
        if not several:
            return (str(target),)
        if not isinstance(target, list) or not all(isinstance(one, str) for one in target):
            raise self._wrong("doc_to_target", "a list of texts, as the first document's", target)
        if len(target) > _MOST_TARGETS:
            raise self._wrong("doc_to_target", f"at most {_MOST_TARGETS:,} targets", f"{len(target):,}")
        return tuple(target)

    def is_several(self, document: Document) -> bool:
        """Tell whether a document's target is a list of alternatives."""
        target = self._target(document)
        return isinstance(target, list) and bool(target)

    def _answer(self, target: Any, document: Document) -> str | None:
        """Return the target of a demonstration: a choice by its place, of alternatives the first; None for none."""
        if target is None or target == "":
            return None
        if isinstance(target, int) and self._shot_choices is not None:
            return self._chosen(target, self._shot_choices(document), "doc_to_target")
        target = target[0] if isinstance(target, list) and target else target
        return self._string(target, "a demonstration's `doc_to_target`")

    def _chosen(self, place: Any, choices: Any, key: str) -> str:
        if not isinstance(choices, list):
            raise self._wrong("doc_to_choice", "a list", choices)
        if not isinstance(place, int) or not -len(choices) <= place < len(choices):
            raise self._wrong(key, f"the place of one of {len(choices)} choices", place)
        return self._string(choices[place], "doc_to_choice")

    def _question(self, text: Any, key: str) -> str:
        if isinstance(text, str) and text.isdigit() and self._config.doc_to_choice is not msgspec.UNSET:
            raise self._wrong(key, "a text; with `doc_to_choice`, a number chooses among several prompts", text)
        return self._string(text, key)

    def _string(self, found: Any, key: str) -> str:
        if not isinstance(found, str):
            raise self._wrong(key, "a text", found)
        return found

    def _wrong(self, key: str, wanted: str, found: Any) -> UsageError:
        shown = f"`{found[:60]}`" if isinstance(found, str) else f"{type(found).__name__} `{found}`"[:60]
        key = key if "`" in key else f"`{key}`"
        return UsageError(f"{key} of `{self._file}` must be {wanted}, found {shown}", "mend the template, or the data")

    def _of_columns(self, text: str, key: str) -> Reader:
        """Return what reads a column where the asked documents have one of that name, else what fills a template in."""
        whole = compile_template(text, key, self._file)

        def read(document: Document) -> Any:
            if text not in self._columns():
                return whole(document)
            if text not in document:
                raise self._wrong(key, f"the column `{text[:60]}`, which this document lacks", None)
            return document[text]

        return read

    def _field(self, text: str, key: str) -> Reader:
        """Return what reads a field where the document itself has one of that name, else what fills a template in."""
        whole = compile_template(text, key, self._file)
        return lambda document: document[text] if text and text in document else whole(document)

    def _targets(self, given: str | int | tuple[str, ...], key: str) -> Reader:
        if not isinstance(given, str):
            return lambda document: [*given] if isinstance(given, tuple) else given
        by_column = self._of_columns(given, key)

        def read(document: Document) -> Any:
            found = by_column(document)
            if given in self._columns():
                return found
            if found.isdigit() and self._config.doc_to_choice is not msgspec.UNSET:
                return self._number(found, key)
            return self._listed(found, key) if found[:1] == "[" and found[-1:] == "]" else found

        return read

    def _choice(self, given: Choices, key: str) -> Reader | None:
        if not given:
            return None
        if not isinstance(given, str):
            texts = [*(given.values() if isinstance(given, dict) else given)]
            return lambda document: texts
        by_column = self._of_columns(given, key)

        def read(document: Document) -> Any:
            found = by_column(document)
            return found if given in self._columns() else self._listed(found, key)

        return read

    def _number(self, text: str, key: str) -> int:
        if not text.isascii() or len(text) > 6 or (text[0] == "0" and text.strip("0")):
            raise self._wrong(key, "a choice's place", text)
        return int(text)

    def _listed(self, text: str, key: str) -> Any:
        """Return the list that a text writes as Python does, else the text: letters and numbers, nothing is run."""
        if len(text) > _LONGEST_LIST:
            raise self._wrong(key, f"a list of at most {_LONGEST_LIST:,} characters", f"{len(text):,}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.literal_eval(text)
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            return text


def _needs_blank(before: str, after: str) -> bool:
    """Tell whether neither of two texts has a blank where they meet."""
    return bool(before and after) and not (before[-1].isspace() or after[0].isspace())
