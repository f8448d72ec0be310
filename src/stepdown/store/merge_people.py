"""Runs, and what people did to them, put from one store into another."""

from typing import Any

from stepdown.store.call_claims import book_dead
from stepdown.store.connection import StoreConnection
from stepdown.store.corrections import BY_PERSON, spread
from stepdown.store.merge_rows import RowMerge
from stepdown.store.records import decode_settings

# What people wrote in their order, which decides what counts: by table, its columns after the run, the moment last.
_WRITTEN = {
    "edits": "problem, plan, seconds, created",
    "annotations": "problem, sample, body, created",
    "queue_marks": "problem, mark, person, author, created",
}
_REVIEW = "problem, body, plan, asked, decision, decided, changed"


def merge_runs(rows: RowMerge) -> dict[str, str]:
    """Join the runs; return, by their ids in `target`, the graders they have in `source`."""
    graders = {}
    source, target = rows.source, rows.target
    for name, body, created, grader in source.db.execute("select id, settings, created, grader from runs").fetchall():
        settings = decode_settings(body)
        known = name
        if not target.value("select count(*) from runs where id = ?", name):
            same = target.id_of(settings)  # the id of an equal run that was said in other words
            known = same if target.value("select count(*) from runs where id = ?", same) else name
        if known != name:
            rows.names[name] = known
        if not settings.count:
            rows.open.add(known)
        new = target.db.execute(
            "insert or ignore into runs (id, settings, created, grader) values (?, ?, ?, ?)",
            (known, body, created, grader),
        ).rowcount
        rows.added["runs"] += new
        target.db.execute("update runs set created = ? where id = ? and created > ?", (created, known, created))
        graders[known] = grader
    return graders


def settle_graders(rows: RowMerge, graders: dict[str, str]) -> None:
    """Choose whose grades each run shows: a person's corrections, or else what `target` shows."""
    for name, theirs in graders.items():
        run = rows.target.run(name)
        ours = run.grader
        by_shards = rows.target.value("select count(*) from shards where run = ? and work = ?", name, theirs)
        if not ours or theirs == ours + BY_PERSON or (by_shards and theirs != ours):
            run.grader = theirs
        elif theirs not in ("", ours, ours.removesuffix(BY_PERSON)):
            rows.conflict(name, "", f"shows the grades of {ours}, the other store those of {theirs}")
        if run.grader.endswith(BY_PERSON):
            spread(run, run.grader.removesuffix(BY_PERSON), run.grader)


def merge_people(rows: RowMerge) -> None:
    """Join edits, remarks, marks of queues and reviews."""
    for table, columns in _WRITTEN.items():
        for (run,) in rows.source.db.execute(f"select distinct run from {table}").fetchall():
            rows.added[table] += _merge_written(rows, table, columns, run)
    names = _REVIEW.split(", ")
    for run, *row in rows.source.db.execute(f"select run, {_REVIEW} from reviews").fetchall():
        _merge_review(rows, rows.names.get(run, run), dict(zip(names, row, strict=True)))


def _merge_written(rows: RowMerge, table: str, columns: str, run: str) -> int:
    """Join what people wrote of one run, oldest first, and return how much is new."""
    known, db = rows.names.get(run, run), rows.target.db
    ours = _written(db, table, columns, known)
    theirs = [row for row in _written(rows.source.db, table, columns, run) if row not in set(ours)]
    if not theirs:
        return 0
    whole = sorted([*ours, *theirs], key=lambda row: float(row[-1]))
    fresh = theirs
    if whole != [*ours, *theirs]:
        db.execute(f"delete from {table} where run = ?", (known,))
        fresh = whole
    marks = ", ".join("?" * (len(fresh[0]) + 1))
    db.executemany(f"insert into {table} (run, {columns}) values ({marks})", [(known, *row) for row in fresh])
    return len(theirs)


def _written(db: StoreConnection, table: str, columns: str, run: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in db.execute(f"select {columns} from {table} where run = ? order by id", (run,))]


def _merge_review(rows: RowMerge, run: str, theirs: dict[str, Any]) -> None:
    """Join one held plan: a decision goes before none, and of two decisions the one that is there stays."""
    db, place = rows.target.db, (run, theirs["problem"])
    found = db.execute(f"select {_REVIEW} from reviews where run = ? and problem = ?", place).fetchone()
    if found is None or (theirs["decision"] and not found[4]):
        rows.added["reviews"] += found is None
        db.execute(
            f"insert or replace into reviews (run, {_REVIEW}) values (?, ?, ?, ?, ?, ?, ?, ?)", (run, *theirs.values())
        )
    elif theirs["decision"] and (found[4], found[6]) != (theirs["decision"], theirs["changed"]):
        rows.conflict(run, theirs["problem"], "a person decided otherwise on its plan")


def merge_shards(rows: RowMerge) -> None:
    """Join the notes of which shards were begun."""
    for run, *row in rows.source.db.execute("select run, work, number, shards, problems from shards").fetchall():
        rows.target.db.execute(
            "insert or replace into shards (run, work, number, shards, problems) values (?, ?, ?, ?, ?)",
            (rows.names.get(run, run), *row),
        )


def book_lost_calls(rows: RowMerge) -> None:
    """Book what the calls may have cost that were in flight in `source` when their process died."""
    claims = rows.source.db.execute("select key, owner, model, run, input, output from claims").fetchall()
    dead = [(key, owner, model, rows.names.get(run, run), *bound) for key, owner, model, run, *bound in claims]
    rows.added["calls"] += book_dead(rows.target, dead)
