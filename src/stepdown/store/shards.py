"""Which shards of a run, or of its grading, a store has: what `store merge` needs to tell a whole run from a part."""

import msgspec

from stepdown.errors import UsageError
from stepdown.shards import Shard
from stepdown.store.run import Run, Store


class StoredShards(msgspec.Struct, frozen=True):
    """The shards of a run that were begun in this store: their numbers, of how many, and the problems it is to have.

    Those are the shards' own, or as many as there are traces of, where a command without --shard did more. `total`
    counts the problems of the whole run. Shards that no problem falls into need not be there.
    """

    of: int
    numbers: tuple[int, ...]
    problems: int
    total: int

    @property
    def complete(self) -> bool:
        """Whether every problem is of one of them, or was done without."""
        return self.problems >= self.total

    @property
    def missing(self) -> tuple[str, ...]:
        """The shards that are not here, such as `2/3`; none where the others hold every problem."""
        if self.complete:
            return ()
        return tuple(f"{number}/{self.of}" for number in range(1, self.of + 1) if number not in self.numbers)

    def __str__(self) -> str:
        return f"{len(self.numbers)} of {self.of} shards"


def shards_of(run: Run, work: str = "") -> StoredShards | None:
    """Return the shards of a run that its store has, None where it was never cut; `work` is a grader's name.

    Raises `UsageError` where shards of several sizes are in one store, which no command makes.
    """
    rows = _rows(run.store, run.id, work)
    if not rows:
        return None
    sizes = {of for _, of, _ in rows}
    if len(sizes) > 1:
        raise UsageError(f"run `{run.id}` has shards of {min(sizes)} and of {max(sizes)}", "run it without --shard")
    found = StoredShards(
        rows[0][1], tuple(number for number, _, _ in rows), sum(one for _, _, one in rows), run.settings.count
    )
    return found if work else _with_others(run.store, run.id, found)


def cut_runs(store: Store) -> dict[str, StoredShards]:
    """Return, by id, the runs of which only some shards are in this store."""
    if not _has_table(store):
        return {}
    rows = store.db.execute(
        """select run, shards, number, problems, json_extract(settings, '$.count')
           from shards join runs on id = run where work = '' order by 1, 2, 3"""
    )
    found: dict[str, StoredShards] = {}
    for run, of, number, problems, total in rows:
        before = found.get(run, StoredShards(of, (), 0, total))
        found[run] = StoredShards(of, (*before.numbers, number), before.problems + problems, total)
    counted = {run: _with_others(store, run, one) for run, one in found.items()}
    return {run: one for run, one in counted.items() if not one.complete}


def problems_here(store: Store, run: str) -> int:
    """Return how many problems of a run have a trace in this store."""
    return store.value("select count(distinct ordinal) from traces where run = ?", run)


def _with_others(store: Store, run: str, found: StoredShards) -> StoredShards:
    """Return the shards of a run with the problems that a command without --shard did."""
    if found.complete:
        return found
    return msgspec.structs.replace(found, problems=max(found.problems, problems_here(store, run)))


def check_shard(store: Store, run: str, shard: Shard, work: str = "") -> None:
    """Raise `UsageError` where a store has shards of this run that are parts of another cut."""
    for number, of, _ in _rows(store, run, work):
        if of != shard.of:
            raise UsageError(
                f"the store has shard {number}/{of} of run `{run}`, and `{shard}` is of another cut",
                f"give --shard i/{of}; without --shard the same command does all that is missing",
                option="--shard",
            )


def put_shard(run: Run, shard: Shard, problems: int, work: str = "") -> None:
    """Note that a shard with so many problems was begun here."""
    with run.store.writing() as db:
        db.execute(
            "insert or replace into shards (run, work, number, shards, problems) values (?, ?, ?, ?, ?)",
            (run.id, work, shard.number, shard.of, problems),
        )


def expected_problems(run: Run) -> int:
    """Return how many problems this store is to have of a run: all, or those of its shards and what else is there."""
    found = shards_of(run)
    if found is None:
        return run.settings.count
    return min(run.settings.count, found.problems)


def _rows(store: Store, run: str, work: str) -> list[tuple[int, int, int]]:
    if not _has_table(store):
        return []
    return store.db.execute(
        "select number, shards, problems from shards where run = ? and work = ? order by shards, number", (run, work)
    ).fetchall()


def _has_table(store: Store) -> bool:
    """Whether there is a table of shards; a store of an earlier schema that is only read has none."""
    return bool(store.value("select count(*) from sqlite_master where name = 'shards'"))
