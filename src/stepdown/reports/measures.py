"""The tables of measures that a report may hold beside its runs: contrast sets, and the same run under each grader."""

from collections.abc import Sequence

from stepdown.measuring import Consistency, GraderReading, Sensitivity
from stepdown.text import Table, between, chance, percent, points


def contrast_tables(results: Sequence[Consistency], row_number: dict[str, int]) -> list[Table]:
    """Return the table of contrast sets, none where there are none; `row_number` numbers the runs of the report."""
    if not results:
        return []
    header = ("#", "contrast run", "pairs", "% right", "% changed right", "change", "p", "% both right")
    rows = tuple(_cells(one, row_number[one.run]) for one in results)
    return [Table("Contrast sets", header, rows, 2, " ".join([_NOTE, *map(_apart, results)]))]


_NOTE = (
    "Of the pairs of which both problems are graded, with 95 % Wilson intervals. changed right: of their partners."
    " change: the difference in percentage points, with Tango's score interval. p: exact McNemar test. both right:"
    " contrast consistency (Gardner et al. 2020)."
)


def _cells(one: Consistency, row_number: int) -> tuple[str, ...]:
    shares = (
        (one.accuracy, one.low, one.high),
        (one.contrast_accuracy, one.contrast_low, one.contrast_high),
        (one.consistency, one.consistency_low, one.consistency_high),
    )
    original, changed, both = (
        percent(share) + ("" if share is None else between(percent(low), percent(high))) for share, low, high in shares
    )
    p = chance(one.p if one.pairs else None)
    return (str(row_number), one.contrast, str(one.pairs), original, changed, _change(one), p, both)


def _change(one: Consistency) -> str:
    if one.difference is None:
        return points(None)
    return points(one.difference) + between(points(one.difference_low), points(one.difference_high))


def _apart(one: Consistency) -> str:
    """What a reader must know of one pair of runs beyond its row."""
    text = f"{one.contrast}: {one.ungraded} pairs ungraded on a side, {one.alone} problems without a partner"
    unlike = one.alike is not None and one.alike < 0.5
    return f"{text}, {percent(one.alike)} % of words shared{' (are these the same rows?)' if unlike else ''}."


def sensitivity_table(results: Sequence[Sensitivity], row_number: dict[str, int]) -> Table:
    """Return one row for each run, numbered as in the report's first table."""
    names = [reading.grader.partition("@")[0] for reading in results[0].readings]
    rows = tuple((str(row_number.get(one.run, "")), *map(_cell, one.readings)) for one in results)
    note = (
        "Per cent right of the graded, the same stored solutions read by each grader; `-`: it does not read this kind."
    )
    return Table("Under each grader", ("#", *names), rows, numbers=1, note=note)


def _cell(reading: GraderReading) -> str:
    if reading.accuracy is None:
        return "-"
    return f"{percent(reading.accuracy)} ({reading.right}/{reading.graded})"
