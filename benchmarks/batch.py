"""Batches that end badly, commands that are killed: every paid answer stored, none bought twice, half the price.

python benchmarks/batch.py [-n PROBLEMS] [--kills N] [--seconds S] [--seed N] [--json]

A server of batches on this machine (that of the tests, with a fast clock) ends its batches in nine ways: expired,
cancelled, lines that fail in passing and for good, too many tokens, files that come late, are cut or hold a line twice,
lines in another order; it drops answers to creations and is busy now and then. `stepdown run --batch` (plans, then four
samples of solutions) is killed with SIGKILL at random moments and begun again until it is through. The server's own
books are compared with the store's.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import print_row

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
STUDENT, TEACHER = "openai-api/lab/student", "openai-api/lab/teacher"
PRICE = {"input": 2.5, "output": 10.0}
COMMAND = [
    *("run", "sums.jsonl", "--method", "tot", "--student", STUDENT, "--teacher", TEACHER, "--samples", "4"),
    *("--temperature", "0.7", "--prices", "prices.json", "--batch"),
]


def begin(folder: Path, url: str) -> "subprocess.Popen[bytes]":
    """Start the command."""
    names = {**os.environ, "LAB_BASE_URL": url, "STEPDOWN_STORE": str(folder / "batch.sqlite")}
    command = [sys.executable, "-m", "stepdown", *COMMAND]
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(command, env=names, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def killed(folder: Path, url: str, moments: random.Random, kills: int) -> tuple[int, int]:
    """Run the command to its end, killed so often at random moments; return the kills that met it and its exit code."""
    met = 0
    for _ in range(kills):
        process = begin(folder, url)
        try:
            process.wait(moments.uniform(0.8, 4.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            met += 1
    return met, begin(folder, url).wait(120)


def books(folder: Path) -> tuple[list[tuple[int, int]], float, int, int]:
    """Return the tokens of each call that was paid for, their cost, calls still waited for, and failed traces."""
    from stepdown.models import Prices
    from stepdown.store import Store

    prices = Prices(folder / "prices.json")
    with Store(folder / "batch.sqlite", reading=True) as store:
        paid = list(store.paid([run.id for run in store.runs()]))
        waiting = store.value("select count(*) from batch_calls")
        failed = store.value("select count(*) from traces where error is not null")
    cost = sum(prices.cost(model, usage) or 0.0 for model, usage in paid)
    return [(usage.input, usage.output) for _, usage in paid], cost, waiting, failed


def main() -> int:
    """Print one row and whether the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from batch_server import ENDINGS, batch_server

    moments, began = random.Random(options.seed), time.perf_counter()
    endings = [*ENDINGS, *moments.choices(("", *ENDINGS[1:]), k=60)]
    with tempfile.TemporaryDirectory(prefix="stepdown-batch-") as name, batch_server(seconds=options.seconds) as server:
        folder = Path(name)
        sums = [{"question": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(options.n)]
        (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums))
        (folder / "prices.json").write_text(json.dumps({STUDENT: PRICE, TEACHER: PRICE}))
        server.endings, server.drops, server.busy = endings, 3, 6
        met, code = killed(folder, server.url, moments, options.kills)
        tokens, cost, waiting, failed = books(folder)
        if os.environ.get("STEPDOWN_SHOW_LOG"):
            print((folder / "log.txt").read_text())
        full = (server.tokens[0] * PRICE["input"] + server.tokens[1] * PRICE["output"]) / 1e6
        row = {
            "problems": options.n, "seed": options.seed, "kills": met, "batches": len(server.batches),
            "faults_met": sum(server.ended[ending] > 0 for ending in ENDINGS), "exit": code,
            "billed_requests": server.billed.total(), "bought_twice": sum(n - 1 for n in server.billed.values()),
            "billed_tokens": sum(server.tokens), "stored_tokens": sum(map(sum, tokens)),
            "refused_for_good": failed, "left_waiting": waiting, "full_price": round(full, 6), "paid": round(cost, 6),
            "share": round(cost / full, 6), "s": round(time.perf_counter() - began, 1),
        }  # fmt: skip
    print_row(row, as_json=options.json)
    held = {
        "every paid answer is in the store": row["billed_tokens"] == row["stored_tokens"] and not waiting,
        "none is bought twice": not row["bought_twice"],
        "half the price to the cent": abs(cost - full / 2) < 0.005 and abs(cost / full - 0.5) < 1e-9,
        "all nine faults were met": row["faults_met"] == len(ENDINGS),
        "the command ends": code in (0, 1) and (code == 1) == (failed > 0),
    }
    for bar, holds in held.items():
        words = f"bar: {bar}: {'met' if holds else 'missed'}"
        print(json.dumps({"bar": bar, "met": holds}) if options.json else words)
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
