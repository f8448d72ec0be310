"""The calls that answered clients of the endpoint: how long each took and what it used, by model and day."""

from collections.abc import Iterator

import msgspec

from stepdown.store.records import damage_checked
from stepdown.store.run import Run, Store
from stepdown.types import Usage

SERVED = "served"  # the data set of runs that keep what the endpoint answers
MOST_CALLS = 200_000


class ServedCall(msgspec.Struct, frozen=True):
    """One call of a served answer: the day (UTC), the model, seconds, and whether its client left or it broke.

    `usage` is None where the endpoint did not say.
    """

    day: str
    model: str
    seconds: float
    usage: Usage | None
    left: bool


class ServedName(msgspec.Struct, frozen=True):
    """What was served under one run's settings: its answers, those that failed and those that were cut, in all."""

    run: str
    method: str
    student: str
    teacher: str
    answers: int
    failed: int
    cut: int


class _Reply(msgspec.Struct):
    seconds: float = 0.0
    usage: Usage | None = None
    finish: str = ""


_decode = damage_checked(msgspec.json.Decoder(_Reply).decode)


def served_calls(store: Store, since: float = 0.0) -> Iterator[ServedCall]:
    """Stream the calls that served runs paid for since a moment (unix seconds), the newest `MOST_CALLS`, newest first.

    What the store answered was paid for earlier, and is no call here.
    """
    runs = [run.id for run in _served_runs(store)]
    marks = ", ".join("?" * len(runs))
    rows = store.db.execute(
        f"""select date(created, 'unixepoch'), model, reply from calls
            where run in ({marks}) and created >= ? order by rowid desc limit ?""",
        (*runs, since, MOST_CALLS),
    )
    for day, model, body in rows:
        reply = _decode(body)
        usage = reply.usage if reply.usage is not None and reply.usage.possible else None
        yield ServedCall(day, model, reply.seconds, usage, reply.finish == "left")


def served_names(store: Store) -> list[ServedName]:
    """Return what was served, the newest first."""
    return [_name(store, run) for run in reversed(_served_runs(store))]


def _served_runs(store: Store) -> list[Run]:
    return [run for run in store.runs() if run.settings.dataset == SERVED and not run.settings.count]


def _name(store: Store, run: Run) -> ServedName:
    answers, failed, cut = store.db.execute(
        """select count(*), count(*) filter (where error is not null), count(*) filter (where truncated)
           from traces where run = ?""",
        (run.id,),
    ).fetchone()
    settings = run.settings
    return ServedName(run.id, settings.method, settings.student, settings.teacher, answers, failed, cut)
