"""One SQLite file that keeps every call, run, trace, grade and plan edit; the only SQL of the project.

A call is found again by what was asked (`call_key`), so no run, method or student pays for it twice.
Readers page through traces by key, so a run of a million problems never lies in memory.
"""

from stepdown.store.database import default_path
from stepdown.store.records import (
    AbandonedReply,
    Edit,
    StoredCall,
    StoredTrace,
    Summary,
    call_key,
    call_keys,
    problem_key,
    unfindable_key,
)
from stepdown.store.run import Run, Store

__all__ = [
    "AbandonedReply",
    "Edit",
    "Run",
    "Store",
    "StoredCall",
    "StoredTrace",
    "Summary",
    "call_key",
    "call_keys",
    "default_path",
    "problem_key",
    "unfindable_key",
]
