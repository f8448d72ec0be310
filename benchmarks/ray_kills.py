"""Workers, nodes and drivers of a Ray cluster killed in mid-run: what is lost, and what is asked again.

python benchmarks/ray_kills.py [--kills 2] [--quick] [--json]     the bar's own size: --kills 20

Three nodes on this machine hold a student of random weights. Per kind, so many kills: a worker's process, and a node,
each while a run goes on (bars: every problem has its answer, the texts are those of a run without kills, and no more
prompts were sent again than were in flight at the kills); and the process of `stepdown run` itself, which is then
started again until it ends (bars: what was stored is still there, word for word, and was not sent again).
"""

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "support"))

from loopback_cluster import LoopbackCluster, loopback_cluster  # noqa: E402
from small_students import small_student  # noqa: E402
from stepdown.graders import load_grader  # noqa: E402
from stepdown.methods import load_method  # noqa: E402
from stepdown.models import load_model  # noqa: E402
from stepdown.models.cluster import ClusterModel  # noqa: E402
from stepdown.problems import load_problems  # noqa: E402
from stepdown.prompts import load_prompts  # noqa: E402
from stepdown.runner import Task, run_task  # noqa: E402
from stepdown.store import Run, Store  # noqa: E402
from stepdown.types import Model, Sampling  # noqa: E402

NODES, LOOK, WAIT, TOKENS, BATCH = ("first", "second", "third"), 0.05, 120.0, 32, 300
Texts = dict[str, str]
Calls = dict[bytes, bytes]
Row = dict[str, object]


def task(model: Model, folder: Path, problems: int) -> Task:
    return Task(
        problems=load_problems(str(folder / "sums.jsonl"), limit=problems),
        method=load_method("direct"),
        student=model,
        grader=load_grader("default"),
        prompts=load_prompts("student"),
        sampling=Sampling(max_tokens=TOKENS),
    )


def calls(path: Path) -> Calls:
    """Return the stored replies, whole, by key; none of a store that is being made.

    What was in flight when a driver died is stored too, by the next one, without a source: as calls that gave no reply.
    """
    with closing(sqlite3.connect(path)) as store, suppress(sqlite3.OperationalError):
        return dict(store.execute("select key, reply from calls where source != ''").fetchall())
    return {}


def solutions(run: Run) -> Texts:
    """Return the solutions of a run, by problem."""
    return {trace.problem.id: trace.solution for trace in run.traces() if trace.solution is not None}


def run_with(model: Model, folder: Path, name: str, problems: int) -> Texts:
    """Run, and return the solutions; what the store has from a run of fewer problems is not asked again."""
    with Store(folder / name) as store:
        return solutions(asyncio.run(run_task(task(model, folder, problems), store)).run)


class Running(threading.Thread):
    """A run in a thread of its own: only a main thread may start nodes."""

    def __init__(self, model: ClusterModel, folder: Path, name: str, problems: int) -> None:
        super().__init__(daemon=True)
        self._arguments = (model, folder, name, problems)
        self.solutions: Texts = {}

    def run(self) -> None:
        self.solutions = run_with(*self._arguments)


def kill_worker(model: ClusterModel) -> int:
    process, flying = max(model.in_flight.items(), key=lambda one: one[1])
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    return flying


def node_killer(cluster: LoopbackCluster) -> Callable[[ClusterModel], int]:
    """Return what kills the oldest node but the first, whoever works there, and starts another."""

    def kill(model: ClusterModel) -> int:
        # It may be given more until it is dead: at most twice what its engine takes at once.
        flying = 2 * model.width // len(model.in_flight)
        oldest = next(iter(cluster.nodes))
        cluster.remove(oldest)
        cluster.add(f"{oldest}-again")
        return flying

    return kill


