"""The tables of the store and how an older file becomes a newer one."""

import sqlite3
from collections.abc import Callable

APPLICATION_ID = 0x53544550  # "STEP", so that another program's database is not taken for a store
PAGE = 256
# A block is 512 ordinals of a run, with all their samples. The triggers of every store there is hold these words.
BLOCK_BITS = 9
OF_TRACES, OF_AUDIT, OF_GRADES = "traces", "audit", "grades "
# A commit reaches the system, not the disk: a killed process loses nothing, a power cut at most the last commits.
PRAGMAS = ("synchronous = normal", "temp_store = memory", "wal_autocheckpoint = 4000")


def make_the_first_tables(db: sqlite3.Connection) -> None:
    """Schema 1: problems, calls, runs, traces, grades and plan edits."""
    _all(
        db,
        "create table problems (key blob primary key, id text not null, body blob not null) without rowid",
        """create table calls (key blob not null unique, model text not null, source text not null,
           request blob not null, sample integer not null, reply blob not null, run text not null,
           created real not null)""",
        "create index calls_of_run on calls (run)",
        """create table runs (id text primary key, settings blob not null, created real not null,
           grader text not null default '')""",
        """create table traces (run text not null, ordinal integer not null, sample integer not null,
           problem blob not null, plan blob, calls blob not null, solution text, error text,
           truncated integer not null, usage blob not null, extra blob,
           primary key (run, ordinal, sample)) without rowid""",
        """create table grades (run text not null, ordinal integer not null, sample integer not null,
           grader text not null, verdict text not null, found text, why text not null,
           primary key (run, ordinal, sample, grader)) without rowid""",
        """create table edits (id integer primary key, run text not null, problem text not null,
           plan blob not null, created real not null)""",
        "create index edits_of_run on edits (run)",
    )


def keep_what_people_do(db: sqlite3.Connection) -> None:
    """Schema 2: what people do in a browser, a trace found by its problem, counts of a long run without its texts."""
    _all(
        db,
        "alter table edits add column seconds real",
        """create table reviews (run text not null, problem text not null, body blob not null, plan blob not null,
           asked real not null, decision text not null default '', decided real, changed blob,
           primary key (run, problem)) without rowid""",
        """create table annotations (id integer primary key, run text not null, problem text not null,
           sample integer not null, body blob not null, created real not null)""",
        "create index annotations_of_run on annotations (run)",
        "create index problems_by_id on problems (id)",
        "create index traces_of_problem on traces (problem)",
        "create index traces_cut on traces (run, truncated)",
        "create index traces_failed on traces (run) where error is not null",
        "create index traces_edited on traces (run) where json_extract(plan, '$.edited_from') is not null",
        "create index grades_by_verdict on grades (run, grader, verdict)",
    )


def share_calls_among_processes(db: sqlite3.Connection) -> None:
    """Schema 3: who has which call under way, until when (unix seconds), and what it may use at most, in tokens."""
    _all(
        db,
        """create table claims (key blob primary key, owner text not null, expires real not null, run text not null,
           model text not null, input integer not null, output integer not null) without rowid""",
    )


def know_shards(db: sqlite3.Connection) -> None:
    """Schema 4: which parts of a run, or of its grading by `work`, were begun here, and how many problems they hold."""
    _all(
        db,
        """create table shards (run text not null, work text not null, number integer not null,
           shards integer not null, problems integer not null,
           primary key (run, work, shards, number)) without rowid""",
    )


def keep_which_server_answered(db: sqlite3.Connection) -> None:
    """Schema 5: which server of a fleet answered a call (null where there is no fleet), and what failed at each."""
    _all(
        db,
        "alter table calls add column server text",
        "create index calls_of_servers on calls (run, server) where server is not null",
        """create table server_faults (run text not null, server text not null, reason text not null,
           count integer not null, primary key (run, server, reason)) without rowid""",
    )


def keep_summaries(db: sqlite3.Connection) -> None:
    """Schema 6: what a look at a block of a run's traces, or of a grader's grades of them, counts; see `summaries`.

    Triggers drop a block's summaries with any write to it, whichever version of this program writes. They hold where
    `insert or replace` deletes without a trigger of its own: what is put in its stead fires one.
    """
    _all(
        db,
        """create table summaries (run text not null, kind text not null, block integer not null, version text not null,
           traces integer not null, rights integer not null, wrongs integer not null, body blob not null,
           primary key (run, kind, block)) without rowid""",
        *(
            f"""create trigger {table}_{event} after {event} on {table} begin
                {" ".join(_dropping(table, row) for row in rows)} end"""
            for table in ("traces", "grades")
            for event, rows in (("insert", ("new",)), ("update", ("old", "new")), ("delete", ("old",)))
        ),
    )


