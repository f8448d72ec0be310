"""The chart of a cascade: what each threshold gets right against what it takes; needs the extra `report`."""

from typing import Any

import altair as alt

from stepdown.measuring import Calibration
from stepdown.reports.charts import COLOURS, near_axis, styled

_HEIGHT = 280


def cascade_chart(calibration: Calibration, *, width: int = 760) -> Any:
    """Return accuracy, with its 95 % interval, against tokens or money per problem, a point for each threshold.

    A threshold is the share of votes that must agree, or the teacher is asked; the chosen one is filled.
    """
    priced = any(row.cost for row in calibration.rows)
    rows = [row for row in calibration.rows if row.accuracy is not None]
    chosen = calibration.chosen
    points: dict[tuple[float, int], dict[str, Any]] = {}
    for row in rows:
        cost = row.cost if priced else row.tokens
        if cost is None:
            continue
        # Thresholds that escalate the same problems are one point.
        point = points.setdefault((cost, row.right), {"threshold": "", "choice": "threshold", "order": row.threshold})
        point |= {"cost": cost, "right": 100 * (row.accuracy or 0.0), "low": 100 * row.low, "high": 100 * row.high}
        point["threshold"] += f"{', ' if point['threshold'] else ''}{row.threshold:g}"
        if chosen and row.threshold == chosen.threshold:
            point["choice"] = "chosen"
    title = f"{'US$' if priced else 'tokens'} per problem"
    axis = alt.Axis(format="$~g" if priced else "~s", tickCount=8)
    base = alt.Chart(alt.InlineData(values=list(points.values()))).encode(
        x=alt.X("cost:Q", title=title, axis=axis, scale=alt.Scale(zero=False, padding=12))
    )
    right = near_axis("right", list(points.values()))
    spans = base.mark_rule(strokeWidth=1.5, color="#8a8a8a").encode(
        y=near_axis("low", list(points.values())), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=1.5, color=COLOURS[0], opacity=0.6).encode(y=right, order="order:Q")
    domain = ["chosen", "threshold"]
    kind = alt.Color("choice:N", title=None, scale=alt.Scale(domain=domain, range=COLOURS[1::-1]))
    shape = alt.Shape("choice:N", title=None, scale=alt.Scale(domain=domain))
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(y=right, color=kind, shape=shape)
    names = base.mark_text(dx=10, dy=-8, align="left", color="currentColor").encode(y=right, text="threshold:N")
    return styled(alt.layer(spans, line, dots, names).properties(width=width - 60, height=_HEIGHT))
