"""Runs that a test writes down trace by trace: settings, and of each problem's samples the trace and its grade."""

from collections.abc import Iterable
from typing import Any

import msgspec

from stepdown.store import Run, Store
from stepdown.types import Grade, Problem, Settings, Trace, Verdict

LETTERS: dict[str, Verdict] = {"r": "right", "w": "wrong", "-": "ungraded"}
USUAL = Settings(dataset="sums/test", problems="0" * 32, count=1, method="direct", student="openai/student")


def keep_run(
    store: Store,
    rows: Iterable[Iterable[tuple[Trace, Grade | None]]],
    *,
    settings: Settings = USUAL,
    grader: str = "default@2",
    **changes: Any,
) -> Run:
    """Keep a run of these settings but for what changes; its problems are as many as there are rows, if not said."""
    problems = [list(row) for row in rows]
    run = store.open_run(msgspec.structs.replace(settings, **{"count": len(problems)} | changes))
    for ordinal, samples in enumerate(problems):
        for trace, _ in samples:
            run.put_trace(ordinal, trace, source=run.id)
        run.put_grades([(ordinal, trace.sample, grade) for trace, grade in samples if grade is not None])
    run.grader = grader
    return run


def keep_alike(store: Store, text: str, count: int, *, dataset: str = USUAL.dataset, **changes: Any) -> Run:
    """Keep a run of sums that says the same of each, graded right."""
    rows = [[(Trace(Problem(f"{dataset}/{n}", f"What is {n} plus one?", str(n + 1)), "direct", solution=text),
              Grade("right", "1", "found by default", "default@2"))] for n in range(count)]  # fmt: skip
    return keep_run(store, rows, dataset=dataset, **changes)
