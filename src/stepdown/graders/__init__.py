"""Graders read a solution, blind to the gold, and then compare what it concludes with the gold.

`default` reads by the problem's kind; `numeric`, `choice`, `text` and `expression` read every problem as
theirs; `strict` counts only an explicit final answer; `lenient` also counts a gold that stands in the last
sentences; `last-number` and `box-first` read as other harnesses do (`baselines`); `judged_by(model)` asks a model.
"""

import re
from collections.abc import Awaitable, Callable

import msgspec

from stepdown.answers import (
    Conclusion,
    closing,
    conclusion,
    explicit,
    formulas,
    number,
    numbers,
    plain_text,
    same_expression,
    unwrapped,
)
from stepdown.custom import check_model
from stepdown.errors import CallFailed, UnknownName
from stepdown.graders.baselines import NUMERIC, box_first, last_number
from stepdown.graders.comparing import compare, gold_of, wholes
from stepdown.graders.custom import OURS, as_grader, judge_name, named
from stepdown.graders.majority import Attempts, majority_grade, verdict_of, votes_of
from stepdown.graders.rubrics import (
    PREFIX,
    Criterion,
    Rubric,
    RubricGrader,
    RubricName,
    judge_of,
    read_rubric,
    rubric_judge,
    rubric_name,
)
from stepdown.plugins import find, names
from stepdown.prompts import judge_messages
from stepdown.types import Grade, Grader, Kind, Model, Problem, Sampling

__all__ = [
    "OURS",
    "PREFIX",
    "Attempts",
    "Criterion",
    "Rubric",
    "RubricGrader",
    "RubricName",
    "as_grader",
    "judge_name",
    "judge_of",
    "judged_by",
    "load_grader",
    "majority_grade",
    "named",
    "read_rubric",
    "rubric_judge",
    "rubric_name",
    "verdict_of",
    "votes_of",
]

_VERDICT = re.compile(r"\b(right|wrong)\b", re.IGNORECASE)
_KINDS: dict[str, Kind] = {"numeric": "number", "choice": "choice", "text": "text", "expression": "expression"}
_WORD = re.compile(r"[A-Za-z]{2,20}")
_BASELINES = {"last-number": last_number, "box-first": box_first}
# Raised whenever a text may be read or compared otherwise than before; earlier grades keep their names.
_VERSION = 2
_SENTENCES = 3


class _Named(msgspec.Struct, frozen=True):
    """A grader: a name and what it does."""

    name: str
    grade: Callable[[Problem, str], Awaitable[Grade]]

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        """Return the grade of one solution; never raises on hostile text."""
        return await self.grade(problem, solution)


def load_grader(name: str = "default", *, code: bool = False) -> Grader:
    """Return a grader by its name, with or without version; one of an earlier version grades by the present one.

    The names: `default`, `numeric`, `choice`, `text`, `expression`, `strict`, `lenient`, `last-number`, `box-first`.

    An empty solution is wrong: it concludes nothing. `ungraded` is for a gold that cannot be read and for two
    expressions that cannot be compared within five seconds of a processor. With `code` the name may also be a
    plugin's or one of a file's (`my.py:grade`), which runs that code: never for a name from elsewhere. Raises
    `UnknownName`, `UsageError`.
    """
    plain, _, version = name.partition("@")
    known = ["default", "strict", "lenient", *_KINDS, *_BASELINES]
    if plain not in known or version not in ("", *map(str, range(1, _VERSION + 1))):
        found = find("graders", name) if code and plain not in known else None
        if found is None:
            raise UnknownName("grader", name, [*known, *(names("graders") if code else ())])
        return as_grader(found)
    full = f"{plain}@{_VERSION}"
    if plain == "lenient":
        return _Named(full, lambda problem, solution: _lenient(problem, solution, full))
    read = {"strict": explicit, **_BASELINES}.get(plain, conclusion)

    async def grade(problem: Problem, solution: str) -> Grade:
        kind = _KINDS.get(plain, problem.kind)
        if plain == "last-number" and kind not in NUMERIC:
            return Grade("ungraded", why=f"`{plain}` reads numbers, and this problem's kind is `{kind}`", grader=full)
        conclusion_read = read(solution, kind, problem.choices, question=problem.question)
        return await _graded(problem, solution, conclusion_read, kind, full)

    return _Named(full, grade)


def judged_by(model: Model) -> Grader:
    """Return a grader that asks a model whether a solution's conclusion equals the gold.

    Its name is `judge:` and the model's name, for a model of your own with what stands for its code. A reply without a
    clear verdict, or none at all, is `ungraded`.
    """
    check_model(model)
    name = f"judge:{judge_name(model)}"

    async def grade(problem: Problem, solution: str) -> Grade:
        try:
            replies = await model.reply(judge_messages(problem, solution), Sampling(max_tokens=512))
        except CallFailed as error:
            return Grade("ungraded", why=f"the judge did not answer: {error.what}"[:200], grader=name)
        return _judged(replies[0].text, name)

    return _Named(name, grade)


def _judged(text: str, name: str) -> Grade:
    verdicts = {match.lower() for match in _VERDICT.findall(text[-2000:])}
    if verdicts == {"right"}:
        return Grade("right", why=f"the judge said `{text.strip()[:80]}`", grader=name)
    if verdicts == {"wrong"}:
        return Grade("wrong", why=f"the judge said `{text.strip()[:80]}`", grader=name)
    return Grade("ungraded", why=f"the judge's reply `{text.strip()[:80]}` is not a verdict", grader=name)


async def _graded(problem: Problem, solution: str, read: Conclusion, kind: Kind, name: str) -> Grade:
    if gold_of(problem, kind) is None:
        return Grade("ungraded", read.found, f"the gold `{problem.answer[:80]}` cannot be read as {kind}", name)
    if read.found is None and kind == "expression" and _WORD.fullmatch(word := unwrapped(solution)):
        read = Conclusion(word, None, word)
    if read.found is None:
        return Grade("wrong", None, read.how, name)
    whole = wholes(solution, read.found, read.where) if kind == "expression" and read.where else ()
    verdict, why = await compare(problem, read.found, kind, whole=whole)
    return Grade(verdict, read.found, why, name)


async def _lenient(problem: Problem, solution: str, name: str) -> Grade:
    read = conclusion(solution, problem.kind, problem.choices, question=problem.question)
    grade = await _graded(problem, solution, read, problem.kind, name)
    gold = gold_of(problem, problem.kind)
    if grade.verdict == "right" or gold is None or not _stands(gold, problem, solution):
        return grade
    return Grade("right", gold, f"the gold `{gold[:80]}` stands in the last sentences", name)


def _stands(gold: str, problem: Problem, solution: str) -> bool:
    for _, sentence in zip(range(_SENTENCES), closing(solution), strict=False):
        text = sentence.text
        if problem.kind == "number" and number(gold) in [one.value for one in numbers(text, words=True)]:
            return True
        if problem.kind == "expression" and any(same_expression(gold, one.value) for one in formulas(text)):
            return True
        if problem.kind == "text" and f" {gold} " in f" {plain_text(text)} ":
            return True
    return False
