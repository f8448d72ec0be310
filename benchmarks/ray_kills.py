"""Workers, nodes and drivers of a Ray cluster killed in mid-run: what is lost, and what is asked again.

python benchmarks/ray_kills.py [--kills 2] [--kind worker node driver] [--student NAME] [--kept FILE] [--quick] [--json]

Three nodes on this machine hold a student of random weights, or a model by its name. Each kill has a run of its own, at
a moment of its own: the process of the worker that has most to do; the node that has, which is started again; the
process of `stepdown run`, after which the same command is given again. Bars, for every kill: what was stored stays,
word for word; every problem has its answer, which is that of a run without kills; a worker's or a node's death repeats
no more prompts than it can hold; a driver's repeats what was in flight, which the store has booked, and leaves no
actor. `--kept` appends each kill to a file as it is done, and goes on with what is there. The bar wants --kills 20.
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
from random import Random

from rows import print_row

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

KINDS, NODES = ("worker", "node", "driver"), ("first", "second", "third")
LOOK, WAIT, TOKENS, PROBLEMS = 0.01, 180.0, 32, 300
Row = dict[str, object]


class Setting:
    """The folder with problems, a student and the texts it answers without kills; the cluster, and the model on it."""

    def __init__(self, folder: Path, cluster: LoopbackCluster, student: str) -> None:
        self.folder, self.cluster, self.problems = folder, cluster, folder / "sums.jsonl"
        self.student = student or str(small_student(folder / "student"))
        # All of one length: where a batch is padded, roundings decide between words of equal chance.
        rows = [
            {"question": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(100_000, 100_000 + PROBLEMS)
        ]
        self.problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.expected = self.texts(load_model(self.student), folder / "plain.sqlite")
        self._model: ClusterModel | None = None

    @property
    def model(self) -> ClusterModel:
        if self._model is None:
            found = load_model(self.student, on="ray")
            assert isinstance(found, ClusterModel)
            self._model = found
        return self._model

    def texts(self, model: Model, path: Path) -> dict[str, str]:
        task = Task(
            problems=load_problems(str(self.problems)),
            method=load_method("direct"),
            student=model,
            grader=load_grader("default"),
            prompts=load_prompts("student"),
            sampling=Sampling(max_tokens=TOKENS),
        )
        with Store(path) as store:
            return solutions(asyncio.run(run_task(task, store)).run)

    def close(self) -> None:
        if self._model is not None:
            asyncio.run(self._model.close())
            self._model = None


class Running(threading.Thread):
    """A run in a thread of its own: only a main thread may start nodes."""

    def __init__(self, here: Setting, path: Path) -> None:
        super().__init__(daemon=True)
        self._here, self._path = here, path
        self.solutions: dict[str, str] = {}

    def run(self) -> None:
        self.solutions = self._here.texts(self._here.model, self._path)


def solutions(run: Run) -> dict[str, str]:
    """Return the solutions of a run, by problem."""
    return {trace.problem.id: trace.solution for trace in run.traces() if trace.solution is not None}


def calls(path: Path, *, left: bool = False) -> dict[bytes, bytes]:
    """Return the stored replies, whole, by key; none of a store that is being made.

    What was in flight when a driver died is stored by the next one as calls that gave no reply, without a source: those
    are what is `left`.
    """
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return dict(store.execute(f"select key, reply from calls where (source = '') = {left:d}").fetchall())
    return {}


def wait(happened: Callable[[], bool], what: str) -> float:
    """Return after how many seconds it happened."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() < began + WAIT, f"never came: {what}"
        time.sleep(LOOK)
    return round(time.monotonic() - began, 2)


def kill_worker(here: Setting, worker: int) -> None:
    os.kill(worker, signal.SIGKILL)


def kill_node(here: Setting, worker: int) -> None:
    """Kill the node of a worker with all its processes, and start another."""
    name = here.model.nodes[worker]
    here.cluster.remove(name)
    here.cluster.add(f"{name.split('+')[0]}+{time.monotonic_ns()}")


def busiest(here: Setting, kind: str) -> int:
    """Return the process of the worker that has most to do; the head is no node to kill."""
    there = {one: flying for one, flying in here.model.in_flight.items() if flying}
    if kind == "node":
        nodes = here.model.nodes
        there = {one: flying for one, flying in there.items() if nodes.get(one, NODES[0]) != NODES[0]}
    return max(there, key=lambda one: there[one], default=0)


