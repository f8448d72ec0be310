"""A fleet of local servers: how much of their rates one driver gets while servers die, hang and come late.

python benchmarks/fleet.py [--seconds 40] [--slower 1] [--quick] [--json]

First eight servers of unequal speed, one of which is killed, one stopped (it takes connections and says nothing) and
one started late: the calls answered while there was work, of what the servers that were alive could answer; prompts
that were answered twice; the money counted against the money of what was answered. Then 64 servers of a fixed latency
with 16 calls in flight at each: calls per second of the ideal, by bare clients that store and grade nothing
(fleet_bare.py), by a whole run in this process, and by the command `run --jobs 2`. `--slower` makes the eight servers
so many times slower, where this machine is too busy for what they ask of it.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from all import free_ports
from fleet_bare import CLIENTS, bare, server
from rows import print_row

from stepdown.graders import load_grader
from stepdown.loops import run_loop
from stepdown.methods import load_method
from stepdown.models import FleetModel, Prices, load_model
from stepdown.problems import load_problems
from stepdown.runner import Budget, RunOutcome, Task, close_models, run_task
from stepdown.store import Store
from stepdown.types import Sampling

NAME, SLOTS, MS = "openai-api/fleet/m", 8, (100, 150, 200, 250, 300, 400, 500, 600)
DIES, HANGS, LATE = 2, 4, 6
# A call of 100 tokens in and 10 out, at these dollars per million.
PRICE = {NAME: {"input": 2.0, "output": 8.0}}
CALL = 100 * 2e-6 + 10 * 8e-6
MORE = 1000  # calls of the second and third command
BAR_RATE, BAR_IDEAL = 0.95, 0.9
FAST, SLOW = 200, 2000  # milliseconds of a reply of the 64 servers


def write_problems(folder: Path, count: int) -> Path:
    path = folder / "sums.jsonl"
    rows = (
        {"question": f"What is {number} plus {number + 1}?", "answer": str(2 * number + 1)} for number in range(count)
    )
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def task_of(problems: Path, ports: list[int], concurrency: int | None = None) -> Task:
    addresses = [f"http://127.0.0.1:{port}/v1" for port in ports]
    return Task(
        problems=load_problems(str(problems)),
        method=load_method("direct"),
        student=load_model(NAME, servers=addresses, concurrency=concurrency),
        grader=load_grader(),
        sampling=Sampling(max_tokens=16),
    )


async def worked(task: Task, store: Path, budget: Budget | None = None) -> RunOutcome:
    with Store(store) as opened:
        try:
            return await run_task(task, opened, budget=budget)
        finally:
            await close_models(task)


class Answered(NamedTuple):
    """A line of a server's log."""

    port: int
    at: float
    prompt: str
    took: float


def answers(folder: Path, logs: str = "*.log") -> list[Answered]:
    """Return what the servers' logs say they answered."""
    lines = [line.split() for log in folder.glob(logs) for line in log.read_text().splitlines()]
    return [Answered(int(port), float(at), prompt, float(took)) for port, at, prompt, took in lines]


