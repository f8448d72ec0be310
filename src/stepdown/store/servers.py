"""How the servers of a fleet did in a run: what each answered, how fast, and what failed there."""

from collections import defaultdict
from collections.abc import Mapping
from math import ceil

import msgspec

from stepdown.store.run import Run, Store
from stepdown.store.schema import SERVERS_SINCE

# Run, server and reason of attempts that failed, and how many.
Faults = Mapping[tuple[str, str, str], int]
_LONGEST = 200  # characters of a reason


class ServerFigures(msgspec.Struct, frozen=True):
    """One server in one run, over the calls that the run paid for.

    `rate` is in calls per second while it had calls under way, `p50` and `p95` are seconds of its answers; None without
    an answer. `errors` counts attempts that failed there, and `reason` is the most frequent cause.
    """

    server: str
    calls: int
    rate: float | None = None
    p50: float | None = None
    p95: float | None = None
    errors: int = 0
    reason: str = ""


def put_server_faults(store: Store, faults: Faults) -> None:
    """Count failed attempts at servers; wants an open transaction, or makes one."""
    rows = [(run, server, reason[:_LONGEST], count) for (run, server, reason), count in faults.items()]
    with store.writing() as db:
        db.executemany(
            """insert into server_faults (run, server, reason, count) values (?, ?, ?, ?)
               on conflict (run, server, reason) do update set count = count + excluded.count""",
            rows,
        )


def servers_of(run: Run) -> list[ServerFigures]:
    """Return the figures of every server that a run asked, by address; none where it asked no fleet."""
    if run.store.value("pragma user_version") < SERVERS_SINCE:
        return []
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    rows = run.store.db.execute(
        """select server, json_extract(reply, '$.seconds'), created from calls indexed by calls_of_servers
           where run = ? and server is not null""",
        (run.id,),
    )
    for server, seconds, created in rows:
        spans[server].append((created - (seconds or 0.0), created))
    faults: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    rows = run.store.db.execute("select server, count, reason from server_faults where run = ?", (run.id,))
    for server, count, reason in rows:
        faults[server].append((count, reason))
    return [_figures(name, spans.get(name, []), faults.get(name, [])) for name in sorted({*spans, *faults})]


def _figures(server: str, spans: list[tuple[float, float]], faults: list[tuple[int, str]]) -> ServerFigures:
    seconds = sorted(end - begin for begin, end in spans)
    busy = _busy(spans)
    return ServerFigures(
        server=server,
        calls=len(spans),
        rate=round(len(spans) / busy, 3) if busy > 0 else None,
        p50=_quantile(seconds, 0.5),
        p95=_quantile(seconds, 0.95),
        errors=sum(count for count, _ in faults),
        reason=max(faults)[1] if faults else "",
    )


def _busy(spans: list[tuple[float, float]]) -> float:
    """Return for how many seconds at least one of these spans lasted."""
    busy, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        busy += max(0.0, end - max(begin, until))
        until = max(until, end)
    return busy


def _quantile(ordered: list[float], share: float) -> float | None:
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 4) if ordered else None