def killed(kind: str, model: ClusterModel, kill: Callable[[ClusterModel], int], folder: Path, kills: int) -> Row:
    """Run batch after batch of new problems until there were so many kills."""
    done, count, before, flying, began = 0, 0, model.repeated, 0, time.monotonic()
    while done < kills:
        count += BATCH
        running = Running(model, folder, f"{kind}.sqlite", count)
        running.start()
        while running.is_alive():
            time.sleep(LOOK)
            if done < kills and len(model.in_flight) == len(NODES) and max(model.in_flight.values()):
                flying += kill(model)
                done += 1
        found = running.solutions
    return {
        "benchmark": f"ray-{kind}-killed", "kills": done, "problems": count, "answered": len(found),
        "asked_again": model.repeated - before, "in_flight": flying,
        "same": found == plain(folder, count), "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def plain(folder: Path, problems: int) -> Texts:
    """Return the solutions of a run of the same problems in this process."""
    return run_with(load_model(str(folder / "student")), folder, "plain.sqlite", problems)


def drivers_killed(folder: Path, kills: int) -> Row:
    """Kill `stepdown run` each time it has stored something more, then let it end."""
    path, problems = folder / "driver.sqlite", BATCH * (kills + 1)
    command = [sys.executable, "-m", "stepdown", "run", str(folder / "sums.jsonl"), "-n", str(problems)]
    command += ["--method", "direct", "--student", str(folder / "student"), "--max-tokens", str(TOKENS)]
    command += ["--on", "ray", "--json", "--store", str(path)]
    began, done, lost = time.monotonic(), 0, 0
    while done < kills:
        before = calls(path)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + WAIT
        while process.poll() is None and len(calls(path)) < len(before) + 8 and time.monotonic() < deadline:
            time.sleep(LOOK)
        process.kill()
        process.communicate()
        done += 1
        lost += not before.items() <= calls(path).items()
    stored = calls(path)
    ended = subprocess.run(command, capture_output=True, text=True)
    [found] = map(json.loads, ended.stdout.splitlines())
    with Store(path, reading=True) as store:
        texts = solutions(store.run(found["run"]))
    return {
        "benchmark": "ray-driver-killed", "kills": done, "problems": problems, "stored_before_last": len(stored),
        "lost": lost + (not stored.items() <= calls(path).items()), "sent_by_last": found["calls"],
        "in_all": len(calls(path)), "same": texts == plain(folder, problems),
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def verdicts(row: Row) -> Iterator[tuple[str, bool]]:
    """Yield the bars of a row and whether they are met."""
    kind, kills = str(row["benchmark"]).split("-")[1], row["kills"]
    if kind == "driver":
        sent, rest = int(str(row["sent_by_last"])), int(str(row["in_all"])) - int(str(row["stored_before_last"]))
        yield f"{kills} drivers killed: {row['lost']} answers lost, bar 0", row["lost"] == 0
        yield f"{sent} calls sent by the last driver for the {rest} that were not stored, bar equal", sent == rest
    else:
        lost = int(str(row["problems"])) - int(str(row["answered"]))
        again, flying = int(str(row["asked_again"])), int(str(row["in_flight"]))
        yield f"{kills} {kind}s killed: {lost} of {row['problems']} problems without an answer, bar 0", lost == 0
        yield f"{again} prompts asked again, bar at most the {flying} in flight at the kills", again <= flying
    yield "texts as without kills", bool(row["same"])


def measure(folder: Path, kills: int) -> Iterator[Row]:
    # All of one length: where a batch is padded, roundings decide between words of equal chance.
    rows = [{"question": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(100_000, 120_000)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (small_student(folder / "student") / "model.gguf").unlink()
    with loopback_cluster(*NODES) as cluster:
        yield drivers_killed(folder, kills)
        model = load_model(str(folder / "student"), on="ray")
        assert isinstance(model, ClusterModel)
        yield killed("worker", model, kill_worker, folder, kills)
        yield killed("node", model, node_killer(cluster), folder, kills)
        asyncio.run(model.close())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for row in measure(Path(name), 1 if chosen.quick else chosen.kills):
            print(json.dumps(row) if chosen.json else "  ".join(f"{key}={value}" for key, value in row.items()))
            for text, met in verdicts(row):
                print(f"{'met' if met else 'MISSED'}: {text}", file=sys.stderr if chosen.json else sys.stdout)


if __name__ == "__main__":
    main()