class Trouble:
    """Kills, stops and starts servers while a run goes on; `ends` and `begins` are moments by server."""

    def __init__(self, folder: Path, seconds: float, slower: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.ms = [ms * slower for ms in MS]
        self.rates = [SLOTS / ms * 1000 for ms in self.ms]
        self.ports = free_ports(len(MS))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.begins: dict[int, float] = {}
        self.ends: dict[int, float] = {}
        self.stack = ExitStack()

    def start(self, number: int) -> None:
        log, port = self.folder / f"{number}.log", self.ports[number]
        self.processes[number] = self.stack.enter_context(server(log, port, slots=SLOTS, ms=self.ms[number]))
        self.begins[number] = time.time()

    def end(self, number: int, sign: signal.Signals) -> None:
        os.kill(self.processes[number].pid, sign)
        self.ends[number] = time.time()

    async def make(self) -> None:
        await asyncio.sleep(self.seconds / 4)
        self.end(DIES, signal.SIGKILL)
        await asyncio.sleep(self.seconds / 8)
        await asyncio.to_thread(self.start, LATE)
        await asyncio.sleep(self.seconds / 8)
        self.end(HANGS, signal.SIGSTOP)

    def expected(self) -> int:
        """Return how many calls the servers can answer with the trouble that is made."""
        alive = {DIES: self.seconds / 4, HANGS: self.seconds / 2, LATE: self.seconds * 5 / 8}
        return round(sum(rate * alive.get(number, self.seconds) for number, rate in enumerate(self.rates)))

    def possible(self, told: list[Answered], begin: float, end: float) -> float:
        """Return how many calls the servers could answer between two moments, each while it was alive.

        The rates are those at which they worked: what was told them, but for what a busy machine makes of it.
        """
        possible = 0.0
        for number, port in enumerate(self.ports):
            took = [one.took for one in told if one.port == port]
            alive = min(end, self.ends.get(number, end)) - max(begin, self.begins[number])
            possible += SLOTS / fmean(took) * max(0.0, alive)
        return possible


def in_trouble(folder: Path, seconds: float, slower: float) -> dict[str, object]:
    """Run over servers that die, hang and come late; a second command is ended by its budget, a third one finishes."""
    trouble, prices = Trouble(folder, seconds, slower), folder / "prices.json"
    count = trouble.expected()
    prices.write_text(json.dumps(PRICE))
    most = Budget(Prices(prices), money=1000.0)
    tight = Budget(Prices(prices), money=round(MORE / 2 * CALL, 2))

    waited: list[float] = []  # the moments at which calls waited for a server: as long as there is work, they do

    async def last_wait(task: Task) -> None:
        assert isinstance(task.student, FleetModel)
        while True:
            await asyncio.sleep(0.02)
            waited[:] = [time.time()] if task.student.waiting else waited

    async def first() -> tuple[float, float]:
        task = task_of(write_problems(folder, count), trouble.ports)
        making, watching = asyncio.create_task(trouble.make()), asyncio.create_task(last_wait(task))
        began = time.time()
        await worked(task, folder / "fleet.sqlite", most)
        await making
        watching.cancel()
        return began, waited[-1]

    with trouble.stack:
        for number in set(range(len(MS))) - {LATE}:
            trouble.start(number)
        began, until = run_loop(first())
        told = answers(folder)
        more = task_of(write_problems(folder, count + MORE), trouble.ports)
        stopped = run_loop(worked(more, folder / "fleet.sqlite", tight)).stopped
        bought = len(answers(folder)) - len(told)
        run_loop(worked(more, folder / "fleet.sqlite"))
    after, last = answers(folder), max(one.at for one in told)
    possible = trouble.possible(told, began, until)
    joined = min(one.at for one in told if one.port == trouble.ports[LATE])
    done = sum(one.at <= until for one in told)
    return {
        "benchmark": "fleet-trouble", "seconds": round(last - began, 1), "answered": len(told),
        "sum_of_rates": round(possible / (until - began), 1),
        "rate": round(done / (until - began), 1), "share": round(done / possible, 3),
        "share_with_ends": round(len(told) / trouble.possible(told, began, last), 3),
        "late_joined_s": round(joined - trouble.begins[LATE], 1),
        "asked_again": len(after) - len({one.prompt for one in after}), "all": len(after) == count + MORE,
        "spent": round(most.spent_money, 6), "answered_cost": round(len(told) * CALL, 6),
        "stopped_by": type(stopped).__name__, "tight_budget": tight.money,
        "tight_spent": round(tight.spent_money, 6), "tight_cost": round(bought * CALL, 6),
    }  # fmt: skip


def many(folder: Path, ms: int, rounds: int, *, servers: int = 64, flight: int = 16) -> dict[str, object]:
    """Run over many servers of a fixed latency, so many calls for each place in flight; return the share of ideal."""
    ports, ideal = free_ports(servers), servers * flight / ms * 1000
    count = servers * flight * rounds
    task = task_of(write_problems(folder, count), ports, flight)

    async def timed() -> tuple[float, float]:
        await task.student.prepare()
        began, cpu = time.perf_counter(), time.process_time()
        outcome = await worked(task, folder / "many.sqlite")
        assert outcome.counts.graded == count, outcome.counts
        return time.perf_counter() - began, time.process_time() - cpu

    with server(folder / "many.txt", *ports, slots=flight, ms=ms):
        took, cpu = run_loop(timed())
    return {
        "benchmark": "fleet-many", "servers": servers, "flight": flight, "latency_ms": ms, "calls": count,
        "ideal": round(ideal), "rate": round(count / took), "share": round(count / took / ideal, 3),
        "cpu_ms_per_call": round(1000 * cpu / count, 3),
    }  # fmt: skip


def by_command(folder: Path, ms: int, rounds: int, jobs: int) -> dict[str, object]:
    """Give the command over 64 servers, with so many processes; its seconds are those it tells of its run."""
    ports, ideal = free_ports(64), 64 * 16 / ms * 1000
    listed, problems = folder / "servers.txt", write_problems(folder, 64 * 16 * rounds)
    listed.write_text("\n".join(f"http://127.0.0.1:{port}/v1" for port in ports))
    command = [sys.executable, "-m", "stepdown", "run", str(problems), "--method", "direct", "--student", NAME]
    options = ["--servers", str(listed), "--concurrency", "16", "--jobs", str(jobs), "--max-tokens", "16", "--json"]
    with server(folder / "many.txt", *ports, slots=16, ms=ms):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = subprocess.run(
            [*command, *options, "--store", str(folder / "many.sqlite")], capture_output=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found, asked = json.loads(ran.stdout), len({one.prompt for one in answers(folder, "many.txt")})
    assert found["graded"] == found["calls"] == asked == 64 * 16 * rounds, found
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "benchmark": "fleet-command", "jobs": jobs, "servers": 64, "flight": 16, "latency_ms": ms, "calls": asked,
        "ideal": round(ideal), "rate": round(asked / found["seconds"]),
        "share": round(asked / found["seconds"] / ideal, 3), "cpu_ms_per_call": round(1000 * cpu / asked, 3),
    }  # fmt: skip


def verdicts(row: dict[str, object]) -> list[tuple[str, bool]]:
    """Return the bars of a row and whether they are met."""
    money = ("spent", "answered_cost", "tight_spent", "tight_cost", "tight_budget")
    share, spent, cost, tight, bought, budget = (float(str(row.get(name, 0))) for name in ("share", *money))
    if row["benchmark"] == "fleet-command" or row.get("latency_ms") == SLOW:
        by = f" by {row['jobs']} processes, {row['of_aiohttp']} of a bare aiohttp loop" if "jobs" in row else ""
        return [(f"{share} of ideal at {row['latency_ms']} ms{by}, bar {BAR_IDEAL}", share >= BAR_IDEAL)]
    if row["benchmark"] != "fleet-trouble":
        return []
    exact = max(abs(spent - cost), abs(tight - bought)) < 0.005
    return [
        (f"{share} of the sum of the rates, bar {BAR_RATE}", share >= BAR_RATE),
        (f"{row['asked_again']} answered prompts asked again, bar 0", row["asked_again"] == 0 and bool(row["all"])),
        (f"${spent} counted of ${cost} answered; ${tight} of ${bought}, of a budget of ${budget}",
         exact and tight <= budget and row["stopped_by"] == "BudgetReached"),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--slower", type=float, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    seconds = 16 if chosen.quick else chosen.seconds
    with tempfile.TemporaryDirectory() as name:
        for row in measure(Path(name), seconds, chosen.slower):
            print_row(row, as_json=chosen.json)
            for text, met in verdicts(row):
                print(f"{'met' if met else 'MISSED'}: {text}", file=sys.stderr if chosen.json else sys.stdout)


def measure(folder: Path, seconds: float, slower: float) -> Iterator[dict[str, object]]:
    for name in ("trouble", "many", "two", "slow"):
        (folder / name).mkdir()
    yield in_trouble(folder / "trouble", seconds, slower)
    for name in CLIENTS:
        yield (clients := bare(name, folder, FAST, 10))
    yield many(folder / "many", FAST, 10)
    two = by_command(folder / "two", FAST, 20, 2)
    yield two | {"of_aiohttp": round(float(str(two["rate"])) / float(str(clients["rate"])), 2)}
    yield many(folder / "slow", SLOW, 5)


if __name__ == "__main__":
    main()
