"""Problems by runs: verdict and answer in each cell, filtered, sorted and searched; every choice is in the address."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import UnknownName, UsageError
from stepdown.reports import (
    ROW_FILTERS,
    MatrixColumn,
    RowFilter,
    VerdictMatrix,
    leaked_rows,
    rows_at,
    rows_in,
    verdict_matrix,
)
from stepdown.store import (
    NO_LABELS,
    Run,
    Store,
    TraceSummary,
    labels_of,
    places_with,
    run_labels,
    run_version,
    summaries_at,
)
from stepdown.text import figures, method_of, plans_of
from stepdown.types import Verdict
from stepdown.web.pages import page, state_of
from stepdown.web.pages.runs import number
from stepdown.web.views.addresses import address
from stepdown.web.views.run_stats import RunStatsCache

MOST = 24
ROWS = 50
OFFERED = 300
_LONGEST_WORDS = 200
SORTS = {"": "as in the data", "hardest": "fewest right first", "split": "most divided first"}


class MatrixQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What an address asks: runs by id or those of a data set, and which rows in which order.

    `base` is the run that `won` and `lost` start from (the first, if empty), `of` the run that a filter judges (any, if
    empty); `sort` a key of `SORTS`, or a run, whose wrong ones come first.
    """

    runs: tuple[str, ...] = ()
    dataset: str = ""
    where: RowFilter = ""
    base: str = ""
    of: str = ""
    sort: str = ""
    words: str = ""
    at: int = 1

    def address(self, **more: object) -> str:
        """The address that asks the same, changed in what is given, from the first page on."""
        names = ("dataset", "where", "base", "of", "sort", "words")
        fields = {name: getattr(self, name) for name in names} | more
        runs = fields.pop("runs", self.runs)
        return "/matrix?" + urlencode([("run", one) for one in runs] + [pair for pair in fields.items() if pair[1]])


class MatrixHeading(msgspec.Struct, frozen=True, kw_only=True):
    """A column's head: its run, what it is called, and how many of its problems are right and graded."""

    run: str
    number: int
    method: str
    student: str
    plans: str
    right: int
    graded: int


class MatrixCell(msgspec.Struct, frozen=True, kw_only=True):
    """One run's attempt at a problem; `beside` is where it stands side by side with the base's, empty for the base."""

    verdict: Verdict
    found: str | None
    trace: str
    beside: str
    flags: tuple[str, ...]


class MatrixRow(msgspec.Struct, frozen=True):
    """A problem with a cell for each column, None where the run has not tried it."""

    problem: str
    question: str
    gold: str
    cells: tuple[MatrixCell | None, ...]


