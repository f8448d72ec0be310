"""The table of a report that says how each server of a fleet did."""

from collections.abc import Mapping, Sequence

from stepdown.store import ServerFigures
from stepdown.text import DASH, Table, clipped

_NOTE = (
    "Of the calls that the run paid for. rate: calls per second while it had any; p50, p95: seconds of its answers. "
    "errors: attempts that failed there, most of which were asked elsewhere or again; the most frequent cause."
)


def server_tables(found: Mapping[str, Sequence[ServerFigures]], row_number: Mapping[str, int]) -> list[Table]:
    """Return the table of servers, none where no run asked several; `row_number` numbers the runs of the report."""
    rows = tuple((str(row_number[run]), *_cells(one)) for run, servers in found.items() for one in servers)
    header = ("#", "server", "calls", "rate", "p50", "p95", "errors", "cause")
    return [Table("Servers", header, rows, 2, _NOTE)] if rows else []


def _cells(one: ServerFigures) -> tuple[str, ...]:
    rate, p50, p95 = (DASH if value is None else f"{value:.3g}" for value in (one.rate, one.p50, one.p95))
    return one.server, f"{one.calls:,}", rate, p50, p95, f"{one.errors:,}", clipped(one.reason, 60) or DASH
