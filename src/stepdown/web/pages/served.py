"""Latency and money of what the endpoint answered: by model and day, in a window of time."""

import time
from collections.abc import Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import MissingExtra, UnknownName
from stepdown.reports import ServedFigures, served_figures
from stepdown.store import MOST_CALLS, HandedOn, ServedName, Store, all_handed_on, served_calls, served_names
from stepdown.text import figures
from stepdown.types import Pricing
from stepdown.web.openai.drift_alarm import WAY_OUT, alarm_text
from stepdown.web.pages import page, state_of
from stepdown.web.pages.compare import WIDTH, chart_response

WINDOWS = {"day": ("24 hours", 1), "week": ("7 days", 7), "month": ("30 days", 30), "all": ("all", 0)}
USUAL = "week"
_DAY = 86_400


class ServedPage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page says; `charts` are those that have something to draw, by name, with their titles.

    `cascades` are those that were calibrated, by run, and `alarms` what those say that hand on another share.
    """

    models: tuple[ServedFigures, ...]
    days: tuple[ServedFigures, ...]
    names: tuple[ServedName, ...]
    charts: dict[str, str]
    missing: MissingExtra | None
    cut: bool
    cascades: dict[str, HandedOn]
    alarms: tuple[str, ...]
    way_out: str = WAY_OUT


def window_of(request: Request) -> str:
    """Return the window that an address asks for. Raises `UnknownName`."""
    window = request.query_params.get("window") or USUAL
    if window not in WINDOWS:
        raise UnknownName("window", window, WINDOWS)
    return window


def _since(window: str) -> float:
    days = WINDOWS[window][1]
    return time.time() - days * _DAY if days else 0.0


def see(store: Store, prices: Pricing, window: str) -> ServedPage:
    """Return what was served in a window."""
    calls = list(served_calls(store, _since(window)))
    days = served_figures(calls, prices, by_day=True)
    charts, missing = _charts(days)
    cascades = all_handed_on(store)
    return ServedPage(
        models=tuple(served_figures(calls, prices, by_day=False)),
        days=tuple(days),
        names=tuple(served_names(store)),
        charts=charts,
        missing=missing,
        cut=len(calls) == MOST_CALLS,
        cascades=cascades,
        alarms=tuple(alarm_text(one) for one in cascades.values() if one.alarm),
    )


def _charts(days: Iterable[ServedFigures]) -> tuple[dict[str, str], MissingExtra | None]:
    try:
        from stepdown.reports.served_charts import CHARTS
    except MissingExtra as missing:
        return {}, missing
    has = {
        "latency": any(one.p50 is not None for one in days),
        "tokens": bool([*days]),
        "cost": any(one.cost for one in days),
    }
    return {name: title for name, title in CHARTS.items() if has[name]}, None


async def show_served(request: Request) -> Response:
    """Answer with the page."""
    state, window = state_of(request), window_of(request)
    shown = await state.read(lambda store: see(store, state.prices, window))
    return page(request, "served.html", shown=shown, window=window, windows=WINDOWS, figures=figures)


async def show_served_chart(request: Request) -> Response:
    """Answer with a chart as svg. Raises `UnknownName`."""
    state, window, name = state_of(request), window_of(request), request.path_params["name"]

    def work(store: Store) -> str:
        from stepdown.reports import charts
        from stepdown.reports.served_charts import CHARTS, served_chart

        if name not in CHARTS:
            raise UnknownName("chart", name, CHARTS)
        days = served_figures(served_calls(store, _since(window)), state.prices, by_day=True)
        return charts.svg(served_chart(name, days, width=WIDTH), f"served-{name}")

    return chart_response(await state.read(work), request)


ROUTES: list[BaseRoute] = [Route("/served", show_served), Route("/served/{name}.svg", show_served_chart)]
