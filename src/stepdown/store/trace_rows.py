"""Rows of traces as they come in: what is new is put without a look, and only what was there is compared with."""

from collections.abc import Sequence

from stepdown.store.database import Database
from stepdown.store.records import StoredTrace, trace_columns

_PUT = """insert or {} into traces
          (run, ordinal, sample, problem, plan, calls, solution, error, truncated, usage, extra)
          values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_NEW, _IN_ITS_STEAD = _PUT.format("ignore"), _PUT.format("replace")


def put_trace_rows(store: Database, run: str, rows: Sequence[StoredTrace]) -> None:
    """Keep traces at their places; one that is there is replaced, and its grades go unless it ends the same."""
    with store.writing() as db:
        keys = store.put_problems([row.trace.problem for row in rows])
        columns = [(run, *trace_columns(row, key)) for row, key in zip(rows, keys, strict=True)]
        if db.executemany(_NEW, columns).rowcount == len(rows):
            return
        db.executemany(
            """delete from grades where run = ?1 and ordinal = ?2 and sample = ?3 and not exists (
               select * from traces where run = ?1 and ordinal = ?2 and sample = ?3
               and solution is ?4 and error is ?5)""",
            [(run, row.ordinal, row.trace.sample, row.trace.solution, row.trace.error) for row in rows],
        )
        db.executemany(_IN_ITS_STEAD, columns)
