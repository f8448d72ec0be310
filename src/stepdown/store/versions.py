"""A run at a glance: its counts and what it paid for, by quick questions to the store."""

from collections.abc import Iterator

import msgspec

from stepdown.store.run import Run
from stepdown.types import Usage


class RunVersion(msgspec.Struct, frozen=True):
    """What changes whenever a run does: traces, verdicts by the current grader, the last call it paid for, edits."""

    traces: int
    right: int
    wrong: int
    grader: str
    call: int
    edits: int

    @property
    def graded(self) -> int:
        """The traces whose verdict is right or wrong."""
        return self.right + self.wrong


class PaidCalls(msgspec.Struct, frozen=True):
    """How many calls of this size to one model a run paid for; `usage` of each, None where an endpoint did not say.

    Where they were `left` by all who asked, or broke, before their end, it is an estimate.
    """

    model: str
    usage: Usage | None
    calls: int
    left: bool = False


def run_version(run: Run) -> RunVersion:
    """Return a run's mark: quick, for it reads summaries and indexes only."""
    store, counts = run.store, run.tally()
    call = store.value("select coalesce(max(rowid), 0) from calls where run = ?", run.id)
    edits = store.value("select count(*) from edits where run = ?", run.id)
    return RunVersion(*counts, run.grader, call, edits)


def payments(run: Run, *, after: int, until: int) -> Iterator[PaidCalls]:
    """Stream what a run paid for after the call of one mark until that of another, grouped by model and size."""
    rows = run.store.db.execute(
        """select model, json_type(reply, '$.usage') is null as unsaid, json_extract(reply, '$.usage.input'),
                  json_extract(reply, '$.usage.output'), json_extract(reply, '$.usage.cached'),
                  coalesce(json_extract(reply, '$.usage.batched'), 0), json_extract(reply, '$.finish') is 'left',
                  count(*)
           from calls where run = ? and rowid > ? and rowid <= ? group by 1, 2, 3, 4, 5, 6, 7""",
        (run.id, after, until),
    )
    for model, unsaid, given, written, cached, batched, left, calls in rows:
        usage = None if unsaid else Usage(given or 0, written or 0, cached or 0, batched=batched)
        yield PaidCalls(model, usage if usage and usage.possible else None, calls, bool(left))
