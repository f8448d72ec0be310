"""The curves of a training, loss and dev accuracy by step, drawn from its log."""

import json
from pathlib import Path
from typing import Any

from stepdown.errors import MissingExtra
from stepdown.files import write_whole

_BLUE, _RED = "#2f7ed8", "#d1495b"
_WIDTH, _HEIGHT, _SCALE = 520, 200, 2
_MOST_POINTS = 2_000


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a training's log that have a step; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def draw_curves(log: Path, target: Path) -> None:
    """Draw a log's `loss` and `dev` (share right) by `step` as a png; raises `MissingExtra` without the libraries."""
    try:
        import altair as alt
        import vl_convert
    except ImportError as error:
        raise MissingExtra(error.name or "altair", "report", "drawing the curves of a training") from None
    rows = read_log(log)
    charts = [
        _chart(alt, rows, "loss", "loss (nats per token)", _BLUE),
        _chart(alt, rows, "dev", "dev: % right", _RED),
    ]
    drawn = alt.vconcat(*(chart for chart in charts if chart is not None)).configure_view(stroke=None)
    write_whole(target, vl_convert.vegalite_to_png(drawn.to_dict(), scale=_SCALE))


def _chart(alt: Any, rows: list[dict[str, Any]], field: str, title: str, colour: str) -> Any:
    scale = 100 if field == "dev" else 1
    known = [row for row in rows if isinstance(row.get(field), int | float)]
    points = [{"step": row["step"], "value": scale * row[field]} for row in known]
    if not points:
        return None
    thinned = points[:: -(-len(points) // _MOST_POINTS)]
    base = alt.Chart(alt.InlineData(values=thinned)).encode(
        x=alt.X("step:Q", title="step"), y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=field == "dev"))
    )
    return base.mark_line(point=field == "dev", color=colour).properties(width=_WIDTH, height=_HEIGHT)
