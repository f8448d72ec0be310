"""The charts of a report, one Vega-Altair chart per function; importing this needs the extra `report`.

Colours hold 3:1 contrast on white and on near-black, and shapes repeat what colours say. Text is drawn in
`currentColor`, so that one svg serves light, dark and print.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from stepdown.errors import MissingExtra
from stepdown.reports.report_rows import ROLES, ReportRow
from stepdown.reports.report_value import Report
from stepdown.reports.row_names import kinds_of, names_of
from stepdown.stats import frontier, wilson
from stepdown.text import clipped, short

try:
    import altair as alt
except ImportError as error:
    raise MissingExtra("altair", "report", "drawing charts") from error

Chart = TypeVar("Chart")
COLOURS = ["#2f7ed8", "#d1495b", "#2a9d6f", "#9467bd", "#b8860b", "#7f7f7f"]
_WIDTH = 760
_SMALL = 220  # the width of one of several small charts
_MOST_SERVERS = 64
_MOST = 9  # small charts beyond these are left out: a page of them cannot be compared by eye


def accuracy_chart(report: Report, *, width: int = _WIDTH) -> alt.FacetChart:
    """Accuracy in percent with its 95 % interval, one line per run, grouped by student, coloured by what differs."""
    rows = [row for row in report.rows if row.accuracy is not None]
    names, kinds = names_of(report.rows, within=("student",)), kinds_of(report.rows)
    base = alt.Chart().encode(y=alt.Y("run:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)))
    lines = base.mark_rule(strokeWidth=1.5, color="#8a8a8a").encode(
        x=alt.X("low:Q", title="% right", scale=alt.Scale(domain=[0, 100])), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="right:Q", color=_kind(), shape=_shape(), tooltip=["run:N", "right:Q"]
    )
    data = alt.InlineData(values=[_point(row, names[row.run], kinds) for row in rows])
    chart: Any = alt.layer(lines, dots).properties(width=width - 240, height=alt.Step(26))
    students = list(dict.fromkeys(short(row.student) for row in rows))
    faceted: alt.FacetChart = chart.facet(
        data=data, row=alt.Row("student:N", title=None, sort=students, header=_header("top"))
    ).resolve_scale(y="independent")
    return styled(faceted)


def cost_chart(report: Report, *, width: int = _WIDTH) -> alt.LayerChart:
    """Accuracy, with its 95 % interval, against money per problem (tokens where no price is above 0).

    Where all runs compare, with the frontier that nothing beats: the same problems, all graded, and what each costs.
    """
    rows = _spenders(report)
    names, kinds = names_of(report.rows), kinds_of(report.rows)
    costs, title = _costs(rows)
    points = [
        _point(row, names[row.run], kinds) | {"cost": cost}
        for row, cost in zip(rows, costs, strict=True)
        if cost is not None
    ]
    best = frontier([(point["cost"], point["right"]) for point in points]) if has_frontier(report) else []
    axis = alt.Axis(format="$~g" if "US$" in title else "~s", tickCount=8)
    x = alt.X("cost:Q", title=title, axis=axis, scale=alt.Scale(zero=True, nice=True))
    y = near_axis("right", points)
    dots = alt.Chart(alt.InlineData(values=points)).encode(x=x, y=y)
    spans = dots.mark_rule(strokeWidth=1.5, color="#8a8a8a", opacity=0.7).encode(
        y=near_axis("low", points), y2="high:Q"
    )
    line = alt.Chart(alt.InlineData(values=[points[index] for index in best])).mark_line(
        interpolate="step-after", strokeDash=[5, 4], color="#7f7f7f", strokeWidth=1.5
    )
    marks = dots.mark_point(filled=True, size=110, opacity=1).encode(
        color=_kind(), shape=_shape(), tooltip=["run:N", "cost:Q", "right:Q"]
    )
    names = dots.mark_text(dx=11, dy=-7, align="left", color="currentColor").encode(text="place:N")
    chart: Any = alt.layer(spans, line.encode(x=x, y=y), marks, names)
    sized: alt.LayerChart = chart.properties(width=width - 60, height=280)
    return styled(sized)


def near_axis(field: str, points: Sequence[Mapping[str, Any]]) -> alt.Y:
    """Return the axis of a share in percent that begins near the `low` of the least of some points, and above 0."""
    lows, highs = ([float(one[end]) for one in points] for end in ("low", "high"))
    domain = [max(0.0, min(lows, default=0.0) - 4), min(100.0, max(highs, default=100.0) + 4)]
    return alt.Y(f"{field}:Q", title="% right", scale=alt.Scale(domain=domain, zero=False, nice=True))


def spending_chart(report: Report, *, width: int = _WIDTH) -> alt.Chart:
    """Tokens of a trace by role, on average over the traces, one bar per run."""
    names = names_of(report.rows)
    data: list[dict[str, Any]] = [
        {"run": clipped(names[row.run], 46), "role": role, "tokens": tokens / row.attempts}
        for row in _spenders(report)
        for role in ROLES
        if (tokens := row.tokens.get(role))
    ]
    order = list(dict.fromkeys(point["run"] for point in data))
    roles = [role for role in ROLES if any(point["role"] == role for point in data)]
    bars: Any = (
        alt.Chart(alt.InlineData(values=data))
        .mark_bar()
        .encode(
            x=alt.X("tokens:Q", title="tokens per trace", axis=alt.Axis(format="~s")),
            y=alt.Y("run:N", sort=order, title=None, axis=alt.Axis(labelLimit=260)),
            color=alt.Color("role:N", title=None, scale=alt.Scale(domain=roles, range=COLOURS[: len(roles)])),
        )
    )
    sized: alt.Chart = bars.properties(width=width - 240, height=alt.Step(26))
    return styled(sized)


def servers_chart(report: Report, *, width: int = _WIDTH) -> alt.FacetChart:
    """Seconds of the answers of each server of a fleet, the median and up to the 95th percentile; size: its calls."""
    names = names_of(report.rows)
    data = [
        {"run": clipped(names[run], 46), "server": one.server, "calls": one.calls, "p50": one.p50, "p95": one.p95}
        for run, servers in report.servers.items()
        for one in servers
        if one.p50 is not None
    ][:_MOST_SERVERS]
    base = alt.Chart().encode(y=alt.Y("server:N", title=None, axis=alt.Axis(labelLimit=260)))
    lines = base.mark_rule(strokeWidth=1.5, color="#8a8a8a").encode(
        x=alt.X("p50:Q", title="seconds: median, and to the 95th percentile", scale=alt.Scale(zero=True)), x2="p95:Q"
    )
    dots = base.mark_point(filled=True, opacity=1, color=COLOURS[0]).encode(
        x="p50:Q", size=alt.Size("calls:Q", title="calls", scale=alt.Scale(range=[20, 160]))
    )
    chart: Any = alt.layer(lines, dots).properties(width=width - 240, height=alt.Step(22))
    faceted: alt.FacetChart = chart.facet(
        data=alt.InlineData(values=data), row=alt.Row("run:N", title=None, header=_header("top"))
    ).resolve_scale(y="independent")
    return styled(faceted)


def steps_chart(report: Report, *, columns: int = 3) -> alt.FacetChart:
    """Percent right by the number of steps in the plan, with 95 % intervals, one small chart per run."""
    names = names_of(report.rows)
    data = [
        {"run": clipped(names[row.run], 46), "steps": steps, "right": 100 * right / total, "total": total}
        | dict(zip(("low", "high"), (100 * end for end in wilson(right, total)), strict=True))
        for row in _planned(report)
        for steps, right, total in _shares(report.profiles[row.run].steps)
    ]
    base = alt.Chart().encode(x=alt.X("steps:Q", title="steps", axis=alt.Axis(tickMinStep=1, format="d")))
    lines = base.mark_rule(opacity=0.7, strokeWidth=1.5, color=COLOURS[0]).encode(y="low:Q", y2="high:Q")
    dots = base.mark_point(filled=True, opacity=1, color=COLOURS[0]).encode(
        y=alt.Y("right:Q", title="% right", scale=alt.Scale(domain=[0, 100])),
        size=alt.Size("total:Q", title="problems", scale=alt.Scale(range=[20, 130])),
    )
    return _small(alt.layer(lines, dots), data, columns)


def tokens_chart(report: Report, *, columns: int = 3) -> alt.FacetChart:
    """Problems by their tokens (bands up to powers of two), right and wrong, one small chart per run."""
    names = names_of(report.rows)
    data = [
        {"run": clipped(names[row.run], 46), "tokens": f"≤{size}", "verdict": verdict, "problems": count}
        for row in report.rows[:_MOST]
        for (size, right), count in sorted(report.profiles[row.run].sizes.items())
        for verdict in ["right" if right else "wrong"]
    ]
    bars = (
        alt.Chart()
        .mark_bar()
        .encode(
            x=alt.X(
                "tokens:O",
                title="tokens",
                sort=[f"≤{1 << power}" for power in range(40)],
                axis=alt.Axis(labelAngle=-45),
            ),
            y=alt.Y("problems:Q", title="problems"),
            color=alt.Color(
                "verdict:N", title=None, scale=alt.Scale(domain=["right", "wrong"], range=[COLOURS[2], COLOURS[1]])
            ),
        )
    )
    return _small(bars, data, columns)


def svg(chart: Any, name: str) -> str:
    """Return a chart as svg text for a page; `name` keeps its inner ids apart from other charts'."""
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("vl-convert-python", "report", "drawing charts into a page") from error
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict())
    for before in ('id="', "url(#", 'href="#'):
        drawn = drawn.replace(before, f"{before}{name}-")
    return drawn


