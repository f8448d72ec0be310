"""Runs side by side: figures with intervals, paired differences, the problems that turned, and charts."""

from typing import get_args
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.audits import kept_judges
from stepdown.errors import MissingExtra, UnknownName, UsageError
from stepdown.measuring import makes_cascade
from stepdown.reports import Report, ReportRow, all_verdict_changes, names_of
from stepdown.store import ChangeKind, Run, RunLabels, Store, VerdictChanges, labels_of, run_version, verdict_changes
from stepdown.text import figures, method_of, plans_of
from stepdown.web.pages import page, state_of
from stepdown.web.pages.runs import number
from stepdown.web.views.run_stats import RunStatsCache

MOST = 24  # an address of more is longer than some proxies take
MOST_BUNDLED = 200  # of a bundle, whose pages have no such address
FLIPS = 25
OFFERED = 300
BY_RULE = "yes"
_LONGEST_NAME = 200
MOST_LINED_UP = 500  # of each run beside those that are kept; each takes some milliseconds
WIDTH = 560  # of a chart in pixels: two stand side by side, drawn as large as they are shown
_INK = {"light": "#1b1f24", "dark": "#e5e8ec"}
_CSP = "default-src 'none'; style-src 'unsafe-inline'"


class CompareQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What an address asks to compare; `pair` is the run whose problems that turned are listed.

    `adherence`: also how plans were followed, `yes` by the rule, or by the judge of this name; `precision`: also what
    it takes for differences to be known to so many percentage points. Each is "" where that is not asked.
    """

    runs: tuple[str, ...] = ()
    baseline: str = ""
    pair: str = ""
    kind: ChangeKind = "any"
    at: int = 1
    adherence: str = ""
    precision: str = ""

    def address(self, **more: object) -> str:
        """The part of an address after `?` that asks the same, changed in what is given."""
        fields = {"baseline": self.baseline, "pair": self.pair, "kind": self.kind, "adherence": self.adherence,
                  "precision": self.precision, **more}  # fmt: skip
        pairs = [("run", run) for run in self.runs]
        return urlencode([pair for pair in [*pairs, *fields.items()] if pair[1]])


class Drawn(msgspec.Struct, frozen=True):
    """A chart of the page: its name, its title, and what it shows in words."""

    name: str
    title: str
    words: str


class Turnings(msgspec.Struct, frozen=True, kw_only=True):
    """The problems that turned between a row and its baseline."""

    row: ReportRow
    flips: VerdictChanges
    pages: int


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page says; `offered` are the runs to choose from, `notes` what does not compare.

    `cascades` are the pairs of runs that make one: the cheap run's id, and the dear one's. `judges` are the models of
    which it is kept what they said of the steps of these runs' plans.
    """

    offered: tuple[Run, ...]
    labels: dict[str, RunLabels] = {}
    report: Report | None = None
    notes: tuple[str, ...] = ()
    turnings: Turnings | None = None
    charts: tuple[Drawn, ...] = ()
    missing: MissingExtra | None = None
    cascades: tuple[tuple[str, str], ...] = ()
    judges: tuple[str, ...] = ()


def query_of(request: Request) -> CompareQuery:
    """Return what an address asks. Raises `UnknownName`, and `UsageError` for more runs than fit a page."""
    given, most = request.query_params, MOST_BUNDLED if state_of(request).bundled else MOST
    runs = tuple(dict.fromkeys(one for one in given.getlist("run") if one))
    if len(runs) > most:
        raise UsageError(
            f"{len(runs)} runs do not fit on one page", f"choose {most}; `stepdown report` takes any number"
        )
    baseline, kind = given.get("baseline", ""), given.get("kind") or "any"
    for known in get_args(ChangeKind):
        if kind == known:
            at = number(request, "page")
            return CompareQuery(
                runs=runs, baseline=baseline, pair=given.get("pair", ""), kind=known, at=at,
                adherence=given.get("adherence", "")[:_LONGEST_NAME], precision=_points(given.get("precision", "")),
            )  # fmt: skip
    raise UnknownName("kind of flip", kind, get_args(ChangeKind))


def _points(written: str) -> str:
    """Return percentage points as they were asked for, "" for none. Raises `UsageError`."""
    if not written.strip():
        return ""
    try:
        points = float(written)
    except ValueError:
        points = -1.0
    if not 0 < points <= 100:
        raise UsageError(f"a precision of `{written[:20]}` points", "give points above 0, such as 2")
    return f"{points:g}"


def compare(run_stats: RunStatsCache, store: Store, query: CompareQuery) -> ComparedRun:
    """Return the runs asked for, compared. Raises `UnknownName`."""
    labels = labels_of(store)
    offered = tuple(run for run in store.runs()[::-1] if run.id in query.runs or not _is_hidden(run, labels))[:OFFERED]
    if not query.runs:
        return ComparedRun(offered=offered, labels=labels)
    report = run_stats.report(
        store, query.runs, query.baseline,
        followed=MOST_LINED_UP if query.adherence == BY_RULE else query.adherence or 0,
        precision=float(query.precision or 0) / 100,
    )  # fmt: skip
    _, (charts, missing) = run_stats.remember(("charts", id(report)), lambda: (report, charts_in(report)))
    return ComparedRun(
        offered=offered,
        labels=labels,
        report=report,
        notes=tuple(notes_on(report)),
        turnings=_turnings(run_stats, store, report, query),
        charts=charts,
        missing=missing,
        cascades=tuple(
            (cheap, dear)
            for cheap, one in report.settings.items()
            for dear, other in report.settings.items()
            if makes_cascade(one, other)
        ),
        judges=tuple(kept_judges(map(store.run, query.runs))),
    )


