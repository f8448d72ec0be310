"""The list of runs, and one run's traces as pages that can be filtered and searched."""

import time
from collections.abc import Callable, Iterable
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.audits import Audit, audit
from stepdown.errors import UnknownName
from stepdown.models import Prices
from stepdown.reports import LostCosts, lost_costs, lost_words
from stepdown.runner import may_have_seen
from stepdown.settings import in_words
from stepdown.store import (
    MOST,
    NO_LABELS,
    WHERE,
    Run,
    RunLabels,
    ServerFigures,
    Store,
    StoredShards,
    TraceFilter,
    TracePage,
    Where,
    counts,
    cut_runs,
    labels_of,
    pending_review_counts,
    run_labels,
    run_version,
    search_traces,
    servers_of,
)
from stepdown.text import figures
from stepdown.types import Settings
from stepdown.web.pages import page, state_of, templates
from stepdown.web.state import State
from stepdown.web.views.run_stats import RunStatsCache, RunSummary

RUNS = 40
TRACES = 50
_LONGEST_WORDS = 200


class RunQuery(msgspec.Struct, frozen=True):
    """Which runs the list shows; empty is any."""

    dataset: str = ""
    method: str = ""
    student: str = ""
    words: str = ""
    tag: str = ""
    hidden: str = ""
    sort: str = ""

    def holds(self, run: Run, labels: RunLabels) -> bool:
        """Whether a run is one of these; words may stand in its id, its labels or anywhere in its settings.

        Hidden runs are left out unless `hidden` is `yes`.
        """
        if (labels.hidden and self.hidden != "yes") or (self.tag and self.tag not in labels.tags):
            return False
        settings, pairs = run.settings, ((one, getattr(self, one)) for one in ("dataset", "method", "student"))
        known = (run.id, labels.name, *labels.tags, labels.note, *(value for _, value in facts(settings)))
        text = " ".join(known).casefold()
        return all(not wanted or getattr(settings, one) == wanted for one, wanted in pairs) and all(
            word in text for word in self.words.casefold().split()
        )

    def address(self, *, sort: str | None = None) -> str:
        """The list's address, to which a page's number can be added; sorted otherwise, where that is given."""
        asked = self if sort is None else msgspec.structs.replace(self, sort=sort)
        return "/?" + urlencode({**{k: v for k, v in msgspec.to_builtins(asked).items() if v}, "page": ""})


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list; the choices are those of all runs."""

    entries: tuple[RunSummary, ...]
    found: int
    total: int
    at: int
    pages: int
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    students: tuple[str, ...]
    tags: tuple[str, ...] = ()
    hidden: int = 0
    labels: dict[str, RunLabels] = {}
    waiting: dict[str, int] = {}
    cut: dict[str, StoredShards] = {}


class ShownRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run's head with one page of its traces."""

    entry: RunSummary
    counts: dict[Where, int]
    page: TracePage
    at: int
    pages: int
    graders: tuple[str, ...]
    labels: RunLabels = NO_LABELS
    met: str = ""
    waiting: int = 0
    cut: StoredShards | None = None
    servers: tuple[ServerFigures, ...] = ()
    lost: tuple[LostCosts, ...] = ()


def _most(figure: float | None) -> tuple[bool, float]:
    return figure is None, -(figure or 0)


SORTS: dict[str, Callable[[RunStatsCache, Run, RunLabels], tuple[bool, float | str]]] = {
    "name": lambda _, run, labels: (not labels.name, labels.name.casefold()),
    "data set": lambda _, run, labels: (False, run.settings.dataset),
    "accuracy": lambda stats, run, labels: _most(stats.summarize(run).accuracy),
    "tokens": lambda stats, run, labels: _most(stats.summarize(run).spent.tokens),
    "money": lambda stats, run, labels: _most(stats.summarize(run).spent.money),
    "oldest": lambda _, run, labels: (False, run.created),
}