def titles_of(report: Report) -> dict[str, str]:
    """Return the charts this report has data for, by name, with what each shows, which is its alternative text."""
    if all(row.accuracy is None for row in report.rows):
        return {}
    titles = {"accuracy": "Right answers, with 95 % intervals"}
    costs, title = _costs(_spenders(report))
    if sum(cost is not None for cost in costs) > 1:
        what = "Money" if "US$" in title else "Tokens"
        line = "; the dashed line joins runs that no cheaper run beats" if has_frontier(report) else ""
        titles["cost"] = f"{what} against right answers{line}"
    if any(any(row.tokens.values()) for row in _spenders(report)):
        titles["spending"] = "Tokens of a trace, by who used them"
    if _planned(report):
        titles["steps"] = "Right answers by the number of steps in the plan"
    if any(len(report.profiles[row.run].sizes) > 1 for row in report.rows):
        titles["tokens"] = "Problems by the tokens spent on them"
    if any(one.p50 is not None for servers in report.servers.values() for one in servers):
        titles["servers"] = "How fast each server of a fleet answered"
    return titles


WIDE: dict[str, Callable[..., Any]] = {
    "accuracy": accuracy_chart, "cost": cost_chart, "spending": spending_chart, "servers": servers_chart
}  # fmt: skip
SMALL: dict[str, Callable[..., Any]] = {"steps": steps_chart, "tokens": tokens_chart}