def held(here: Setting, kind: str, number: int) -> Row:
    """Run all problems on the cluster, and kill a worker or its node when so many replies are stored."""
    moment, path = Random(f"{kind} {number}").randrange(8, PROBLEMS * 2 // 3), here.folder / f"{kind}{number}.sqlite"
    asyncio.run(here.model.prepare())
    wait(lambda: len(here.model.in_flight) == len(NODES), "three workers")
    repeated, most = here.model.repeated, 2 * here.model.width // len(NODES)
    running = Running(here, path)
    running.start()
    wait(lambda: not running.is_alive() or (len(calls(path)) >= moment and busiest(here, kind) > 0), "the moment")
    worker = busiest(here, kind)
    flying, kept = here.model.in_flight[worker], calls(path)
    (kill_node if kind == "node" else kill_worker)(here, worker)
    running.join()
    return {
        "in_flight": flying, "may_repeat": most, "asked_again": here.model.repeated - repeated,
        "answered": len(running.solutions), **compared(here, kept, path, running.solutions),
    }  # fmt: skip


def driven(here: Setting, kind: str, number: int) -> Row:
    """Kill `stepdown run` when so many replies are stored, and give the same command again."""
    moment, path = Random(f"{kind} {number}").randrange(8, PROBLEMS * 2 // 3), here.folder / f"{kind}{number}.sqlite"
    command = [sys.executable, "-m", "stepdown", "run", str(here.problems), "--method", "direct"]
    command += ["--student", here.student, "--max-tokens", str(TOKENS), "--on", "ray", "--json"]
    command += ["--store", str(path)]
    here.close()
    wait(lambda: not here.cluster.actors(), "no actor of others")
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: first.poll() is not None or len(calls(path)) >= moment, "the moment")
    actors = here.cluster.actors()
    first.kill()
    first.wait()
    kept = calls(path)
    assert actors and len(kept) < PROBLEMS, "it was in mid-run"
    gone = wait(
        lambda: not here.cluster.actors().keys() & actors.keys() and not any(map(alive, actors.values())), "end"
    )
    ended = subprocess.run(command, capture_output=True, text=True)
    [found] = map(json.loads, ended.stdout.splitlines())
    with Store(path, reading=True) as store:
        texts = solutions(store.run(found["run"]))
    flying = len(calls(path, left=True))
    return {
        "in_flight": flying, "may_repeat": flying, "asked_again": found["calls"] - (PROBLEMS - len(kept) - flying),
        "answered": len(texts), "actors": len(actors), "actors_gone_s": gone, **compared(here, kept, path, texts),
    }  # fmt: skip


def alive(process: int) -> bool:
    """Whether a process is there, and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def compared(here: Setting, kept: dict[bytes, bytes], path: Path, texts: dict[str, str]) -> Row:
    """Return how many replies were stored at the kill and are lost now, and whether the texts are as they must be."""
    lost = len(kept.items() - calls(path).items())
    return {"stored": len(kept), "lost": lost, "same": texts == here.expected}


def faults_of(row: Row) -> list[str]:
    """Return what of one kill is not as it must be."""
    wrong = [] if row["lost"] == 0 else [f"{row['lost']} stored replies lost"]
    if row["answered"] != PROBLEMS:
        wrong.append(f"{row['answered']} of {PROBLEMS} answered")
    if not row["same"]:
        wrong.append("other texts")
    again, most = int(str(row["asked_again"])), int(str(row["may_repeat"]))
    if again > most:
        wrong.append(f"{again} asked again of {most}")
    return wrong


def summary(kind: str, rows: list[Row]) -> Row:
    def total(name: str) -> int:
        return sum(int(str(row[name])) for row in rows)

    wrong = {f"{kind} {row['number']}": faults_of(row) for row in rows if faults_of(row)}
    return {
        "benchmark": f"ray-{kind}-killed", "kills": len(rows), "problems": PROBLEMS * len(rows),
        "answered": total("answered"), "stored_at_kill": total("stored"), "lost": total("lost"),
        "in_flight": total("in_flight"), "asked_again": total("asked_again"), "may_repeat": total("may_repeat"),
        "same": sum(bool(row["same"]) for row in rows), "met": not wrong, "wrong": wrong,
        "seconds": round(sum(float(str(row["seconds"])) for row in rows)),
    }  # fmt: skip


def measure(kinds: list[str], kills: int, student: str, rows: list[Row]) -> Iterator[Row]:
    """Yield a row for each kill that is not among the rows yet."""
    missing = {
        kind: set(range(kills)) - {int(str(row["number"])) for row in rows if row["kind"] == kind} for kind in kinds
    }
    if not any(missing.values()):
        return
    with tempfile.TemporaryDirectory() as name:
        if not student:
            os.environ["STEPDOWN_CACHE"] = f"{name}/cache"
        with loopback_cluster(*NODES) as cluster:
            here = Setting(Path(name), cluster, student)
            try:
                for kind in kinds:
                    for number in sorted(missing[kind]):
                        began = time.monotonic()
                        row = (driven if kind == "driver" else held)(here, kind, number)
                        seconds = round(time.monotonic() - began, 1)
                        yield {"kind": kind, "number": number, **row, "seconds": seconds}
            finally:
                here.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--student", default="")
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    lines = chosen.kept.read_text().splitlines() if chosen.kept and chosen.kept.exists() else []
    rows: list[Row] = list(map(json.loads, lines))
    for row in measure(list(chosen.kind), 1 if chosen.quick else chosen.kills, chosen.student, rows):
        rows.append(row)
        print(json.dumps(row), "; ".join(faults_of(row)), file=sys.stderr, flush=True)
        if chosen.kept:
            with chosen.kept.open("a") as kept:
                kept.write(json.dumps(row) + "\n")
    found = [summary(kind, [row for row in rows if row["kind"] == kind]) for kind in chosen.kind]
    for row in found:
        print_row(row, as_json=chosen.json)
    met = sum(bool(row["met"]) for row in found)
    print(f"bars: {met} of {len(found)} kinds met", file=sys.stderr if chosen.json else sys.stdout)


if __name__ == "__main__":
    main()
