"""A rubric: criteria of a TOML file, by which a judge model marks solutions one by one."""

import asyncio
import re
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from stepdown.custom import check_model
from stepdown.errors import CallFailed, UsageError
from stepdown.graders.custom import judge_name
from stepdown.identity import fingerprint
from stepdown.prompts import RUBRIC, YES_NO, mark_in, rubric_messages, share_of
from stepdown.toml_files import read_toml
from stepdown.types import Grade, Model, Problem, Sampling, Verdict

PREFIX = "rubric:"
MOST_CRITERIA, MOST_BYTES = 20, 200_000
_HINT = "docs/grading.md shows a rubric: a name, and [[criteria]] with `name` and `ask`"
_NAMED = re.compile(r"rubric:([a-z0-9_-]+)(?:#([a-z0-9_-]+))?@([0-9a-f]{8})(?:/(.+))?", re.DOTALL)
_REPLY = Sampling(max_tokens=512)

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Scale = Annotated[int, Meta(ge=2, le=10)]


class Criterion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that is asked of a solution.

    `ask` is the question, as judge and people see it. A `scale` of 2 is yes or no; on a larger one the marks go from 1
    to it. `weight` counts in the mean; a solution that fails a `must`, with less than half of the marks, is wrong.
    """

    name: Name
    ask: Annotated[str, Meta(min_length=1, max_length=4_000)]
    weight: Annotated[float, Meta(gt=0, le=1e6)] = 1.0
    must: bool = False
    scale: Scale | None = None


class Rubric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Criteria under a name; `scale` is that of criteria without one, `judge` the model that is asked.

    A solution whose weighted mean mark, as a share of 1, is at least `passes` is right.
    """

    name: Name = ""
    criteria: Annotated[tuple[Criterion, ...], Meta(min_length=1, max_length=MOST_CRITERIA)]
    scale: Scale = YES_NO
    passes: Annotated[float, Meta(ge=0, le=1)] = 0.5
    judge: str = ""

    @property
    def version(self) -> str:
        """Eight digits that stand for everything that a mark or a verdict depends on, but for the judge."""
        rows = [[one.name, one.ask, one.weight, one.must, self.scale_of(one)] for one in self.criteria]
        return fingerprint([RUBRIC, self.name, rows, self.passes])[:8]

    def scale_of(self, criterion: Criterion) -> int:
        """Return the scale of one of its criteria."""
        return criterion.scale or self.scale

    def key(self, criterion: str = "") -> str:
        """Return what marks by the rubric, or by one criterion, are kept under, whoever gives them."""
        return f"{PREFIX}{self.name}{f'#{criterion}' * bool(criterion)}@{self.version}"

    def grader_name(self, judge: str, criterion: str = "") -> str:
        """Return the name of the grades that a judge gives by the rubric, or by one criterion."""
        return f"{self.key(criterion)}/{judge}"


class RubricName(msgspec.Struct, frozen=True):
    """What the name of a grader says that judges by a rubric; `criterion` is empty for the verdict of all."""

    rubric: str
    criterion: str
    version: str
    judge: str

    @property
    def key(self) -> str:
        """What people's marks by the same criterion are kept under."""
        return f"{PREFIX}{self.rubric}{f'#{self.criterion}' * bool(self.criterion)}@{self.version}"


def rubric_name(grader: str) -> RubricName | None:
    """Return what a grader's name, or a key, says of a rubric; None for another's."""
    match = _NAMED.fullmatch(grader)
    return RubricName(match[1], match[2] or "", match[3], match[4] or "") if match else None


def judge_of(grader: str) -> str:
    """Return the name of the model that a grader asks; empty for one that asks none."""
    if grader.startswith("judge:"):
        return grader.removeprefix("judge:")
    name = rubric_name(grader)
    return name.judge if name else ""


