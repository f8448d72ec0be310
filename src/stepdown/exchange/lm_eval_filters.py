"""What a task file of lm-evaluation-harness does with replies: its filters, and its metric `exact_match`.

Source of the rules: lm_eval 0.4.13, `filters/extraction.py`, `filters/selection.py`, `filters/transformation.py` and
`api/metrics.py`.
"""

import string
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from stepdown.errors import UsageError
from stepdown.exchange.imported import plain_name
from stepdown.exchange.lm_eval_filter_steps import STEPS, Document, Step
from stepdown.exchange.lm_eval_patterns import MOST_PATTERNS, compile_pattern, one_limit, substitute
from stepdown.exchange.lm_eval_samples import HARNESS
from stepdown.types import Grade, Problem

METRIC = "exact_match"
_SHOWN = 300  # characters of an answer in a grade


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


class Golds(Protocol):
    """What a grader must know of a task's problems."""

    def golds(self, problem: Problem) -> Sequence[str]:
        """Return the targets of a problem, each of which is right."""
        ...

    def document(self, problem: Problem) -> Document:
        """Return the document behind a problem; an empty one for a problem of something else."""
        ...


class HarnessGrader:
    """Grades replies as the harness does: by a filter's steps, and then by `exact_match` with the gold.

    A filter that votes is of all samples of a problem: it grades by `vote`, and a single reply not at all.
    """

    def __init__(self, chosen: HarnessFilter, matching: Matching, file: str, task: Golds) -> None:
        """Raises `UsageError` for a step that is not read here."""
        self._task = task
        self._first, self._then, self.votes = _steps_of(chosen, file)
        given = matching.regexes_to_ignore or ()
        if len(given) > MOST_PATTERNS:
            raise UsageError(f"`regexes_to_ignore` of `{file}` are {len(given)}", f"give at most {MOST_PATTERNS}")
        self._ignored = [compile_pattern(one, "regexes_to_ignore", file) for one in given]
        self._matching = matching
        made = msgspec.json.encode([chosen.filter, matching])
        digits = blake2b(made, digest_size=4).hexdigest()
        # As its samples say it, and what it does: two tasks may call different filters the same.
        self.name = f"{HARNESS}/{METRIC}/{plain_name(chosen.name)}@{digits}"

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        """Return the grade of a reply; one over which patterns take more than half a second is ungraded."""
        if self.votes:
            return Grade("ungraded", None, "its filter votes, and one reply is no vote", self.name)
        return self._graded(problem, [solution])

    async def vote(self, problem: Problem, solutions: Sequence[str | None]) -> Grade:
        """Return the one grade of all samples of a problem, in their order; None is one that failed."""
        voting = solutions[: self._first] if self._first else solutions
        if len(voting) < self._first or None in voting:
            asked = f"the first {self._first}" if self._first else "all"
            return Grade("ungraded", None, f"its filter needs {asked} samples, and some are not there", self.name)
        return self._graded(problem, [one for one in voting if one is not None])

    def _graded(self, problem: Problem, replies: Sequence[str]) -> Grade:
        try:
            with one_limit():
                document = self._task.document(problem)
                (found,) = self._then(replies, document)
                answer = self._plain(found)
                verdict = any(answer == self._plain(gold) for gold in self._task.golds(problem))
        except (TimeoutError, ValueError, RecursionError) as error:
            return Grade("ungraded", None, f"the task's filter cannot read it: {error}"[:_SHOWN], self.name)
        return Grade("right" if verdict else "wrong", found[:_SHOWN], "as exact_match compares", self.name)

    def _plain(self, text: str) -> str:
        """Return what `exact_match` compares of a text."""
        for pattern in self._ignored:
            text = substitute(pattern, "", text)
        text = text.lower() if self._matching.ignore_case else text
        gone = string.punctuation * self._matching.ignore_punctuation + string.digits * self._matching.ignore_numbers
        return text.translate(str.maketrans("", "", gone))


def _steps_of(chosen: HarnessFilter, file: str) -> tuple[int, Callable[[Sequence[str], Document], list[str]], bool]:
    """Return how many replies a filter takes (0 is all), what it makes of them, and whether it votes.

    Raises `UsageError` for a step that is not read here, or not where it stands.
    """
    names, steps, first, last = (
        [str(one.get("function")) for one in chosen.filter],
        list[Step | None](),
        0,
        len(chosen.filter),
    )
    if last > MOST_PATTERNS:
        raise UsageError(
            f"`filter_list` of `{file}`: `{chosen.name}` has {last} steps", f"give at most {MOST_PATTERNS}"
        )
    votes = names.count("majority_vote")
    for place, (name, step) in enumerate(zip(names, chosen.filter, strict=True)):
        given, key = {one: step[one] for one in step if one != "function"}, f"filter_list.{chosen.name}.{name}"
        if name == "take_first" and place == last - 1 and not given:
            continue
        if name == "majority_vote" and votes == 1 and not given:
            steps.append(None)
        elif name == "take_first_k" and votes and place == 0 and [*given] == ["k"] and _is_count(given["k"]):
            first = given["k"]
        elif name in STEPS:
            steps.append(STEPS[name](given, key, file))
        else:
            raise UsageError(f"`filter_list` of `{file}`: `{chosen.name}` has the step `{name[:60]}`", _STEPS_READ)

    def filtered(replies: Sequence[str], document: Document) -> list[str]:
        texts = [*replies]
        for step in steps:
            texts = [_majority(texts)] if step is None else [step(text, document) for text in texts]
        return texts

    return first, filtered, bool(votes)


_STEPS_READ = (
    f"stepdown reads {', '.join(STEPS)}, take_first at the end, and one majority_vote, with take_first_k before all"
)


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and 0 < given <= 10_000


def _majority(texts: Sequence[str]) -> str:
    """Return the text that comes most often, letter for letter; of several the one that came first."""
    return Counter(texts).most_common(1)[0][0]
