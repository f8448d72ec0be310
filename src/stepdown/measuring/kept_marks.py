"""People's marks in the store: which solutions a rater is asked about, and where raters differ."""

from collections.abc import Iterable, Mapping, Sequence

from stepdown.graders import Rubric
from stepdown.measuring.mark_files import MarkQuestion
from stepdown.measuring.people_and_judges import rubric_behind, rubrics_of
from stepdown.store import SKIPPED, PersonMark, Run

Place = tuple[str, int]
RIGHT_OR_WRONG = "right"


def rubrics_to_mark(run: Run) -> dict[str, Rubric | None]:
    """Return by what a run's solutions can be marked, the usual first: its rubrics by key, and right or wrong."""
    known = rubrics_of(run)
    behind = rubric_behind(run, run.grader)
    first = behind.key() if behind else next(iter(known), RIGHT_OR_WRONG)
    found: dict[str, Rubric | None] = {**known, RIGHT_OR_WRONG: None}
    return {first: found[first]} | found


def dealt_with(marks: Iterable[PersonMark], questions: Sequence[MarkQuestion], rater: str) -> dict[str, dict[str, str]]:
    """Return what a rater said of each problem's first solution, by the keys of these questions."""
    keys, own = {one.key for one in questions}, dict[str, dict[str, str]]()
    for one in marks:
        if one.rater == rater and not one.final and not one.sample and one.key in keys:
            own.setdefault(one.problem, {})[one.key] = one.mark
    return own


def differing_marks(
    marks: Iterable[PersonMark], questions: Sequence[MarkQuestion]
) -> dict[Place, dict[str, dict[str, str]]]:
    """Return the solutions that raters do not all mark the same, with each rater's mark by the key of the criterion."""
    keys, given = {one.key for one in questions}, dict[Place, dict[str, dict[str, str]]]()
    for one in marks:
        if one.key in keys and not one.final and one.mark != SKIPPED:
            given.setdefault((one.problem, one.sample), {}).setdefault(one.key, {})[one.rater] = one.mark
    kept = {
        place: {k: by_rater for k, by_rater in by.items() if len(set(by_rater.values())) > 1}
        for place, by in given.items()
    }
    return {place: by for place, by in sorted(kept.items()) if by}


def final_marks(marks: Iterable[PersonMark]) -> Mapping[tuple[str, int, str], PersonMark]:
    """Return the final marks by problem, sample and key."""
    return {(one.problem, one.sample, one.key): one for one in marks if one.final}
