"""The charts of trainings and of studies, in the colours of reports; importing this needs the extra `report`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stepdown.errors import MissingExtra

try:
    import altair as alt
except ImportError as error:
    raise MissingExtra("altair", "report", "drawing charts") from error

COLOURS = ["#2f7ed8", "#d1495b", "#2a9d6f", "#9467bd", "#b8860b", "#7f7f7f"]
_MOST_POINTS = 2_000
# A line of one point is none: so few are drawn as points too.
_FEW = 40
_FEW_TICKS = 8  # a tick for each step up to here; chosen ones can fall between two steps
Rows = Sequence[Mapping[str, Any]]


class Scored(Protocol):
    """What students of one kind got right: shares of 1 with their interval; `chains` per problem, 0 for all."""

    @property
    def chains(self) -> int: ...  # noqa: D102
    @property
    def by(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def mean(self) -> float: ...  # noqa: D102
    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102


def curves_chart(logs: Mapping[str, Rows], *, width: int = 520) -> Any:
    """Return loss, dev accuracy and speed by step, one line a student, of what their logs hold so far.

    `logs` are the rows of `log.jsonl` by the student's name: `step`, and any of `loss` (nats per token), `dev` (share
    right) and `tokens_per_second`. None where no row has any of them.
    """
    titles = {"loss": "loss, nats per token", "dev": "dev: % right", "tokens_per_second": "tokens/s"}
    drawn = [_curve(logs, field, title, width) for field, title in titles.items()]
    there = [chart for chart in drawn if chart is not None]
    return alt.vconcat(*there) if there else None


def _curve(logs: Mapping[str, Rows], field: str, title: str, width: int) -> Any:
    points = [
        {"student": name, "step": row["step"], "value": row[field] * (100 if field == "dev" else 1)}
        for name, rows in logs.items()
        for row in rows
        if isinstance(row.get(field), int | float)
    ]
    if not points:
        return None
    thinned = points[:: -(-len(points) // _MOST_POINTS)]
    order = list(logs)
    steps = sorted({point["step"] for point in thinned})
    # Of nothing but zeros the axis would have its 0 in the middle.
    nothing = field == "dev" and not any(point["value"] for point in thinned)
    scale = alt.Scale(domain=[0, 100]) if nothing else alt.Scale(zero=field != "loss")
    ticks = {"values": steps} if len(steps) <= _FEW_TICKS else {"tickMinStep": 1}
    return (
        alt.Chart(alt.InlineData(values=thinned))
        .mark_line(point=field == "dev" or len(thinned) <= _FEW)
        .encode(
            x=alt.X("step:Q", title="step", axis=alt.Axis(format="d", **ticks)),
            y=alt.Y("value:Q", title=title, scale=scale),
            color=alt.Color(
                "student:N",
                title=None,
                sort=order,
                scale=alt.Scale(range=COLOURS),
                legend=alt.Legend(columns=max(1, width // 180), labelLimit=160),
            ),
        )
        .properties(width=width, height=170)
    )


def scores_chart(scores: Sequence[Scored], *, width: int = 420) -> Any:
    """Return accuracy by N with intervals, a line per target and choice: the N-curve."""
    # All chains there are, a 0, are the most and stand at the right.
    ordered = sorted(scores, key=lambda one: (not one.chains, one.chains))
    points = [
        {"N": str(one.chains or "all"), "line": f"{one.target} {one.by}".strip()}
        | {name: 100 * getattr(one, name) for name in ("mean", "low", "high")}
        for one in ordered
    ]
    chart = alt.Chart(alt.InlineData(values=points)).encode(
        x=alt.X("N:O", title="chains per problem", sort=None, axis=alt.Axis(labelAngle=0)),
        color=alt.Color("line:N", title="learned", scale=alt.Scale(range=COLOURS)),
    )
    share = alt.Y("mean:Q", title="% right of the test problems", scale=alt.Scale(domain=[0, 100]))
    lines, bars = chart.mark_line(point=True).encode(y=share), chart.mark_rule().encode(y="low:Q", y2="high:Q")
    return (lines + bars).properties(width=width, height=280)
