"""An exporter: a run as a table of Markdown."""

from pathlib import Path

from stepdown import Prices, Run


def markdown(run: Run, path: Path, prices: Prices) -> int:
    """Write a row per trace and return their number."""
    rows = [f"| {trace.problem.id} | {grade.verdict} | {grade.found or ''} |" for trace, grade in run.graded()]
    path.write_text("\n".join(["| problem | verdict | answer |", "|---|---|---|", *rows, ""]), encoding="utf-8")
    return len(rows)