def _is_hidden(run: Run, labels: dict[str, RunLabels]) -> bool:
    return run.id in labels and labels[run.id].hidden


def notes_on(report: Report) -> list[str]:
    """Return what in these runs does not compare, in words."""
    number = {row.run: at for at, row in enumerate(report.rows, 1)}
    notes = []
    for row in report.rows:
        base = next((one for one in report.rows if one.run == row.baseline), None)
        if base is None:
            alone = len(report.rows) > 1 and all(row.run != one.baseline for one in report.rows)
            notes += [f"Run {number[row.run]} shares no problem with another one here: no difference."] * alone
            continue
        if not row.paired:
            notes.append(f"Run {number[row.run]} shares no graded problem with run {number[base.run]}: no difference.")
        elif row.paired < min(row.graded, base.graded) or row.total != base.total:
            notes.append(
                f"Run {number[row.run]} and run {number[base.run]} share {row.paired:,} graded problems by question; "
                "their difference is over these only."
            )
    if len({row.dataset for row in report.rows}) > 1:
        notes.append("These runs are on different data, so their shares of right answers do not compare.")
    if ", " in report.grader:
        notes.append("Different graders graded them; `stepdown grade` gives all runs the same one.")
    return notes


def charts_in(report: Report) -> tuple[tuple[Drawn, ...], MissingExtra | None]:
    """Return the charts this report has data for, or the extra that is missing to draw them."""
    try:
        from stepdown.reports import charts
    except MissingExtra as missing:
        return (), missing
    titles = charts.titles_of(report)
    return tuple(Drawn(name, title, _words(name, title, report)) for name, title in titles.items()), None


def _words(name: str, title: str, report: Report) -> str:
    if name not in ("accuracy", "cost"):
        return f"{title}, for each run."
    lines = [
        f"{at} {row.name}{', ' * bool(row.name)}{method_of(row)}, {figures.short(row.student)}: "
        + f"{figures.percent(row.accuracy)} % right"
        + (f" for {figures.money(row.cost)} and {_tokens(row)}" if name == "cost" else _interval(row))
        for at, row in enumerate(report.rows, 1)
        if row.accuracy is not None
    ]
    return f"{title}. {'; '.join(lines)}."


def _interval(row: ReportRow) -> str:
    return f", from {figures.percent(row.low)} to {figures.percent(row.high)}"


def _tokens(row: ReportRow) -> str:
    known = [one for one in row.tokens.values() if one is not None]
    return f"{figures.count(sum(known) if len(known) == len(row.tokens) else None)} tokens"


def _turnings(run_stats: RunStatsCache, store: Store, report: Report, query: CompareQuery) -> Turnings | None:
    rows = [row for row in report.rows if row.baseline and row.run.startswith(query.pair)]
    if not rows:
        return None
    row = rows[0]
    before, after = store.run(row.baseline), store.run(row.run)
    changes = _flips(run_stats, before, after, query)
    return Turnings(row=row, flips=changes, pages=max(1, -(-changes.total // FLIPS)))


def _flips(run_stats: RunStatsCache, before: Run, after: Run, query: CompareQuery) -> VerdictChanges:
    """Return a page of what turned: paired by question as in the table, or by id where no question is shared."""
    changes = run_stats.remember(
        ("turns", before.id, run_version(before), after.id, run_version(after)),
        lambda: all_verdict_changes(before, after),
    )
    if changes.paired or not before.settings.samples == after.settings.samples == 1:
        return changes.some(query.kind, before=before, after=after, offset=(query.at - 1) * FLIPS, count=FLIPS)
    return verdict_changes(before, after, kind=query.kind, offset=(query.at - 1) * FLIPS, count=FLIPS)


async def show_compare(request: Request) -> Response:
    """Answer with the runs asked for side by side, and a form to choose them."""
    state, query = state_of(request), query_of(request)
    compared = await state.read(lambda store: compare(state.run_stats, store, query))
    return page(
        request, "compare.html", seen=compared, asked=query, report=compared.report,
        method_of=method_of, plans_of=plans_of, figures=figures,
        names=names_of(compared.report.rows) if compared.report else {},
    )  # fmt: skip


async def show_chart(request: Request) -> Response:
    """Answer with a chart as svg, in ink for a light or a dark page."""
    state, query, name = state_of(request), query_of(request), request.path_params["name"]

    def work(store: Store) -> str:
        report = state.run_stats.report(store, query.runs, query.baseline)
        return state.run_stats.remember(("chart", name, id(report)), lambda: (report, draw(name, report)))[1]

    return chart_response(await state.read(work), request)


def chart_response(drawn: str, request: Request) -> Response:
    """Return a chart's svg in the ink that an address asks for. Raises `UnknownName`."""
    scheme = request.query_params.get("scheme", "light")
    if scheme not in _INK:
        raise UnknownName("scheme", scheme, _INK)
    text = drawn.replace("currentColor", _INK[scheme])
    return Response(text, media_type="image/svg+xml", headers={"Content-Security-Policy": _CSP})


def draw(name: str, report: Report) -> str:
    """Return a chart as svg. Raises `MissingExtra`, `UnknownName`, and `UsageError` where there is nothing to draw."""
    from stepdown.reports import charts

    titles = charts.titles_of(report)
    if name not in titles:
        known = (*charts.WIDE, *charts.SMALL)
        if name not in known:
            raise UnknownName("chart", name, known)
        raise UsageError("these runs have no data for this chart", "grade them first with `stepdown grade`")
    return charts.svg(charts.draw(name, report, width=WIDTH, columns=2), name)


ROUTES: list[BaseRoute] = [Route("/compare", show_compare), Route("/charts/{name}.svg", show_chart)]
