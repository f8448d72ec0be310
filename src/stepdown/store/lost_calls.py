"""Calls that were sent and of which nothing came back, as their connection broke; nobody here knows if they are billed.

They are in no sum: beside what is paid for stands how much more they may cost at most.
"""

import time
from collections.abc import Sequence

import msgspec

from stepdown.store.records import unfindable_key
from stepdown.store.run import Run, Store
from stepdown.store.schema import LOST_BATCHES_SINCE, LOST_SINCE
from stepdown.types import Usage

_COLUMNS = "key, run, model, input, output, batched, created"
_PUT = f"insert or ignore into lost_calls ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)"


class LostCall(msgspec.Struct, frozen=True):
    """One of them: the run it was for, the model it was sent to, and what it may use at most, in tokens."""

    run: str
    model: str
    most: Usage


def put_lost_calls(store: Store, calls: Sequence[LostCall]) -> None:
    """Keep calls that were lost; wants an open transaction, or makes one."""
    now = time.time()
    with store.writing() as db:
        db.executemany(
            _PUT,
            [
                (unfindable_key(), one.run, one.model, one.most.input, one.most.output, one.most.batched, now)
                for one in calls
            ],
        )


def lost_calls(run: Run) -> list[LostCall]:
    """Return the calls of a run that were lost, by model."""
    schema = run.store.value("pragma user_version")
    if schema < LOST_SINCE:
        return []
    batched = "batched" if schema >= LOST_BATCHES_SINCE else "0"
    chosen = f"select model, input, output, {batched} from lost_calls where run = ? order by model"
    rows = run.store.db.execute(chosen, (run.id,))
    return [LostCall(run.id, model, Usage(given, written, batched=some)) for model, given, written, some in rows]


def copy_lost_calls(source: Store, target: Store, names: dict[str, str]) -> int:
    """Join the lost calls of another store, each once, by the names its runs have in `target`; return the new ones."""
    rows = source.db.execute(f"select {_COLUMNS} from lost_calls").fetchall()
    known = [(key, names.get(run, run), *others) for key, run, *others in rows]
    return target.db.executemany(_PUT, known).rowcount if known else 0
