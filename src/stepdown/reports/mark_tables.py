"""Marks by criterion as a table: a judge's mean, people's, and the judge's corrected by people."""

from collections.abc import Mapping, Sequence

from stepdown.measuring import CorrectedMean, RunMarks
from stepdown.text import Table, between, clipped, percent

_NOTE = (
    "Means of marks as per cent of the most; of a verdict, per cent right. judge: all its marks. people: solutions with"
    " a mark of a person, which must be drawn at random. people alone, corrected: people's mean over all solutions with"
    " its 95 % interval, without the judge and by prediction-powered inference (Angelopoulos et al. 2023): the judge's"
    " mean less what it gets wrong where people marked. same: where both marked, the judge says what people say. alpha:"
    " Krippendorff's, of several raters."
)


def marks_table(results: Sequence[RunMarks], row_number: Mapping[str, int] | None = None) -> Table:
    """Return a row for each criterion of each run, which `row_number` numbers as in the report's first table."""
    numbers = row_number or {one.run: number for number, one in enumerate(results, 1)}
    rows = tuple((str(numbers.get(one.run, "")), *_cells(mean)) for one in results for mean in one.means)
    graders = ", ".join(sorted({one.grader for one in results}))
    header = ("#", "criterion", "judged", "judge", "people", "people alone", "corrected", "same", "alpha")
    return Table("By criterion", header, rows, 2, f"Grader: {graders}. {_NOTE}")


def _cells(one: CorrectedMean) -> tuple[str, ...]:
    alpha = one.agreement.alpha if one.agreement else None
    return (
        clipped(one.criterion or "verdict", 24),
        str(one.judged),
        percent(one.judge_mean),
        str(one.people),
        _mean(one.alone, one.alone_low, one.alone_high),
        _mean(one.mean, one.low, one.high),
        percent(one.same),
        percent(None) if alpha is None else f"{alpha:.2f}",
    )


def _mean(mean: float | None, low: float | None, high: float | None) -> str:
    if mean is None or low is None or high is None:
        return percent(None)
    return percent(mean) + between(percent(low), percent(high))