def keep_lost_calls(db: sqlite3.Connection) -> None:
    """Schema 7: calls of which nothing came back, and an index of what summaries count, which are long themselves."""
    _all(
        db,
        """create table lost_calls (key blob not null unique, run text not null, model text not null,
           input integer not null, output integer not null, created real not null)""",
        "create index lost_calls_of_run on lost_calls (run)",
        "create index summaries_counts on summaries (run, kind, version, block, traces, rights, wrongs)",
    )


def keep_labels(db: sqlite3.Connection) -> None:
    """Schema 8: what people call runs and say of them, and which command worked on a run last.

    An empty `value` has been taken back at `created`.
    """
    _all(
        db,
        """create table labels (run text not null, kind text not null, item text not null, value text not null,
           author text not null, created real not null, primary key (run, kind, item)) without rowid""",
        """create table commands (run text primary key, command text not null, created real not null) without rowid""",
    )


def keep_the_teachers_queue(db: sqlite3.Connection) -> None:
    """Schema 9: what people say of the plans in a run's queue, and who edits which; a log, the last row counts."""
    _all(
        db,
        """create table queue_marks (id integer primary key, run text not null, problem text not null,
           mark text not null, person text not null, author text not null, created real not null)""",
        "create index queue_marks_of_run on queue_marks (run)",
    )


def keep_batches(db: sqlite3.Connection) -> None:
    """Schema 10: batches that a provider answers in its own time, and the calls in those that are under way.

    A call is in `batch_calls` from before its batch is sent until it is answered, or never will be: like a claim, it
    keeps others from asking, and counts in budgets at `input` and `output`, its most in tokens.
    """
    _all(
        db,
        """create table batches (id text primary key, model text not null, source text not null, remote text not null,
           state text not null, note text not null, owner text not null, expires real not null, created real not null,
           ended real, requests integer not null, calls integer not null, answered integer not null,
           failed integer not null) without rowid""",
        """create table batch_calls (key blob primary key, batch text not null, line integer not null,
           place integer not null, model text not null, source text not null, request blob not null,
           sample integer not null, run text not null, input integer not null, output integer not null)
           without rowid""",
        "create index batch_calls_by_line on batch_calls (batch, line, place)",
        "create index batch_calls_of_run on batch_calls (run)",
    )


def know_lost_batches(db: sqlite3.Connection) -> None:
    """Schema 11: which lost calls a batch had, at whose price they may be billed. Earlier ones count at full price."""
    _all(db, "alter table lost_calls add column batched integer not null default 0")


def _dropping(table: str, row: str) -> str:
    kinds = f"kind in ('{OF_TRACES}', '{OF_AUDIT}')" if table == "traces" else f"kind = '{OF_GRADES}' || {row}.grader"
    return f"delete from summaries where run = {row}.run and {kinds} and block = {row}.ordinal >> {BLOCK_BITS};"


def _all(db: sqlite3.Connection, *statements: str) -> None:
    for statement in statements:
        db.execute(statement)


# The step at place n makes schema n + 1 of schema n.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    make_the_first_tables,
    keep_what_people_do,
    share_calls_among_processes,
    know_shards,
    keep_which_server_answered,
    keep_summaries,
    keep_lost_calls,
    keep_labels,
    keep_the_teachers_queue,
    keep_batches,
    know_lost_batches,
)
SCHEMA_VERSION = len(MIGRATIONS)
# From this schema on a file has all that is read; what came later is for those who write, or looked for first.
READABLE = 2
LOST_SINCE = MIGRATIONS.index(keep_lost_calls) + 1
LABELS_SINCE = MIGRATIONS.index(keep_labels) + 1
QUEUE_SINCE = MIGRATIONS.index(keep_the_teachers_queue) + 1
BATCHES_SINCE = MIGRATIONS.index(keep_batches) + 1
LOST_BATCHES_SINCE = MIGRATIONS.index(know_lost_batches) + 1
SERVERS_SINCE = MIGRATIONS.index(keep_which_server_answered) + 1


# Tokens of one trace beyond these are no count: a store of 0.1.0 may hold what a faulty endpoint said.
MOST_COUNTED = 1 << 40


def usage_sums(column: str, path: str) -> str:
    """Return the SQL that sums the four token counts of a JSON column at this path; impossible ones count nothing."""
    fields = ("input", "output", "cached", "reasoning")
    return ", ".join(
        f"coalesce(sum(json_extract({column}, '{path}.{field}')) "
        f"filter (where json_extract({column}, '{path}.{field}') between 0 and {MOST_COUNTED}), 0)"
        for field in fields
    )


def impossible(column: str, path: str) -> str:
    """Return the SQL that counts rows whose token counts at this path cannot be true."""
    fields = ("input", "output", "cached", "reasoning")
    tests = (f"json_extract({column}, '{path}.{field}') not between 0 and {MOST_COUNTED}" for field in fields)
    return f"count(*) filter (where {' or '.join(tests)})"
