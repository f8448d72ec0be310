"""A report's tables."""

from collections.abc import Callable, Sequence

import msgspec

from stepdown.reports.report_rows import ROLES, OfSamples, ReportRow
from stepdown.reports.variance_rows import variance_table
from stepdown.runner import Contamination
from stepdown.text import (
    CUT,
    DASH,
    Table,
    between,
    chance,
    clipped,
    count,
    method_of,
    money,
    percent,
    plans_of,
    points,
    short,
)

Column = tuple[str, Callable[[ReportRow], str]]
_STOPPED = (
    " Of a run that was stopped once its comparison was decided, the intervals and p are those that hold however it was"
    " stopped: by bets on the next pair, wider than the others."
)
_STOPPED_BY_ANOTHER = (
    " A run that was stopped by its comparison with another baseline has figures here as if its problems had been"
    " counted beforehand; with that baseline (`--baseline {}`) they hold however it was stopped."
)
_ABREAST = 6  # settings beside one another


def tables_of(rows: Sequence[ReportRow]) -> list[Table]:
    """Return the tables that say something about these rows; the first column numbers them."""
    row_number = {row.run: str(number) for number, row in enumerate(rows, 1)}
    tables = [_rights(rows), _contamination_table(rows), *_variations(rows), _differences(rows, row_number)]
    tables += [_singles(rows), _draws(rows), variance_table(rows), _edits(rows), _spendings(rows)]
    return [
        msgspec.structs.replace(
            table,
            header=("#", *table.header),
            rows=tuple((row_number[name], *cells) for name, *cells in table.rows),
            numbers=table.numbers + 1,
        )
        for table in tables
        if table.rows
    ]


def _grid(title: str, rows: Sequence[ReportRow], columns: Sequence[Column], *, words: int = 0, note: str = "") -> Table:
    cells = tuple((row.run, *(cell(row) for _, cell in columns)) for row in rows)
    return Table(title, tuple(name for name, _ in columns), cells, words, note)


def _rights(rows: Sequence[ReportRow]) -> Table:
    names: list[Column] = [
        ("run", lambda row: row.run),
        ("method", method_of),
        ("student", lambda row: short(row.student)),
        ("plans", lambda row: plans_of(row, row.planner)),
    ]
    if any(row.name for row in rows):
        names.insert(1, ("called", lambda row: clipped(row.name, 28)))
    if len({row.dataset for row in rows}) > 1:
        names.insert(-2, ("problems", lambda row: clipped(row.dataset, 40)))
    figures: list[Column] = [("right/graded", _counts), ("% right", _accuracy), ("cut", lambda row: str(row.truncated))]
    unfinished = any(row.graded < row.total for row in rows)
    note = f"% right: of the graded, with the 95 % Wilson interval. {CUT}"
    note += " of: the problems there are; the others are not graded." * unfinished
    note += _STOPPED * any(row.stopped for row in rows)
    return _grid("Right answers", rows, [*names, *figures], words=len(names), note=note)


def _variations(rows: Sequence[ReportRow]) -> list[Table]:
    """Say in what the rows differ; in so many tables that a terminal holds each."""
    names = list(rows[0].differs) if rows else []
    found = []
    for start in range(0, len(names), _ABREAST):
        columns: list[Column] = [(name, _setting(name)) for name in names[start : start + _ABREAST]]
        found.append(_grid("Settings in which the runs differ", rows, columns, words=len(columns)))
    return found


def _setting(name: str) -> Callable[[ReportRow], str]:
    return lambda row: clipped(row.differs.get(name, DASH), 60)


def _contamination_table(rows: Sequence[ReportRow]) -> Table:
    """What lessons met: a table only where a run was tested on its own lessons, or where nobody knows."""
    marked = [row for row in rows if row.contamination and (row.contamination.met or row.contamination.unknown)]
    columns: list[Column] = [
        ("met by", lambda row: clipped(", ".join(short(one) for one in _overlap_of(row).by) or DASH, 40)),
        ("unknown", lambda row: clipped(", ".join(short(one) for one in _overlap_of(row).unknown) or DASH, 40)),
        ("problems met", lambda row: f"{_overlap_of(row).met:,}"),
        (
            "without them: right/graded/total",
            lambda row: "{0.right}/{0.graded}/{0.total}".format(_overlap_of(row)),
        ),
        ("% right", _accuracy_without),
    ]
    note = (
        "Problems whose questions a student was trained on, had its checkpoint chosen by, or was shown."
        " unknown: what these met is not known (a folder of 0.1.0, gone, or of other weights by now)."
    )
    return _grid("Tested on what was trained on", marked, columns, words=2, note=note)


def _overlap_of(row: ReportRow) -> Contamination:
    assert row.contamination is not None, "only marked rows are shown"
    return row.contamination


def _accuracy_without(row: ReportRow) -> str:
    contamination = _overlap_of(row)
    if contamination.accuracy is None:
        return DASH
    return percent(contamination.accuracy) + between(percent(contamination.low), percent(contamination.high))


