"""A fleet of local servers: how much of their rates one driver gets while servers die, hang and come late.

python benchmarks/fleet.py [--seconds 40] [--quick] [--json]

First eight servers of unequal speed, one of which is killed, one stopped (it takes connections and says nothing) and
one started late: the calls answered while there was work, of what the servers that were alive could answer; prompts
that were answered twice; the money counted against the money of what was answered. Then 64 servers of a fixed latency
with 16 calls in flight at each: calls per second of the ideal, by a whole run (stored and graded).
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import FleetModel, Prices, load_model
from stepdown.problems import load_problems
from stepdown.runner import Budget, RunOutcome, Task, close_models, run_task
from stepdown.store import Store
from stepdown.types import Sampling

HERE = Path(__file__).parent
NAME, SLOTS, MS = "openai-api/fleet/m", 8, (100, 150, 200, 250, 300, 400, 500, 600)
RATES = [SLOTS / ms * 1000 for ms in MS]
DIES, HANGS, LATE = 2, 4, 6
# A call of 100 tokens in and 10 out, at these dollars per million.
PRICE = {NAME: {"input": 2.0, "output": 8.0}}
CALL = 100 * 2e-6 + 10 * 8e-6
BAR_RATE, BAR_IDEAL = 0.95, 0.9


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wait_for(port: int) -> None:
    for _ in range(400):
        with socket.socket() as some:
            if some.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("a server did not start")


@contextmanager
def server(log: Path, *ports: int, slots: int, ms: float) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that is a server at each port."""
    command = [sys.executable, str(HERE / "fleet_server.py"), str(log), *map(str, ports)]
    process = subprocess.Popen([*command, "--slots", str(slots), "--ms", str(ms)])
    try:
        wait_for(ports[-1])
        yield process
    finally:
        process.kill()
        process.wait()


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


