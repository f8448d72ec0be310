"""Stores with a few solved problems in them, and how many they hold."""

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from stepdown.runner import Task, run_task
from stepdown.store import Run, Store
from worlds import DIRECT, LastWord, student, sums


def fill(path: Path, count: int = 30) -> str:
    """Write a store with a run of so many problems, and return the run's id."""
    body, run = _filled(count)
    path.write_bytes(body)
    return run


@cache
def _filled(count: int) -> tuple[bytes, str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.sqlite"
        with Store(path) as store:
            run = solve(store, count).id
        return path.read_bytes(), run


def solve(store: Store, count: int) -> Run:
    task = Task(problems=sums(count), method=DIRECT, student=student(), grader=LastWord())
    return asyncio.run(run_task(task, store)).run


def questions(path: Path) -> int:
    with Store(path, reading=True) as store:
        return sum(1 for run in store.runs() for _ in run.graded())
