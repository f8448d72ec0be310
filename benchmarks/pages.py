"""How long the web app's pages take over a run of 100,000 traces and a list of 1,000 runs, asked over a real port.

python benchmarks/pages.py [--traces 100000] [--runs 1000] [--store FILE] [--json]

Each figure is a median of five requests in milliseconds, of the wall and of the processor (server and client together,
which a busy neighbour does not lengthen). With `--store` the store is kept and found again.
"""

import argparse
import asyncio
import json
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import uvicorn

from stepdown.store import Run, Store, StoredCall, StoredTrace, call_key
from stepdown.types import GREEDY, Call, Grade, Message, Plan, Problem, Reply, Settings, Trace, Usage, Verdict
from stepdown.web.app import make_app
from stepdown.web.state import State

PART = 2_000
STORY = "Natalia, number {n}, sold clips to {m} friends in April and half as many in May. " + "She likes it. " * 20
STEPS = Plan(
    "1. Halve the clips of April.\n2. Add both months.\n3. Write the sum on a line of its own.", "openai/gpt-4o"
)


def one(number: int, dataset: str) -> Trace:
    """Return a trace of two calls and about two thousand characters."""
    problem = Problem(f"{dataset}/{number}", STORY.format(n=number, m=number % 97), str(number))
    text = f"Half of {number % 97} is {number % 97 / 2}. " * 20 + f"\nAnswer: {number if number % 3 else 0}"
    asked = (Message("user", problem.question),)
    calls = (
        Call("teacher", "openai/gpt-4o", asked, GREEDY, Reply(STEPS.text, "gpt-4o", Usage(180, 30))),
        Call("student", "ollama/small", asked, GREEDY, Reply(text, "small", Usage(240, 160))),
    )
    plan = STEPS if number % 500 else STEPS.edit("Halve the clips.", "Add both months.", author="ada")
    return Trace(problem, "trace-of-thought", plan, calls, text, None if number % 1013 else "the endpoint said no")


def fill(run: Run, count: int) -> None:
    """Keep traces, calls and grades in parts."""
    for start in range(0, count, PART):
        traces = [one(number, run.settings.dataset) for number in range(start, min(count, start + PART))]
        rows, paid, grades = [], [], []
        for number, trace in enumerate(traces, start):
            keys = tuple(call_key(c.model, run.id, c.messages, c.sampling, 0) for c in trace.calls)
            pairs = zip(keys, trace.calls, strict=True)
            paid += [StoredCall(key, c.model, run.id, c.messages, c.sampling, 0, c.reply, run.id) for key, c in pairs]
            rows.append(StoredTrace(number, trace, keys))
            verdict: Verdict = "ungraded" if trace.error else "right" if number % 3 else "wrong"
            grades.append((number, 0, Grade(verdict, str(number), "the numbers are equal", "default@1")))
        with run.store.writing():
            run.store.put_calls(paid)
            run.put_traces(rows)
            run.put_grades(grades)
    run.grader = "default@1"


def short(number: int) -> Settings:
    """Return the settings of one of the other runs, which all have the same problems."""
    return Settings(dataset="short/test", problems="p", count=20, method="direct", student=f"ollama/{number}")


def make(path: Path, traces: int, runs: int) -> str:
    """Make the store if it is not there, and return the long run's id."""
    long = Settings(dataset="long/test", problems="p", count=traces, method="trace-of-thought", student="ollama/small")
    if not path.exists():
        with Store(path) as store:
            fill(store.open_run(long), traces)
            for number in range(runs - 1):
                fill(store.open_run(short(number)), 20)
    return long.id


@contextmanager
def serving(path: Path) -> Iterator[str]:
    """Serve the store in a thread of its own, and give where."""
    place, servers = socket.create_server(("127.0.0.1", 0)), list[uvicorn.Server]()

    async def work() -> None:
        app = make_app(State(path))
        servers.append(uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)))
        await servers[0].serve(sockets=[place])

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        servers[0].should_exit = True
        thread.join()


def addresses(run: str, traces: int) -> dict[str, str]:
    """Return what is asked, by what it shows."""
    base, last = f"/runs/{run}", traces - 2
    return {
        "runs": "/",
        "runs_last": "/?page=999",
        "runs_found": "/?words=ollama/77",
        "first": base,
        "last": f"{base}?page={traces // 50}",
        **{where: f"{base}?where={where}" for where in ("right", "wrong", "ungraded", "truncated", "edited", "error")},
        "deep_wrong": f"{base}?where=wrong&page={traces // 200}",
        "rare_words": f"{base}?words=number+777,",
        "common_words": f"{base}?words=natalia",
        "no_words": f"{base}?words=quince",
        "words_and_wrong": f"{base}?words=77&where=wrong",
        "trace": f"{base}/traces/long/test/{last}",
        "trace_in_all_runs": f"/runs/{short(0).id}/traces/short/test/7",
        "trace_of_wrong": f"{base}/traces/long/test/{last // 3 * 3}?where=wrong&words=77",
    }


async def measure(base: str, asked: dict[str, str]) -> dict[str, list[tuple[float, float]]]:
    """Return the milliseconds, wall and processor, of five requests of each address."""
    found: dict[str, list[tuple[float, float]]] = {}
    async with aiohttp.ClientSession(base) as session:
        await (await session.get("/static/app.css")).read()
        for name, address in asked.items():
            for _ in range(5):
                start, used = time.perf_counter(), time.process_time()
                async with session.get(address) as answer:
                    await answer.read()
                    assert answer.status == 200, f"{address} answers {answer.status}"
                took = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - used)
                found.setdefault(name, []).append(took)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.store or Path(folder) / "pages.sqlite"
        run = make(path, options.traces, options.runs)
        with serving(path) as base:
            times = asyncio.run(measure(base, addresses(run, options.traces)))
    rows = {
        name: [round(statistics.median(some), 1) for some in zip(*pairs, strict=True)] for name, pairs in times.items()
    }
    if options.json:
        figures = {
            f"{name}_{kind}_ms": one
            for name, pair in rows.items()
            for kind, one in zip(("wall", "cpu"), pair, strict=True)
        }
        print(json.dumps({"bench": "pages", "traces": options.traces, "runs": options.runs, **figures}))
        return
    for name, (wall, processor) in rows.items():
        print(f"{name:>20}  {wall:7.1f} ms  (processor {processor:.1f})")


if __name__ == "__main__":
    main()