def draw(name: str, report: Report, *, width: int = _WIDTH, columns: int = 3) -> Any:
    """Return one of the charts that `titles_of` names, `width` pixels wide; `columns` of small charts abreast."""
    return WIDE[name](report, width=width) if name in WIDE else SMALL[name](report, columns=columns)


def charts_of(report: Report) -> dict[str, Any]:
    """Return the charts this report has data for, by what they show."""
    return {title: draw(name, report) for name, title in titles_of(report).items()}


def has_frontier(report: Report) -> bool:
    """Whether the runs of a report compare in cost and accuracy: on the same problems, all graded, every cost known."""
    rows = _spenders(report)
    problems = {(report.settings[row.run].problems, row.total) for row in rows}
    whole = all(row.graded == row.total for row in rows) and len(rows) == len(report.rows)
    return len(rows) > 1 and len(problems) == 1 and whole and None not in _costs(rows)[0]


def _spenders(report: Report) -> list[ReportRow]:
    return [row for row in report.rows if row.accuracy is not None and row.attempts]


def _planned(report: Report) -> Sequence[ReportRow]:
    planned = [row for row in report.rows if any(steps for steps, _ in report.profiles[row.run].steps)]
    return planned[:_MOST]


def _shares(steps: Mapping[tuple[int, bool], int]) -> list[tuple[int, int, int]]:
    return [
        (step, steps.get((step, True), 0), steps.get((step, True), 0) + steps.get((step, False), 0))
        for step in sorted({step for step, _ in steps} - {0})
    ]


