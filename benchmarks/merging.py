"""Joins the stores of three shards, and kills the merge at random moments: how long, how much memory, nothing half.

python benchmarks/merging.py [--calls 60000] [--kills 20] [--quick] [--json]     --calls 1000000 for the full size

Each call has a problem, a trace and a grade. The merge runs in a process of its own. A killed merge must leave a store
that was there as it was, or whole, and of a new one nothing; the next merge removes what was left beside it.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rows import print_row

from stepdown.shards import Shard
from stepdown.store import Run, Store, StoredCall, StoredTrace, call_key, maintenance, merging, put_shard
from stepdown.types import Call, Grade, Message, Problem, Reply, Sampling, Settings, Trace, Usage

SHARDS = 3
PAGE = 2_000
MODEL, GRADER, DRAWN = "vllm/teacher", "default@2", Sampling(max_tokens=512)
TEXT = "First take the number, then add one to it, and say what comes of it in one line. " * 6
MOST_SECONDS = 180.0  # of CPU for a million calls: on a busy machine the clock says nothing
MOST_MB = 400.0


def settings(count: int) -> Settings:
    return Settings(dataset="sums/test", problems="0" * 32, count=count, method="direct", student=MODEL)


def solved(number: int, run: str) -> tuple[StoredCall, StoredTrace, Grade]:
    """Return a problem's call, trace and grade."""
    problem = Problem(f"sums/test/{number}", f"What is {number} plus one?", str(number + 1))
    messages = (Message("user", problem.question),)
    key = call_key(MODEL, "", messages, DRAWN, 0)
    reply = Reply(f"{TEXT}\nAnswer: {number + 1}", MODEL, Usage(40, 120), seconds=1.5)
    trace = Trace(problem, "direct", calls=(Call("student", MODEL, messages, DRAWN, reply),), solution=reply.text)
    grade = Grade("right", str(number + 1), "equal numbers", GRADER)
    return StoredCall(key, MODEL, "", messages, DRAWN, 0, reply, run), StoredTrace(number, trace, (key,)), grade


def put(run: Run, rows: Sequence[tuple[StoredCall, StoredTrace, Grade]]) -> None:
    with run.store.writing():
        run.store.put_calls([call for call, _, _ in rows])
        run.put_traces([trace for _, trace, _ in rows])
        run.put_grades((trace.ordinal, 0, grade) for _, trace, grade in rows)


def write(path: Path, shard: Shard, count: int) -> None:
    """Write the store of a shard."""
    with Store(path) as store:
        run = store.open_run(settings(count))
        run.grader, rows, problems = GRADER, [], 0
        for number in range(count):
            one = solved(number, run.id)
            if shard.holds(one[1].trace.problem):
                rows.append(one)
                problems += 1
            if len(rows) == PAGE:
                put(run, rows)
                rows = []
        put(run, rows)
        put_shard(run, shard, problems)


def command(sources: Sequence[Path], into: Path) -> list[str]:
    return [sys.executable, "-m", "stepdown", "store", "merge", *map(str, sources), "--into", str(into), "--json"]


def timed(sources: Sequence[Path], into: Path) -> tuple[float, float, float]:
    """Merge in a process of its own; return its seconds, those of CPU, and its peak of memory in MB."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command(sources, into), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    # The memory is of all children so far, of which this is the largest.
    return seconds, cpu, used.ru_maxrss / 1024


def rows_of(path: Path) -> dict[str, int]:
    return maintenance.summarize_store(path).rows


def kill_once(sources: Sequence[Path], into: Path, moment: float, whole: dict[str, int]) -> bool:
    """Kill a merge after some seconds, see that nothing half is left, and tell whether it was killed in time."""
    before = rows_of(into) if into.exists() else None
    child = os.fork()  # a process of its own that has nothing to import first
    if not child:
        try:
            merging.merge(sources, into)
        finally:
            os._exit(0)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    left = rows_of(into) if into.exists() else None
    assert left in (before, whole), f"half a store is left: {left}"
    assert left is None or maintenance.check(into).sound, "what is left is damaged"
    return os.WIFSIGNALED(status) and left == before


def kill_many(folder: Path, kills: int, count: int) -> int:
    """Kill merges of small stores, into a new store and into one that is there; return how many were killed in time."""
    sources = [folder / f"small{number}.sqlite" for number in range(1, SHARDS + 1)]
    for number, path in enumerate(sources, 1):
        write(path, Shard(number, SHARDS), count)
    began = time.monotonic()
    merging.merge(sources, folder / "whole.sqlite")
    seconds, whole, killed = time.monotonic() - began, rows_of(folder / "whole.sqlite"), 0
    for number in range(kills):
        into = folder / f"into{number % 2}.sqlite"
        into.unlink(missing_ok=True)
        if number % 2:
            shutil.copyfile(sources[0], into)
        killed += kill_once(sources, into, random.uniform(0.02, 1.0) * seconds, whole)
        merging.merge(sources, into)
        assert rows_of(into) == whole, "the next merge makes it whole"
    hidden = [name for name in os.listdir(folder) if name.startswith(".")]
    assert not hidden, f"left over: {hidden}"
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=60_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="fewer calls and kills")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    calls, kills = (15_000, 6) if options.quick else (options.calls, options.kills)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        killed = kill_many(folder, kills, 3_000)
        sources = [folder / f"shard{number}.sqlite" for number in range(1, SHARDS + 1)]
        for number, path in enumerate(sources, 1):
            write(path, Shard(number, SHARDS), calls)
        first, cpu, memory = timed(sources, folder / "all.sqlite")
        again, _, _ = timed(sources, folder / "all.sqlite")
        assert rows_of(folder / "all.sqlite")["calls"] == calls
    million = cpu / calls * 1_000_000
    row = {
        "benchmark": "merging", "calls": calls, "seconds": round(first, 1), "cpu_seconds": round(cpu, 1),
        "cpu_seconds_per_million": round(million), "again_seconds": round(again, 1), "memory_mb": round(memory),
        "kills": kills, "killed_in_time": killed, "half_stores": 0,
        "met": million <= MOST_SECONDS and memory <= MOST_MB,
    }  # fmt: skip
    print_row(row, as_json=options.json)
    if not options.json:
        print(f"{'met' if row['met'] else 'MISSED'}: a million calls in {MOST_SECONDS:.0f} s of CPU, {MOST_MB:.0f} MB")
        print(f"met: no half store in {kills} kills")


if __name__ == "__main__":
    main()
