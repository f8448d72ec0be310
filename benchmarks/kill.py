"""Kills a run with SIGKILL at random moments, lets it finish, and counts what was lost and what was asked twice.

python benchmarks/kill.py URL [--kills 20] [--problems 2000] [--concurrency 16] [--seed 1]

URL is the mock server of the shared tools, started with faults; its /stats counts the calls it answered and repeats.
A call is lost when the server answered it and the kill came before the reply was stored: at most those in flight.
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


def stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/stats") as reply:
        return dict(json.load(reply))


def command(store: Path, problems: int, concurrency: int) -> list[str]:
    models = ["--teacher", "openai/teacher", "--student", "openai/student"]
    size = ["-n", str(problems), "--concurrency", str(concurrency)]
    start = [sys.executable, "-m", "stepdown", "run", "wordsums", "--method", "trace-of-thought"]
    return [*start, *models, *size, "--store", str(store), "--json"]


def stored(store: Path) -> tuple[int, int, str]:
    """Count answered calls and traces, and ask SQLite whether the file is sound.

    What was in flight when its process died is booked by an estimate, `left`, which answers nothing.
    """
    with sqlite3.connect(store) as db:
        calls = db.execute("select count(*) from calls where json_extract(reply, '$.finish') is not 'left'").fetchone()[
            0
        ]
        traces = db.execute("select count(*) from traces").fetchone()[0]
        sound = db.execute("pragma integrity_check").fetchone()[0]
    db.close()
    return calls, traces, sound


def kill_once(arguments: list[str], environment: dict[str, str], url: str, calls: int) -> bool:
    """Start the command, kill it once the server has answered that many more calls; return whether it still ran."""
    goal = stats(url)["completed"] + calls
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and stats(url)["completed"] < goal:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    environment = {**os.environ, "OPENAI_BASE_URL": f"{options.url}/v1", "OPENAI_API_KEY": "none"}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "killed.sqlite"
        arguments = command(store, options.problems, options.concurrency)
        lost = 0
        print(f"{'kill':>4} {'after':>6} {'answered':>9} {'stored':>7} {'lost':>5}  store")
        for number in range(1, options.kills + 1):
            more = draw.randint(1, options.problems // options.kills)
            assert kill_once(arguments, environment, options.url, more), "the run ended before it could be killed"
            time.sleep(0.3)  # lets the server finish what it was answering
            calls, _, sound = stored(store) if store.exists() else (0, 0, "none yet")
            answered = stats(options.url)["completed"]
            print(f"{number:>4} {more:>6} {answered:>9} {calls:>7} {answered - calls - lost:>5}  {sound}")
            assert answered - calls - lost <= 2 * options.concurrency
            lost = answered - calls
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True)
        calls, traces, sound = stored(store)
        end = stats(options.url)
        print(done.stdout.strip())
        print(f"exit {done.returncode}; {traces} traces, {calls} calls, store {sound}")
        print(f"faults {end['faults']}; lost in flight {lost}, asked again {end['repeats']}")
        assert done.returncode == 0 and traces == options.problems and calls == 2 * options.problems
        assert end["repeats"] <= lost


if __name__ == "__main__":
    main()
