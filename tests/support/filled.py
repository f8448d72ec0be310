"""Stores with a few solved problems in them, and how many they hold."""

import asyncio
from pathlib import Path

from stepdown.runner import Task, run_task
from stepdown.store import Run, Store
from worlds import DIRECT, LastWord, student, sums


def fill(path: Path, count: int = 30) -> str:
    with Store(path) as store:
        return solve(store, count).id


def solve(store: Store, count: int) -> Run:
    task = Task(problems=sums(count), method=DIRECT, student=student(), grader=LastWord())
    return asyncio.run(run_task(task, store)).run


def questions(path: Path) -> int:
    with Store(path, reading=True) as store:
        return sum(1 for run in store.runs() for _ in run.graded())
