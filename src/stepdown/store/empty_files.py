"""A store that a command made and put nothing into is taken away again."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

# What a store is there for; a file without any of it holds nothing that anybody would miss.
_HELD = ("calls", "runs", "problems", "edits", "reviews", "annotations")


def discard_if_empty(path: Path) -> bool:
    """Remove a store that holds nothing and that nobody else has open; tell whether it was removed."""
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            if any(db.execute(f"select exists (select 1 from {table})").fetchone()[0] for table in _HELD):
                return False
            # Only the last connection can leave the write-ahead log: whoever else has the store open keeps it.
            if db.execute("pragma journal_mode = delete").fetchone()[0] != "delete":
                return False
    except sqlite3.Error:
        return False
    with suppress(OSError):
        path.unlink()
    return not path.exists()
