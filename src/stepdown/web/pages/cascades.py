"""The calibration of a cascade: what each threshold gives on two stored runs, as a table and a curve."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import MissingExtra, UsageError
from stepdown.measuring import Calibration, Goal, calibrate
from stepdown.models import Prices
from stepdown.store import Store, run_version
from stepdown.text import figures
from stepdown.web.pages import page, state_of
from stepdown.web.pages.compare import WIDTH, chart_response
from stepdown.web.views.run_stats import RunStatsCache

USUAL, SURE = "0.8", 0.95


def goal_of(request: Request) -> Goal:
    """Return the goal that an address asks for. Raises `UsageError`."""
    given = request.query_params
    price, spend = (_number(given.get(name, ""), name) for name in ("price", "spend"))
    lose, sure = (_share(given.get(name, ""), name) for name in ("lose", "sure"))
    others = any(one is not None for one in (price, lose, spend))
    accuracy = _share(given.get("accuracy") or ("" if others else USUAL), "accuracy")
    goal = Goal(accuracy=accuracy, price=price, lose=lose, spend=spend, sure=SURE if sure is None else sure)
    goal.check()
    return goal


def _share(text: str, name: str) -> float | None:
    share = _number(text.strip().removesuffix("%"), name)
    return share / 100 if share is not None and text.strip().endswith("%") else share


def _number(text: str, name: str) -> float | None:
    try:
        return float(text[:20]) if text else None
    except ValueError:
        raise UsageError(f"the {name} `{text[:40]}` is no number", "write it as 0.8") from None


def calibrated(run_stats: RunStatsCache, store: Store, request: Request, prices: Prices) -> Calibration:
    """Return the calibration that an address asks for. Raises `UnknownName`, `UsageError`."""
    given, goal = request.query_params, goal_of(request)
    cheap, dear = store.run(given.get("cheap", "")), store.run(given.get("dear", ""))
    key = ("cascade", cheap.id, run_version(cheap), dear.id, run_version(dear), goal)
    return run_stats.remember(key, lambda: calibrate(cheap, dear, goal, prices=prices))


async def show_cascade(request: Request) -> Response:
    """Answer with every threshold of a cascade, its curve, and the lines that serve the chosen one."""
    state = state_of(request)
    found = await state.read(lambda store: calibrated(state.run_stats, store, request, state.prices))
    return page(
        request, "cascade.html", found=found, figures=figures, query=str(request.url.query), missing=_missing_extra(),
        goal={name: request.query_params.get(name, "") for name in ("accuracy", "price", "lose", "spend", "sure")},
        usual=USUAL,
    )  # fmt: skip


def _missing_extra() -> MissingExtra | None:
    try:
        from stepdown.reports import charts  # noqa: F401
    except MissingExtra as missing:
        return missing
    return None


async def show_curve(request: Request) -> Response:
    """Answer with the curve as svg."""
    state = state_of(request)

    def work(store: Store) -> str:
        from stepdown.reports import charts
        from stepdown.reports.cascade_chart import cascade_chart

        found: Any = calibrated(state.run_stats, store, request, state.prices)
        return charts.svg(cascade_chart(found, width=WIDTH + 200), "cascade")

    return chart_response(await state.read(work), request)


ROUTES: list[BaseRoute] = [Route("/cascade", show_cascade), Route("/cascade.svg", show_curve)]
