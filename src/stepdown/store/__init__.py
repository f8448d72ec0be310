"""One SQLite file that keeps every call, run, trace, grade and plan edit; the only SQL of the project.

A call is found again by what was asked (`call_key`), so no run, method or student pays for it twice.
Readers page through traces by key, so a run of a million problems never lies in memory.
"""

from stepdown.store.database import default_path
from stepdown.store.rows import Edit, Left, Paid, Row, Summary, call_key, call_keys, own_key, problem_key
from stepdown.store.run import Run, Store

__all__ = [
    "Edit",
    "Left",
    "Paid",
    "Row",
    "Run",
    "Store",
    "Summary",
    "call_key",
    "call_keys",
    "default_path",
    "own_key",
    "problem_key",
]
