"""A grid of runs at once against one run after another: a server of fixed latency, and an embedded model.

python benchmarks/grid.py [--problems 24] [--tokens 64] [--demo] [--only PART...] [--json]

Both sides solve the same word sums by the four methods into stores of their own: at a server that takes 200 ms, with
two students and a teacher at 16 calls each; and by `qwen2.5-coder-0.5b` in this process, which also plans. `--demo`
runs `stepdown demo` in a fresh store and takes the time to its first worked example and that of its calls. `--only
engines` compares a teacher of 1.5 and a student of 0.5 billion parameters side by side with all plans made first.
Seconds of CPU stand beside the clock's, which says little on a busy machine.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from all import HERE, free_port, wait_for
from msgspec.structs import replace
from rows import print_row

from stepdown.graders import load_grader
from stepdown.methods import COMPARED, load_method
from stepdown.models import load_model
from stepdown.problems import load_problems
from stepdown.runner import RunOutcome, Task, run_task, run_together
from stepdown.store import Store
from stepdown.types import Ask, Model, Plan, Problem, Sampling

LATENCY_MS = 200
AT_ONCE = 16
SMALL, LARGE = "embedded/qwen2.5-coder-0.5b", "embedded/qwen2.5-coder-1.5b"
MOST_DEMO_SECONDS, MOST_EXAMPLE_SECONDS = 70.0, 20.0

Side = Callable[[Sequence[Task], Store], Coroutine[Any, Any, list[RunOutcome]]]


def tasks_of(students: Sequence[Model], teacher: Model, problems: int, tokens: int) -> list[Task]:
    """Return the tasks of all four methods for each student."""
    chosen, sampling = load_problems("wordsums", split="test", limit=problems), Sampling(max_tokens=tokens)
    return [
        Task(
            problems=chosen, method=method, student=student, teacher=teacher if method.plan else None,
            grader=load_grader(), sampling=sampling, teacher_sampling=sampling,
        )
        for student in students for method in map(load_method, COMPARED)
    ]  # fmt: skip


async def serial(tasks: Sequence[Task], store: Store) -> list[RunOutcome]:
    return [await run_task(task, store) for task in tasks]


async def at_once(tasks: Sequence[Task], store: Store) -> list[RunOutcome]:
    return await run_together(tasks, store)


async def plans_first(tasks: Sequence[Task], store: Store) -> list[RunOutcome]:
    """Have the teacher write every plan, then the student solve everything."""

    async def nothing(problem: Problem, plan: Plan | None, ask: Ask) -> str:
        return ""

    await run_together(
        [replace(task, method=replace(task.method, solve=nothing)) for task in tasks if task.teacher], store
    )
    return await run_together(tasks, store)


def timed(side: Side, tasks: Sequence[Task]) -> tuple[float, float]:
    """Return the seconds and the seconds of CPU that one side takes in a fresh store."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "stepdown.sqlite") as store:

        async def work() -> list[RunOutcome]:
            try:
                return await side(tasks, store)
            finally:
                for model in {
                    id(model): model for task in tasks for model in (task.student, task.planner) if model
                }.values():
                    if model.capabilities.connects:
                        await model.close()

        began, cpu = time.perf_counter(), time.process_time()
        outcomes = asyncio.run(work())
        assert all(outcome.counts.solved == outcome.counts.total for outcome in outcomes), "every problem is solved"
        return time.perf_counter() - began, time.process_time() - cpu


def compared(name: str, tasks: Sequence[Task], sides: Sequence[Side] = (serial, at_once)) -> dict[str, object]:
    """Return what the sides take, each in its turn."""
    row: dict[str, object] = {
        "benchmark": "grid",
        "what": name,
        "runs": len(tasks),
        "problems": tasks[0].settings().count,
    }
    taken = [timed(side, tasks) for side in sides]
    for side, (seconds, cpu) in zip(sides, taken, strict=True):
        row |= {f"{side.__name__}_s": round(seconds, 2), f"{side.__name__}_cpu_s": round(cpu, 2)}
    (before, cpu_before), (after, cpu_after) = taken[0], taken[-1]
    return {**row, "ratio": round(before / after, 2), "cpu_ratio": round(cpu_before / cpu_after, 2)}


@contextmanager
def slow_server() -> Iterator[None]:
    """Start a server that takes a while for each call, and have OpenAI's models asked there."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "server.py"), str(port), str(LATENCY_MS)])
    try:
        wait_for(port)
        os.environ |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "none"}
        yield
    finally:
        process.terminate()
        process.wait()


def demo() -> dict[str, object]:
    """Return what `stepdown demo` takes in a fresh store: to its first text, its first solved example, its calls."""
    with tempfile.TemporaryDirectory() as folder:
        began, text, example, page = time.perf_counter(), 0.0, 0.0, ""
        command = [sys.executable, "-u", "-m", "stepdown", "demo", "--store", f"{folder}/stepdown.sqlite"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                page += line
                if "solution (" in page and not text:
                    text = time.perf_counter() - began
                if "(default@" in line and not example:
                    example = time.perf_counter() - began
        calls, seconds = re.search(r"(\d+) calls in (\d+) s", page).groups()  # type: ignore[union-attr]
    return {
        "benchmark": "grid", "what": "demo", "calls": int(calls), "calls_s": int(seconds),
        "text_s": round(text, 1), "example_s": round(example, 1),
        "met": int(seconds) <= MOST_DEMO_SECONDS and example <= MOST_EXAMPLE_SECONDS,
    }  # fmt: skip


def server(problems: int, tokens: int) -> dict[str, object]:
    """Compare at a server, with two students and a teacher."""
    with slow_server():
        teacher, *students = (load_model(f"openai/{name}", concurrency=AT_ONCE) for name in ("teacher", "a", "b"))
        return compared("server", tasks_of(students, teacher, problems, tokens))


def embedded(problems: int, tokens: int) -> dict[str, object]:
    """Compare with one embedded model that plans and solves."""
    small = load_model(SMALL)
    timed(serial, tasks_of([small], small, 1, 1))  # loads it
    return compared("embedded", tasks_of([small], small, problems // 2, tokens))


def engines(problems: int, tokens: int) -> dict[str, object]:
    """Compare with two embedded models, the large one for the plans."""
    small, large = load_model(SMALL), load_model(LARGE)
    timed(serial, tasks_of([small], large, 1, 1))
    return compared("two engines", tasks_of([small], large, problems // 2, tokens), (serial, at_once, plans_first))


PARTS: dict[str, Callable[[int, int], dict[str, object]]] = {
    "server": server, "embedded": embedded, "engines": engines, "demo": lambda problems, tokens: demo(),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=24, help="at the server; half of them for embedded models")
    parser.add_argument("--tokens", type=int, default=64, help="in a reply of an embedded model, at most")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=["server", "embedded"])
    parser.add_argument("--demo", action="store_true", help="also run `stepdown demo`, which takes a minute or more")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for part in [*options.only, *(["demo"] if options.demo else [])]:
        row = PARTS[part](options.problems, options.tokens)
        print_row(row, as_json=options.json)
        if "met" in row and not options.json:
            bars = f"{MOST_DEMO_SECONDS:.0f} s of calls, the first example within {MOST_EXAMPLE_SECONDS:.0f} s"
            print(f"{'met' if row['met'] else 'MISSED'}: {bars}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