def read_rubric(path: str | Path) -> Rubric:
    """Return the rubric of a TOML or JSON file, called after the file where it has no name. Raises `UsageError`."""
    file = Path(path).expanduser()
    if file.is_file() and file.stat().st_size > MOST_BYTES:
        raise UsageError(f"the rubric `{path}` has more than {MOST_BYTES:,} bytes", _HINT)
    found = read_toml(file, Rubric, "the rubric", _HINT)
    if not found.name:
        name = re.sub(r"[^a-z0-9_-]+", "-", file.stem.lower()).strip("-_")[:40]
        found = msgspec.structs.replace(found, name=name or "rubric")
    names = [one.name for one in found.criteria]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two criteria of the rubric `{path}` are called `{twice}`", "give each a name of its own")
    return found


def rubric_judge(rubric: Rubric, grader: str) -> str:
    """Return the model that a rubric names as its judge. Raises `UsageError` where it names none."""
    if not rubric.judge:
        raise UsageError(
            f"the rubric of `{grader}` names no judge",
            'put `judge = "MODEL"` into its file, or give --judge MODEL to `grade`',
        )
    return rubric.judge


class RubricGrader:
    """A grader that asks a judge about each criterion, each in a call of its own, so that no mark colours another.

    The verdict's `parts` are the criteria's grades. A criterion without a clear mark leaves the solution ungraded.
    """

    def __init__(self, rubric: Rubric, judge: Model) -> None:
        check_model(judge)
        self.rubric, self.judge = rubric, judge
        self.judge_name = judge_name(judge)
        self.name = rubric.grader_name(self.judge_name)

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        """Return the verdict on one solution. Raises what stops a judge, such as `BudgetReached`."""
        asked = [self._mark(problem, solution, one) for one in self.rubric.criteria]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        parts = []
        for one in ended:
            if isinstance(one, BaseException):
                raise one
            parts.append(one)
        return verdict_by(self.rubric, tuple(parts), self.name)

    async def _mark(self, problem: Problem, solution: str, criterion: Criterion) -> Grade:
        scale, name = self.rubric.scale_of(criterion), self.rubric.grader_name(self.judge_name, criterion.name)
        try:
            replies = await self.judge.reply(rubric_messages(problem, solution, criterion.ask, scale), _REPLY)
        except CallFailed as error:
            return Grade("ungraded", why=f"the judge did not answer: {error.what}"[:200], grader=name)
        reply = replies[0].text.strip()[:80]
        mark = mark_in(replies[0].text, scale)
        if mark is None:
            return Grade("ungraded", why=f"the judge's reply `{reply}` is no mark", grader=name)
        verdict: Verdict = "right" if share_of(mark, scale) >= 0.5 else "wrong"
        return Grade(verdict, mark, f"the judge said `{reply}`", name)


def verdict_by(rubric: Rubric, parts: tuple[Grade, ...], name: str) -> Grade:
    """Return what the marks by all criteria of a rubric come to."""
    pairs = list(zip(rubric.criteria, parts, strict=True))
    missing = [one.name for one, grade in pairs if grade.found is None]
    if missing:
        return Grade("ungraded", why=f"no mark by {', '.join(missing)}", grader=name, parts=parts)
    shares = [share_of(grade.found or "", rubric.scale_of(one)) for one, grade in pairs]
    weights = [one.weight for one in rubric.criteria]
    mean = sum(map(float.__mul__, weights, shares)) / sum(weights)
    failed = [one.name for (one, _), share in zip(pairs, shares, strict=True) if one.must and share < 0.5]
    marks = ", ".join(f"{one.name} {_shown(grade.found or '', rubric.scale_of(one))}" for one, grade in pairs)
    end = f"fails {', '.join(failed)}" if failed else f"{mean:.2f}, passes from {rubric.passes:.2f}"
    verdict: Verdict = "right" if mean >= rubric.passes - 1e-9 and not failed else "wrong"
    return Grade(verdict, why=f"{marks}: {end}", grader=name, parts=parts)


def _shown(mark: str, scale: int) -> str:
    return mark if scale == YES_NO else f"{mark}/{scale}"
