"""Marks by criterion: what people say of a run's solutions beside what a judge says, and its means corrected."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.graders import Rubric, RubricName, rubric_name
from stepdown.prompts import YES_NO, share_of
from stepdown.stats import Agreement, Interval, MarkSums, PoweredMean, agreement, powered_mean, squared
from stepdown.store import BY_PERSON, SKIPPED, PersonMark, Run, judged_traces, stored_marks, stored_rubrics

Place = tuple[str, int]
Shares = dict[Place, float]


class CorrectedMean(msgspec.Struct, frozen=True, kw_only=True):
    """The mean mark of a run by one criterion, as a share of 1: a judge's, people's, and the judge's corrected.

    `criterion` is empty for the verdict, the share of right solutions. `judged` solutions have the judge's mark, with
    the mean `judge_mean`; `people` have one by people, and `both` one of each. `mean`, with its 95 % interval, is
    people's mean over all solutions, from the judge's marks and what people say of some (`stats.prediction_powered`);
    `alone` is it from people's marks alone. None where there are none. `weight` says how far the judge is followed,
    `same` in which share of the solutions with both it says what people say. `agreement` is that of the `raters`.
    """

    criterion: str
    key: str
    grader: str
    scale: int
    judged: int
    judge_mean: float | None
    people: int
    both: int
    same: float | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    alone: float | None = None
    alone_low: float | None = None
    alone_high: float | None = None
    weight: float | None = None
    raters: tuple[str, ...] = ()
    agreement: Agreement | None = None

    @property
    def interval(self) -> Interval | None:
        """The interval of the corrected mean."""
        return None if self.low is None or self.high is None else (self.low, self.high)


class RunMarks(msgspec.Struct, frozen=True):
    """A run's marks by each criterion of a rubric and by its verdict, or for another grader by its verdict alone."""

    run: str
    grader: str
    means: tuple[CorrectedMean, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the object `stepdown marks --json` prints."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields


def rubrics_of(run: Run) -> dict[str, Rubric]:
    """Return the rubrics by which a run was marked, by their keys; damaged ones are left out."""
    found = {}
    for key, body in stored_rubrics(run).items():
        try:
            found[key] = msgspec.json.decode(body, type=Rubric)
        except msgspec.MsgspecError:
            continue
    return found


def rubric_behind(run: Run, grader: str) -> Rubric | None:
    """Return the rubric of a grader of a run, None where it is none's."""
    name = rubric_name(grader.removesuffix(BY_PERSON))
    return rubrics_of(run).get(whole_key(name)) if name else None


def whole_key(name: RubricName) -> str:
    """Return the key of the rubric that a name says a criterion of."""
    return msgspec.structs.replace(name, criterion="").key


def is_marked(run: Run, grader: str = "") -> bool:
    """Whether a grader (the run's current one if empty) marks by a rubric, or people marked what it graded."""
    name = run.stored_grader(grader) or run.grader
    if rubric_name(name):
        return rubric_behind(run, name) is not None
    return bool(name) and any(one.key == "" for one in stored_marks(run))


def run_marks(run: Run, grader: str = "", *, rubric: Rubric | None = None) -> RunMarks:
    """Return what a grader of a run (its current one if empty) and people say, by each criterion.

    Problems are independent, a problem's samples are not: a problem's marks are averaged. What raters say of one
    solution is averaged too, but for a final mark, which decides. People's marks must be of solutions drawn at random.
    With a `rubric`, marks by it, beside the judge's that graded by it where one did. Raises `UnknownName` for a grader
    that never graded the run, `UsageError` for a run without grades.
    """
    name = _grader_by(run, rubric) if rubric else run.stored_grader(grader) if grader else run.grader
    name = name.removesuffix(BY_PERSON)
    if not name and not rubric:
        raise UsageError(f"run `{run.id}` has no grades", f"`stepdown grade {run.id} --grader rubric:FILE` first")
    rubric, by_name, marks = rubric or rubric_behind(run, name), rubric_name(name), stored_marks(run)
    if rubric is None:
        return RunMarks(run.id, name, (_corrected(run, MarkedBy("", "", name), people_say(marks, "", YES_NO)),))
    judge, only = (by_name.judge, by_name.criterion) if by_name else ("", "")
    rows = []
    for one in rubric.criteria:
        scale, key = rubric.scale_of(one), rubric.key(one.name)
        by = MarkedBy(one.name, key, rubric.grader_name(judge, one.name), scale)
        if only in ("", one.name):
            rows.append(_corrected(run, by, people_say(marks, key, scale)))
    if not only:
        rows.append(_corrected(run, MarkedBy("", rubric.key(), name), _verdicts(rubric, marks)))
    return RunMarks(run.id, name, tuple(rows))


def _grader_by(run: Run, rubric: Rubric) -> str:
    """Return the grader of a run that judges by this rubric, the current one before others; empty for none."""
    found = [one for one in (run.grader, *run.graders()) if one.startswith(rubric.key() + "/")]
    return found[0] if found else ""


class MarkedBy(msgspec.Struct, frozen=True):
    """One thing that is marked: a criterion with its key, the judge's grader and its scale; the verdict has no name."""

    criterion: str
    key: str
    grader: str
    scale: int = YES_NO


class PeopleSay(msgspec.Struct, frozen=True):
    """People's shares by solution, who gave them, and each solution's ratings in the raters' order."""

    shares: Shares
    raters: tuple[str, ...] = ()
    ratings: tuple[tuple[float | None, ...], ...] = ()


def people_say(marks: Sequence[PersonMark], key: str, scale: int) -> PeopleSay:
    """Return what people say by one criterion; marks that were skipped, or are not on the scale, say nothing."""
    given: dict[Place, dict[str, float]] = {}
    final: Shares = {}
    for one in marks:
        if one.key != key or one.mark == SKIPPED:
            continue
        share = share_of(one.mark, scale)
        if one.final:
            final[one.problem, one.sample] = share
        else:
            given.setdefault((one.problem, one.sample), {})[one.rater] = share
    raters = tuple(sorted({rater for one in given.values() for rater in one}))
    shares = {place: fmean(one.values()) for place, one in given.items()} | final
    return PeopleSay(shares, raters, tuple(tuple(one.get(rater) for rater in raters) for one in given.values()))


def _verdicts(rubric: Rubric, marks: Sequence[PersonMark]) -> PeopleSay:
    """Return the verdict that people's marks by all criteria come to, where they gave one by each."""
    marks_by = [people_say(marks, rubric.key(one.name), rubric.scale_of(one)).shares for one in rubric.criteria]
    places = [place for place in marks_by[0] if all(place in one for one in marks_by)]
    weights = [one.weight for one in rubric.criteria]
    found: Shares = {}
    for place in places:
        shares = [one[place] for one in marks_by]
        fails = any(one.must and share < 0.5 for one, share in zip(rubric.criteria, shares, strict=True))
        mean = sum(map(float.__mul__, weights, shares)) / sum(weights)
        found[place] = float(mean >= rubric.passes - 1e-9 and not fails)
    return PeopleSay(found)


def _corrected(run: Run, by: MarkedBy, people: PeopleSay) -> CorrectedMean:
    judged, scale = dict(_judged(run, by.grader, by.scale if by.criterion else 0)), by.scale
    both = {place: (people.shares[place], judged[place]) for place in people.shares if place in judged}
    found = _powered(both, judged, 1 / (scale - 1))
    half = 0.5 / (scale - 1)
    shares = {} if found is None else {
        "mean": found.mean, "low": found.low, "high": found.high, "weight": found.weight,
        "alone": found.alone, "alone_low": found.alone_low, "alone_high": found.alone_high,
        "same": fmean(abs(one - other) < half for one, other in both.values()),
    }  # fmt: skip
    return CorrectedMean(
        criterion=by.criterion,
        key=by.key,
        grader=by.grader,
        scale=scale,
        judged=len(judged),
        judge_mean=fmean(judged.values()) if judged else None,
        people=len(people.shares),
        both=len(both),
        raters=people.raters,
        agreement=agreement(people.ratings, squared),
        **shares,
    )


def _judged(run: Run, grader: str, scale: int) -> Iterator[tuple[Place, float]]:
    """Stream the judge's share of each solution it marked; without a scale, 1 for right and 0 for wrong."""
    for problem, sample, verdict, found in judged_traces(run, grader):
        if verdict != "ungraded" and (not scale or found is not None):
            yield (problem, sample), share_of(found, scale) if scale and found else float(verdict == "right")


def _powered(both: Mapping[Place, tuple[float, float]], judged: Shares, step: float) -> PoweredMean | None:
    pairs: dict[str, list[tuple[float, float]]] = {}
    for (problem, _), pair in both.items():
        pairs.setdefault(problem, []).append(pair)
    others: dict[str, list[float]] = {}
    for (problem, _), share in judged.items():
        if problem not in pairs:
            others.setdefault(problem, []).append(share)
    if not pairs:
        return None
    means = ((fmean(y for y, _ in some), fmean(f for _, f in some)) for some in pairs.values())
    return powered_mean(MarkSums.of(means), [fmean(some) for some in others.values()], step=step)