class ShownMatrix(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page says; `wins` has for each column how many it has right that each other has wrong."""

    headings: tuple[MatrixHeading, ...]
    rows: tuple[MatrixRow, ...]
    counts: dict[RowFilter, int | None]
    wins: tuple[tuple[int, ...], ...]
    total: int
    pages: int
    base: int = 0
    of: int | None = None
    left_out: int = 0


class MatrixPage(msgspec.Struct, frozen=True, kw_only=True):
    """The data sets there are, with how many runs each has, and the matrix where one is chosen."""

    asked: MatrixQuery
    datasets: dict[str, int]
    offered: tuple[Run, ...]
    shown: ShownMatrix | None = None


def query_of(request: Request) -> MatrixQuery:
    """Return what an address asks. Raises `UnknownName`, and `UsageError` for more runs than fit a page."""
    given = request.query_params
    runs = tuple(dict.fromkeys(one for one in given.getlist("run") if one))
    if len(runs) > MOST:
        raise UsageError(f"{len(runs)} runs do not fit on one page", f"choose {MOST}")
    where = next((one for one in ROW_FILTERS if one == given.get("where", "")), None)
    if where is None:
        raise UnknownName("filter of rows", given["where"], [one for one in ROW_FILTERS if one])
    return MatrixQuery(
        runs=runs,
        where=where,
        words=given.get("words", "").strip()[:_LONGEST_WORDS],
        at=number(request, "page"),
        **{name: given.get(name, "") for name in ("dataset", "base", "of", "sort")},
    )


def look(run_stats: RunStatsCache, store: Store, asked: MatrixQuery) -> MatrixPage:
    """Return the matrix asked for; without runs and a data set, that of the newest run's. Raises `UnknownName`."""
    labels = labels_of(store)
    offered = [run for run in store.runs()[::-1] if not labels.get(run.id, NO_LABELS).hidden]
    datasets = dict[str, int]()
    for run in offered:
        datasets[run.settings.dataset] = datasets.get(run.settings.dataset, 0) + 1
    if asked.runs:
        chosen = [store.run(one) for one in asked.runs]
    else:
        name = asked.dataset or next(iter(datasets), "")
        if name and name not in datasets:
            raise UnknownName("data set with runs", name, datasets)
        asked = msgspec.structs.replace(asked, dataset=name)
        chosen = [run for run in offered if run.settings.dataset == name][:MOST][::-1]
    page = MatrixPage(asked=asked, datasets=datasets, offered=tuple(offered[:OFFERED]))
    if not chosen:
        return page
    shown = _shown(run_stats, chosen, asked)
    left_out = 0 if asked.runs else datasets[asked.dataset] - len(chosen)
    return msgspec.structs.replace(page, shown=msgspec.structs.replace(shown, left_out=left_out))


def _shown(run_stats: RunStatsCache, runs: Sequence[Run], asked: MatrixQuery) -> ShownMatrix:
    marks = tuple((run.id, run_version(run)) for run in runs)
    matrix = run_stats.remember(("matrix", marks), lambda: verdict_matrix(runs))
    base = _place(runs, asked.base, "baseline") or 0
    of = _place(runs, asked.of, "run of the filter")
    among = _searched(runs, matrix, asked.words) if asked.words else (1 << matrix.rows) - 1

    def leaked() -> int:
        found = run_stats.remember(("leaked", marks), lambda: [*map(leaked_rows, runs, matrix.columns)])
        rows = 0
        for one in found if of is None else [found[of]]:
            rows |= one
        return rows

    picked = leaked() if asked.where == "leaked" else matrix.chosen(asked.where, base=base, of=of)
    rows = _sorted(runs, matrix, rows_in(picked & among), asked.sort)
    some = rows[(asked.at - 1) * ROWS : asked.at * ROWS]
    known = [one for one in ROW_FILTERS if one != "leaked"]
    counts: dict[RowFilter, int | None] = {
        one: (matrix.chosen(one, base=base, of=of) & among).bit_count() for one in known
    }
    leaks = any(one.plans for one in matrix.columns)
    every, pairs = range(len(runs)), zip(runs, matrix.columns, strict=True)
    return ShownMatrix(
        headings=tuple(_heading(at, run, column) for at, (run, column) in enumerate(pairs, 1)),
        rows=tuple(_rows(runs, matrix, some, base)),
        counts=counts | ({"leaked": len(rows) if asked.where == "leaked" else None} if leaks else {}),
        wins=tuple(tuple(matrix.wins(one, other) for other in every) for one in every),
        total=len(rows),
        pages=max(1, -(-len(rows) // ROWS)),
        base=base,
        of=of,
    )


def _place(runs: Sequence[Run], name: str, what: str) -> int | None:
    """Return which of the columns a run is, None for no name. Raises `UnknownName`."""
    if not name:
        return None
    ids = [run.id for run in runs]
    found = [at for at, one in enumerate(ids) if one.startswith(name)]
    if not found:
        raise UnknownName(what, name[:80], ids)
    return found[0]


def _searched(runs: Sequence[Run], matrix: VerdictMatrix, words: str) -> int:
    """Return the rows whose question or id holds words; a run that has no row of its own is not searched."""
    found = seen = 0
    for run, column in zip(runs, matrix.columns, strict=True):
        if column.tried & ~seen:
            found |= rows_at(column, places_with(run, words))
            seen |= column.tried
    return found


def _sorted(runs: Sequence[Run], matrix: VerdictMatrix, rows: list[int], sort: str) -> list[int]:
    if not sort:
        return rows
    if sort == "hardest":
        return matrix.hardest_first(rows)
    if sort == "split":
        return matrix.most_split_first(rows)
    return matrix.wrong_first(rows, _place(runs, sort, "order of rows") or 0)


def _heading(at: int, run: Run, column: MatrixColumn) -> MatrixHeading:
    right, name = column.right.bit_count(), run_labels(run).name
    return MatrixHeading(
        run=run.id,
        number=at,
        method=method_of(run.settings),
        student=figures.clipped(name, 28) if name else figures.short(run.settings.student, 28),
        plans="" if plans_of(run.settings) == figures.DASH else plans_of(run.settings),
        right=right,
        graded=right + column.wrong.bit_count(),
    )


def _rows(runs: Sequence[Run], matrix: VerdictMatrix, rows: Sequence[int], base: int) -> Iterator[MatrixRow]:
    """Yield the rows of a page; of each run only its traces in them are looked up."""
    lines = [_lines(run, column, rows) for run, column in zip(runs, matrix.columns, strict=True)]
    for row in rows:
        own = [some.get(row) for some in lines]
        first = next((one for one in own if one), None)
        if first is None:
            continue  # deleted since the matrix was counted
        cells = [_cell((runs, matrix), (row, at, base), own) for at in range(len(runs))]
        yield MatrixRow(first.problem, first.question, first.gold, tuple(cells))


def _lines(run: Run, column: MatrixColumn, rows: Sequence[int]) -> dict[int, TraceSummary]:
    places = {(column.ordinals[row], column.samples[row]): row for row in rows if column.ordinals[row] >= 0}
    return {places[line.ordinal, line.sample]: line for line in summaries_at(run, [*places])}


def _cell(
    grid: tuple[Sequence[Run], VerdictMatrix], place: tuple[int, int, int], own: Sequence[TraceSummary | None]
) -> MatrixCell | None:
    (runs, matrix), (row, at, base) = grid, place
    line, other = own[at], own[base]
    verdict = matrix.columns[at].verdict(row)
    if line is None or verdict is None:
        return None
    flags = (("truncated", line.truncated), ("edited", line.edited), ("failed", line.error is not None))
    beside = ""
    if other is not None and at != base:
        named = line.problem if line.problem != other.problem else ""
        beside = address(runs[base].id, "solved", other.problem, by=runs[at].id, other=named)
    return MatrixCell(
        verdict=verdict,
        found=matrix.columns[at].found[row],
        trace=address(runs[at].id, "traces", line.problem, sample=line.sample),
        beside=beside,
        flags=tuple(name for name, is_so in flags if is_so),
    )


async def show_matrix(request: Request) -> Response:
    """Answer with problems by runs, and forms to choose them."""
    state, asked = state_of(request), query_of(request)
    seen = await state.read(lambda store: look(state.run_stats, store, asked))
    return page(request, "matrix.html", seen=seen, asked=seen.asked, shown=seen.shown, figures=figures, sorts=SORTS)


ROUTES: list[BaseRoute] = [Route("/matrix", show_matrix)]
