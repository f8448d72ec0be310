"""The charts of served calls: seconds, tokens and money by day; needs the extra `report`."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from stepdown.reports.charts import COLOURS, styled
from stepdown.reports.served_figures import ServedFigures
from stepdown.text import short

_HEIGHT = 220
_MOST_MODELS = len(COLOURS)
CHARTS = {"latency": "Seconds of a call: the median, and up to the 95th percentile", "tokens": "Tokens", "cost": "US$"}


def served_chart(name: str, days: Sequence[ServedFigures], *, width: int = 560) -> Any:
    """Return a chart of `CHARTS` by day and model; models beyond as many as there are colours are left out."""
    models = list(dict.fromkeys(one.model for one in days))[:_MOST_MODELS]
    rows = [_row(one) for one in days if one.model in models]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("day:O", title="day (UTC)", axis=alt.Axis(labelAngle=-40, labelLimit=80)),
        color=alt.Color(
            "model:N", title=None, scale=alt.Scale(domain=[short(one) for one in models], range=COLOURS[: len(models)])
        ),
    )
    if name == "latency":
        offset = alt.XOffset("model:N")
        spans = base.mark_rule(strokeWidth=2).encode(y=alt.Y("p50:Q", title="seconds"), y2="p95:Q", xOffset=offset)
        dots = base.mark_point(filled=True, size=70, opacity=1).encode(y="p50:Q", xOffset=offset)
        return styled(alt.layer(spans, dots).properties(width=width - 60, height=_HEIGHT))
    title = "US$ a day" if name == "cost" else "tokens a day"
    axis = alt.Axis(format="$~g" if name == "cost" else "~s")
    bars = base.mark_bar().encode(y=alt.Y(f"{name}:Q", title=title, axis=axis))
    return styled(bars.properties(width=width - 60, height=_HEIGHT))


def _row(one: ServedFigures) -> dict[str, Any]:
    return {
        "day": one.day, "model": short(one.model), "p50": one.p50, "p95": one.p95,
        "tokens": one.tokens_in + one.tokens_out, "cost": one.cost,
    }  # fmt: skip