def _differences(rows: Sequence[ReportRow], row_number: dict[str, str]) -> Table:
    columns: list[Column] = [
        ("vs", lambda row: row_number.get(row.baseline, clipped(row.baseline, 12))),
        ("pairs", lambda row: str(row.paired)),
        ("difference", _difference),
        ("gain %", _gain),
        ("won/lost", lambda row: f"{row.better}/{row.worse}"),
        ("p", lambda row: chance(row.p)),
        ("Holm", lambda row: chance(row.p_holm)),
        ("detectable", _detectable),
    ]
    note = (
        "difference: percentage points over the problems both have graded, with Tango's 95 % score interval. gain:"
        " (new - old) / old, with that of the ratio (∞: the old may have nothing right). p: exact McNemar test,"
        " stricter than the interval where pairs are few; Holm: adjusted over the table. detectable: the least"
        " difference that this test finds at .05 with 80 % power, if as many pairs are discordant as here; none: it"
        " finds none so often."
    )
    compared = [row for row in rows if row.baseline]
    if any(row.samples > 1 for row in compared):
        note += " Of several samples the vote counts, one pair per problem: the tests hold for votes, not for samples."
    if any(row.stopped and row.stopped.baseline == row.baseline for row in compared):
        note += _STOPPED
        columns.append(("stopped", _stopped))
    others = (row.stopped.baseline for row in compared if row.stopped and row.stopped.baseline != row.baseline)
    if other := next(others, None):
        note += _STOPPED_BY_ANOTHER.format(other)
    return _grid("Against the baseline", compared, columns, note=note)


def _stopped(row: ReportRow) -> str:
    one = row.stopped
    if one is None or one.baseline != row.baseline:
        return DASH
    words = {"different": "decided: different", "small": f"decided: below {100 * one.margin:g}", "": "open"}
    return f"{words[one.outcome]}, at {one.pairs} pairs"


def _singles(rows: Sequence[ReportRow]) -> Table:
    columns: list[Column] = [
        ("samples", lambda row: str(row.samples)),
        ("% right by vote", lambda row: percent(row.accuracy)),
        (
            "% right of one sample",
            lambda row: percent(row.single) + between(percent(row.single_low), percent(row.single_high)),
        ),
    ]
    note = (
        "Answers vote that are equal, however they are spelled; replies that were cut do not. One sample: the mean over"
        " problems, with the 95 % score interval clustered by problem."
    )
    return _grid("Self-consistency", [row for row in rows if row.samples > 1], columns, note=note)


def _draws(rows: Sequence[ReportRow]) -> Table:
    """Say what k samples give, a line for each k."""
    cells = []
    for row in rows:
        votes = {one.k: one for one in row.maj_at}
        passes = {one.k: one for one in row.pass_at}
        for k in sorted(votes | passes):
            cells.append((row.run, str(k), *_drawn(passes.get(k)), *_drawn(votes.get(k))))
    note = (
        "pass@k: at least one of k samples is right; maj@k: their vote is. Unbiased, over all choices of k among the"
        " samples drawn, with the 95 % score interval clustered by problem; a tie is shared."
    )
    header = ("k", "pass@k, %", "problems", "maj@k, %", "problems")
    return Table("Of k samples", header, tuple(cells), 0, note)


def _drawn(one: OfSamples | None) -> tuple[str, str]:
    if one is None:
        return DASH, DASH
    return percent(one.share) + between(percent(one.low), percent(one.high)), str(one.problems)


def _edits(rows: Sequence[ReportRow]) -> Table:
    columns: list[Column] = [
        ("edited: right/graded", lambda row: f"{row.edits.edited_right}/{row.edits.edited}"),
        ("untouched: right/graded", lambda row: f"{row.edits.untouched_right}/{row.edits.untouched}"),
    ]
    return _grid("Plans a person edited", [row for row in rows if row.edits.edited], columns)


def _spendings(rows: Sequence[ReportRow]) -> Table:
    roles = [role for role in ROLES if any(role in row.tokens for row in rows)]
    columns: list[Column] = [(f"{role} tokens", _tokens_of(role)) for role in roles]
    columns += [(f"{role} cost", _cost_of(role)) for role in roles if len(roles) > 1]
    columns += [
        ("cost", lambda row: money(row.cost)),
        ("per right", lambda row: money(row.cost_per_right) if row.right else DASH),
    ]
    note = "As if each run stood alone: plans that several runs share were paid once, and are counted in each."
    return _grid("Tokens and money", rows, columns, note=note)


def _tokens_of(role: str) -> Callable[[ReportRow], str]:
    return lambda row: count(row.tokens[role]) if role in row.tokens else DASH


def _cost_of(role: str) -> Callable[[ReportRow], str]:
    return lambda row: money(row.costs[role]) if role in row.costs else DASH


def _accuracy(row: ReportRow) -> str:
    return DASH if row.accuracy is None else percent(row.accuracy) + between(percent(row.low), percent(row.high))


def _counts(row: ReportRow) -> str:
    return f"{row.right}/{row.graded}" + f" of {row.total}" * (row.graded < row.total)


def _gain(row: ReportRow) -> str:
    if not row.paired:
        return DASH
    high = points(row.relative_gain_high) if row.relative_gain_high is not None else "∞"
    return points(row.relative_gain) + between(points(row.relative_gain_low), high)


def _detectable(row: ReportRow) -> str:
    return "none" if row.paired and row.mdd is None else percent(row.mdd)


def _difference(row: ReportRow) -> str:
    return points(row.difference) + between(points(row.difference_low), points(row.difference_high))