def _costs(rows: Sequence[ReportRow]) -> tuple[list[float | None], str]:
    if any(row.cost for row in rows):
        return [None if row.cost is None else row.cost / row.attempts for row in rows], "US$ per trace"
    sums = [None if None in row.tokens.values() else sum(map(int, filter(None, row.tokens.values()))) for row in rows]
    return [total / row.attempts if total else None for row, total in zip(rows, sums, strict=True)], "tokens per trace"


def _point(row: ReportRow, name: str, kinds: tuple[str, dict[str, str]]) -> dict[str, Any]:
    assert row.accuracy is not None, "only graded rows are drawn"
    return {
        "run": name,
        "place": name.partition(" ")[0],
        "kind": f"{'' if kinds[0] in ('method', 'student', 'plans') else kinds[0] + ' '}{kinds[1][row.run]}",
        "student": short(row.student),
        "right": 100 * row.accuracy,
        "low": 100 * row.low,
        "high": 100 * row.high,
    }


def _kind() -> alt.Color:
    return alt.Color("kind:N", sort=None, scale=alt.Scale(range=COLOURS), title=None)


def _shape() -> alt.Shape:
    return alt.Shape("kind:N", sort=None, title=None)


def _header(orient: Literal["top", "left"]) -> alt.Header:
    return alt.Header(
        labelAngle=0, labelAnchor="start", labelOrient=orient, labelFontWeight="bold", labelLimit=_SMALL * 3
    )


def _small(chart: Any, data: list[dict[str, Any]], columns: int) -> alt.FacetChart:
    sized = chart.properties(width=_SMALL, height=110)
    names = list(dict.fromkeys(point["run"] for point in data))
    facet = alt.Facet("run:N", title=None, sort=names, header=alt.Header(labelLimit=_SMALL + 20, labelAnchor="start"))
    faceted: alt.FacetChart = sized.facet(data=alt.InlineData(values=data), facet=facet, columns=columns)
    return styled(faceted)


def styled(chart: Chart) -> Chart:
    """Return a chart in the ink of whatever page it stands in."""
    text = {"labelColor": "currentColor", "titleColor": "currentColor"}
    lines = {"domainColor": "#8a8a8a", "tickColor": "#8a8a8a", "gridColor": "#8a8a8a", "gridOpacity": 0.25}
    plain: Any = chart
    styled: Chart = (
        plain.properties(background="transparent")
        .configure(font="Arial, Liberation Sans, Helvetica, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(**text, **lines, titleFontWeight="normal", labelFontSize=12, titleFontSize=12)
        .configure_legend(
            **text, orient="bottom", symbolOpacity=1, columnPadding=20, labelFontSize=12, titleFontWeight="normal"
        )
        .configure_header(**text, labelFontSize=12)
    )
    return styled
