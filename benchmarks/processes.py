"""Runs one command in many processes on one store, kills some with SIGKILL, and counts what was asked twice.

python benchmarks/processes.py URL [--processes 8] [--kills 12] [--problems 2000] [--budget USD] [--seed 1] [--json]

URL is the mock server of the shared tools, started with faults; its /stats counts the calls it answered, and repeats of
a prompt it had answered. A call may be repeated only where the process that had it in flight was killed. A killed
process is replaced by another. With --budget the processes share one, at $1 per million tokens in and $2 out: what the
server has billed, killed calls included, must not be more.
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PRICE_IN, PRICE_OUT = 1e-6, 2e-6
CONCURRENCY = 4


def ask(url: str, method: str = "GET") -> dict[str, int]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as reply:
        return dict(json.load(reply))


class Pool:
    """Processes of one command on one store in a folder."""

    def __init__(self, url: str, folder: Path, problems: int, budget: float | None) -> None:
        self.url, self.store = url, folder / "shared.sqlite"
        prices = folder / "prices.json"
        rate = {"input": PRICE_IN * 1e6, "output": PRICE_OUT * 1e6}
        prices.write_text(json.dumps({"openai/teacher": rate, "openai/student": rate}))
        self.command = [
            sys.executable, "-m", "stepdown", "run", "wordsums", "--method", "trace-of-thought",
            "--teacher", "openai/teacher", "--student", "openai/student", "-n", str(problems), "--json",
            "--concurrency", str(CONCURRENCY), "--store", str(self.store), "--prices", str(prices),
            "--max-tokens", "200", "--teacher-max-tokens", "200",
        ]  # fmt: skip
        self.command += ["--budget", str(budget)] if budget is not None else []
        self.environment = {**os.environ, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none"}
        self.running: list[subprocess.Popen[str]] = []

    def start(self, count: int = 1) -> None:
        for _ in range(count):
            self.running.append(
                subprocess.Popen(
                    self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )

    def kill(self, draw: random.Random) -> bool:
        """Kill one process, every other time one that has calls in flight; False where it had ended by itself."""
        busy = [place for place, process in enumerate(self.running) if str(process.pid) in self.busy()]
        places = busy if busy and draw.random() < 0.5 else range(len(self.running))
        victim = self.running.pop(draw.choice(places))
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        return victim.returncode == -signal.SIGKILL

    def busy(self) -> set[str]:
        """Return the ids of the processes that have claimed something."""
        return {owner.split(" ")[1] for (owner,) in self.rows("select distinct owner from claims")}

    def values(self, statement: str, *values: object) -> list[float]:
        return [float(value or 0) for value in self.rows(statement, *values)[0]]

    def rows(self, statement: str, *values: object) -> list[tuple[str, ...]]:
        db = sqlite3.connect(self.store, timeout=60)
        try:
            return db.execute(statement, values).fetchall()
        except sqlite3.OperationalError:
            return []  # no tables yet
        finally:
            db.close()

    def solved(self) -> int:
        """Return how many problems have been solved."""
        rows = self.rows("select count(*) from traces where error is null")
        return int(rows[0][0]) if rows else 0

    def finish(self) -> list[tuple[int, str, str]]:
        """Wait for all and return exit code and both outputs of each."""
        return [(*process.communicate(timeout=300), process.returncode)[::-1] for process in self.running]  # type: ignore[misc]


def measure(url: str, processes: int, kills: int, problems: int, budget: float | None, seed: int) -> dict[str, object]:
    draw = random.Random(seed)
    ask(f"{url}/reset", "POST")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(url, Path(folder), problems, budget)
        pool.start(processes)
        killed = 0
        while killed < kills and pool.solved() < problems:
            time.sleep(draw.uniform(0.5, 2.5))
            killed += pool.kill(draw)
            pool.start()
        ended = pool.finish()
        stats = ask(f"{url}/stats")
        paid_in, paid_out, booked, left = pool.values(
            """select sum(json_extract(reply, '$.usage.input')), sum(json_extract(reply, '$.usage.output')),
                      count(*), sum(json_extract(reply, '$.finish') is 'left') from calls"""
        )
        traces = pool.values("select count(*) from traces where error is null")[0]
        claims = pool.values("select count(*) from claims")[0]
        sound = sqlite3.connect(pool.store).execute("pragma integrity_check").fetchone()[0]
    return {
        "processes": processes, "kills": killed, "kills_asked": kills, "problems": problems,
        "answered": stats["completed"],
        "repeats": stats["repeats"], "in_flight_at_kills": int(left), "booked": int(booked),
        "solved": int(traces), "claims_left": int(claims), "store": sound,
        "billed_usd": round(stats["promptTokens"] * PRICE_IN + stats["completionTokens"] * PRICE_OUT, 6),
        "booked_usd": round(paid_in * PRICE_IN + paid_out * PRICE_OUT, 6), "budget_usd": budget,
        "exit_codes": sorted({code for code, *_ in ended}), "seconds": round(time.monotonic() - began, 1),
        "last_words": next((words[-300:] for code, words, _ in ended if code not in (0, 3)), ""),
    }  # fmt: skip


def check(row: dict[str, object]) -> list[str]:
    """Return what is not as it must be."""
    number = {name: value for name, value in row.items() if isinstance(value, int | float)}
    wrong = []
    if number["kills"] < number["kills_asked"]:
        wrong.append("the work was done before so many could be killed: give it more problems")
    if number["in_flight_at_kills"] > number["kills"] * 4 * CONCURRENCY:
        wrong.append("more calls were in flight at the kills than processes have workers")
    if number["repeats"] > number["in_flight_at_kills"]:
        wrong.append("a call was asked again that no killed process had in flight")
    if number["booked_usd"] < number["billed_usd"] - 1e-9:
        wrong.append("something was paid that is not in the books")
    if row["budget_usd"] is not None and number["billed_usd"] > number["budget_usd"] + 1e-9:
        wrong.append("the processes spent more than their budget")
    if row["budget_usd"] is None and number["solved"] < number["problems"]:
        wrong.append("not all problems were solved")
    if row["store"] != "ok" or number["claims_left"]:
        wrong.append("the store is not as it should be left")
    if not set(row["exit_codes"]) <= ({0} if row["budget_usd"] is None else {0, 3}):  # type: ignore[call-overload]
        wrong.append(f"exit codes {row['exit_codes']}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--budget", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    row = measure(options.url, options.processes, options.kills, options.problems, options.budget, options.seed)
    if options.json:
        print(json.dumps({"bench": "processes", **row}))
    else:
        for name, value in row.items():
            print(f"{name:>18}  {value}")
        print(
            f"{row['repeats']} repeats of {row['answered']} answers, {row['in_flight_at_kills']} in flight at "
            f"{row['kills']} kills; billed {row['billed_usd']}, booked {row['booked_usd']}, budget {row['budget_usd']}"
        )
    if wrong := check(row):
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()