def answers(folder: Path) -> list[tuple[int, float, str]]:
    """Return what the servers' logs say: port, moment and prompt of every answer."""
    lines = [line.split() for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return [(int(port), float(at), prompt) for port, at, prompt in lines]


class Trouble:
    """Kills, stops and starts servers while a run goes on; `ends` and `begins` are moments by server."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.ports = free_ports(len(MS))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.begins: dict[int, float] = {}
        self.ends: dict[int, float] = {}
        self.stack = ExitStack()

    def start(self, number: int) -> None:
        log, port = self.folder / f"{number}.log", self.ports[number]
        self.processes[number] = self.stack.enter_context(server(log, port, slots=SLOTS, ms=MS[number]))
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

    def possible(self, begin: float, end: float) -> float:
        """Return how many calls the servers could answer between two moments, each while it was alive."""
        spans = ((max(begin, self.begins[number]), min(end, self.ends.get(number, end))) for number in range(len(MS)))
        return sum(rate * max(0.0, until - since) for rate, (since, until) in zip(RATES, spans, strict=True))


def expected(seconds: float) -> int:
    """Return how many calls eight servers can answer in so many seconds with the trouble that is made."""
    alive = {DIES: seconds / 4, HANGS: seconds / 2, LATE: seconds * 5 / 8}
    return round(sum(rate * alive.get(number, seconds) for number, rate in enumerate(RATES)))


def in_trouble(folder: Path, seconds: float) -> dict[str, object]:
    """Run over servers that die, hang and come late; a budget ends the run, and a second command finishes it."""
    count = expected(seconds)
    trouble, prices = Trouble(folder, seconds), folder / "prices.json"
    prices.write_text(json.dumps(PRICE))
    task = task_of(write_problems(folder, count + 400), trouble.ports)
    budget = Budget(Prices(prices), money=count * CALL)

    async def both() -> tuple[RunOutcome, float]:
        making = asyncio.create_task(trouble.make())
        began = time.time()
        outcome = await worked(task, folder / "fleet.sqlite", budget)
        await making
        return outcome, began

    with trouble.stack:
        for number in range(len(MS)):
            if number != LATE:
                trouble.start(number)
        outcome, began = asyncio.run(both())
        told = answers(folder)
        spent = budget.spent_money
        last = max(at for _, at, _ in told)
        until = last - 2 * MS[-1] / 1000 - 0.5
        done = sum(at <= until for _, at, _ in told)
        possible, whole = trouble.possible(began, until), trouble.possible(began, last)
        first = min((at for port, at, _ in told if port == trouble.ports[LATE]), default=last)
        asyncio.run(worked(task, folder / "fleet.sqlite"))
    after = answers(folder)
    return {
        "benchmark": "fleet-trouble", "seconds": round(last - began, 1), "answered": len(told),
        "sum_of_rates": round(possible / (until - began), 1), "rate": round(done / (until - began), 1),
        "share": round(done / possible, 3), "share_with_ends": round(len(told) / whole, 3),
        "late_joined_s": round(first - trouble.begins[LATE], 1),
        "asked_again": len(after) - len({prompt for _, _, prompt in after}),
        "stopped_by_budget": type(outcome.stopped).__name__, "budget": round(count * CALL, 6),
        "spent": round(spent, 6), "answered_cost": round(len(told) * CALL, 6), "all": len(after) == count + 400,
    }  # fmt: skip


def many(folder: Path, ms: int, seconds: float, *, servers: int = 64, flight: int = 16) -> dict[str, object]:
    """Run over many servers of a fixed latency and return calls per second and what is ideal."""
    ports = free_ports(servers)
    ideal = servers * flight / ms * 1000
    count = max(2 * servers * flight, round(min(ideal, 2000) * seconds))
    task = task_of(write_problems(folder, count), ports, flight)
    assert isinstance(task.student, FleetModel)

    async def timed() -> tuple[float, float]:
        await task.student.prepare()
        began, cpu = time.perf_counter(), time.process_time()
        outcome = await worked(task, folder / "many.sqlite")
        assert outcome.counts.graded == count, outcome.counts
        return time.perf_counter() - began, time.process_time() - cpu

    with server(folder / "many.txt", *ports, slots=flight, ms=ms):
        took, cpu = asyncio.run(timed())
    # The last calls are answered one latency after the work has run out.
    rate = count / (took - ms / 1000)
    return {
        "benchmark": "fleet-many", "servers": servers, "flight": flight, "latency_ms": ms, "calls": count,
        "ideal": round(ideal), "rate": round(rate), "share": round(rate / ideal, 3),
        "cpu_ms_per_call": round(1000 * cpu / count, 3),
    }  # fmt: skip


def verdicts(row: dict[str, object]) -> list[tuple[str, bool]]:
    """Return the bars of a row and whether they are met."""
    if row["benchmark"] == "fleet-many":
        return [
            (
                f"{row['share']} of ideal at {row['latency_ms']} ms, bar {BAR_IDEAL}",
                float(str(row["share"])) >= BAR_IDEAL,
            )
        ]
    exact = abs(float(str(row["spent"])) - float(str(row["answered_cost"]))) < 0.005
    within = float(str(row["spent"])) <= float(str(row["budget"]))
    return [
        (f"{row['share']} of the sum of the rates, bar {BAR_RATE}", float(str(row["share"])) >= BAR_RATE),
        (f"{row['asked_again']} answered prompts asked again, bar 0", row["asked_again"] == 0 and bool(row["all"])),
        (f"${row['spent']} counted, ${row['answered_cost']} answered, of ${row['budget']}", exact and within),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    seconds = 16 if chosen.quick else chosen.seconds
    with tempfile.TemporaryDirectory() as name:
        for row in measure(Path(name), seconds):
            said = "  ".join(f"{key}={value}" for key, value in row.items())
            print(json.dumps(row) if chosen.json else said, flush=True)
            for text, met in verdicts(row):
                print(f"{'met' if met else 'MISSED'}: {text}", file=sys.stderr if chosen.json else sys.stdout)


def measure(folder: Path, seconds: float) -> Iterator[dict[str, object]]:
    for name in ("trouble", "many", "slow"):
        (folder / name).mkdir()
    yield in_trouble(folder / "trouble", seconds)
    yield many(folder / "many", 200, seconds / 8)
    yield many(folder / "slow", 2000, seconds / 8)


if __name__ == "__main__":
    main()