def list_runs(run_stats: RunStatsCache, store: Store, query: RunQuery, at: int = 1) -> Listing:
    """Return a page of the runs asked for, newest first."""
    runs, labels = store.runs()[::-1], labels_of(store)
    matching = [run for run in runs if query.holds(run, labels.get(run.id, NO_LABELS))]
    if key := SORTS.get(query.sort):
        # What is not known comes last, and of equals the newest first.
        matching.sort(key=lambda run: key(run_stats, run, labels.get(run.id, NO_LABELS)))
    pages = max(1, -(-len(matching) // RUNS))
    at = min(at, pages)
    return Listing(
        entries=tuple(run_stats.summarize(run) for run in matching[(at - 1) * RUNS : at * RUNS]),
        found=len(matching),
        total=len(runs),
        at=at,
        pages=pages,
        datasets=_choices(run.settings.dataset for run in runs),
        methods=_choices(run.settings.method for run in runs),
        students=_choices(run.settings.student for run in runs),
        tags=_choices(one for own in labels.values() for one in own.tags),
        hidden=sum(run.id in labels and labels[run.id].hidden for run in runs),
        labels=labels,
        waiting=pending_review_counts(store),
        cut=cut_runs(store),
    )


def _choices(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def number(request: Request, name: str) -> int:
    """Return a page's number from an address, 1 where it is none."""
    given = request.query_params.get(name, "")
    return max(1, int(given)) if given.isdecimal() and len(given) < 9 else 1


def facts(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return what a run's settings say, in words, without what is empty."""
    s = settings
    pairs = (
        ("dataset", s.dataset),
        ("problems", f"{s.count:,}"),
        ("method", s.method),
        ("student", s.student),
        ("student's sampling", in_words(s.sampling)),
        ("teacher", s.teacher),
        ("teacher's sampling", in_words(s.teacher_sampling) if s.teacher else ""),
        ("samples", str(s.samples) if s.samples > 1 else ""),
        ("plans a problem", str(s.plan_samples) if s.plan_samples > 1 else ""),
        ("prompts", s.prompt_set),
        ("plans", s.plans),
        ("control", s.control),
        ("origin", s.origin),
    )
    return tuple((name, value) for name, value in pairs if value)


def age(created: float) -> str:
    """Return how long ago a moment (unix seconds) was, in words."""
    passed = max(0.0, time.time() - created)
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if passed >= seconds:
            return f"{figures.counted(int(passed // seconds), unit)} ago"
    return "just now"


async def live(state: State) -> str:
    """Return the first page of the list as the fragment that a change sends to those who look at it."""
    listing = await state.read(lambda store: list_runs(state.run_stats, store, RunQuery()))
    return _fragment(state, listing)


def _fragment(state: State, listing: Listing) -> str:
    template = templates().get_template("parts/runs.html")
    return template.render(listing=listing, asked=RunQuery(), state=state, figures=figures, age=age)


async def show_runs(request: Request) -> Response:
    """Answer with the list of runs."""
    state, given = state_of(request), request.query_params
    query = RunQuery(*(given.get(one, "")[:_LONGEST_WORDS] for one in RunQuery.__struct_fields__))
    at = number(request, "page")
    listing = await state.read(lambda store: list_runs(state.run_stats, store, query, at))
    plain = query == RunQuery() and at == 1
    return page(request, "runs.html", listing=listing, asked=query, plain=plain, figures=figures, age=age, sorts=SORTS)


def chosen_of(request: Request) -> TraceFilter:
    """Return which traces an address asks for. Raises `UnknownName`, and `UsageError` for a test's value."""
    given = {
        name: request.query_params.get(name, "").strip()[:_LONGEST_WORDS] for name in TraceFilter.__struct_fields__
    }
    where = given.pop("where")
    for known in WHERE:
        if where == known:
            chosen = TraceFilter(known, **given)
            chosen.check()
            return chosen
    raise UnknownName("filter of traces", where, [one for one in WHERE if one])


def asked_of(chosen: TraceFilter) -> dict[str, str]:
    """Return what an address says of these traces, by name."""
    return {name: value for name, value in msgspec.to_builtins(chosen).items() if value}


def query(chosen: TraceFilter, **more: object) -> str:
    """Return the part of an address after `?` that asks for these traces."""
    return urlencode({name: value for name, value in {**asked_of(chosen), **more}.items() if value != ""})


async def show_run(request: Request) -> Response:
    """Answer with one run: its settings and figures, and a page of its traces."""
    state, chosen, at = state_of(request), chosen_of(request), number(request, "page")
    name = request.path_params["run"]
    shown_run = await state.read(lambda store: _see(state.run_stats, store.run(name), chosen, at, state.prices))
    return page(
        request, "run.html", seen=shown_run, chosen=chosen, query=query, figures=figures, age=age,
        lost=lost_words(shown_run.lost), facts=facts(shown_run.entry.settings), words_most=MOST, where_names=WHERE,
        asked_of=asked_of, replace=msgspec.structs.replace,
    )  # fmt: skip


def _see(run_stats: RunStatsCache, run: Run, chosen: TraceFilter, at: int, prices: Prices) -> ShownRun:
    traces = search_traces(run, chosen, offset=(at - 1) * TRACES, count=TRACES)
    return ShownRun(
        entry=run_stats.summarize(run),
        counts=run_stats.remember(("counts", run.id, run_version(run)), lambda: counts(run)),
        page=traces,
        at=at,
        pages=max(1, -(-traces.total // TRACES)),
        graders=tuple(run.graders()),
        labels=run_labels(run),
        met=_met(run_stats, run),
        waiting=pending_review_counts(run.store).get(run.id, 0),
        cut=cut_runs(run.store).get(run.id),
        lost=tuple(lost_costs([run], prices)),
        servers=run_stats.remember(("servers", run.id, run_version(run)), lambda: tuple(servers_of(run))),
    )


def _met(run_stats: RunStatsCache, run: Run) -> str:
    """Return what to know of a run whose student was trained on its problems, nothing where none can have been."""
    if not may_have_seen(run.settings):
        return ""
    row = run_stats.report(run.store, [run.id]).rows[0]
    return str(row.contamination or "")


async def show_audit(request: Request) -> Response:
    """Answer with what to know before trusting a run; a long run takes a while to be read."""
    state, name = state_of(request), request.path_params["run"]
    run, findings = await state.read(lambda store: _audit(state.run_stats, store.run(name)))
    return page(request, "audit.html", run=run, audit=findings, one=findings.runs[0], figures=figures)


def _audit(run_stats: RunStatsCache, run: Run) -> tuple[str, Audit]:
    return run.id, run_stats.remember(("audit", run.id, run_version(run)), lambda: audit(run))


ROUTES: list[BaseRoute] = [
    Route("/", show_runs),
    Route("/runs/{run}", show_run),
    Route("/runs/{run}/audit", show_audit),
]
