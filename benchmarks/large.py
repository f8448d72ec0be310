"""How long the commands and pages that look at whole runs take over a store of a million traces, five runs of 200,000.

python benchmarks/large.py [--full] [--traces N] [--store FILE] [--json]

By default five runs of 20,000 traces, over which each bar is what an empty store takes (measured here, and a tenth of
it for noise) and a tenth of the rest; `--full` makes the million (minutes, and 1.4 GB in a temporary folder), over
which the bars are issue 11's.
With `--store` the store is kept and found again. Whole processes are timed, as a person waits for them, wall and
processor: a busy neighbour lengthens the first. The bars are for a quiet machine.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from compiled import compiled
from pages import serving

from stepdown.audits import keep_audits
from stepdown.store import Run, Store, StoredCall, StoredTrace, call_key
from stepdown.types import GREEDY, Call, Grade, Message, Plan, Problem, Reply, Role, Settings, Trace, Usage, Verdict

SEED = 11
PART = 2_000
FULL, QUICK = 200_000, 20_000  # traces of a run
TEACHER = "openai/gpt-4o"
# Method and student of each run: the first of a student is what its others are compared with.
RUNS = (
    ("direct", "openai/gpt-4o-mini"),
    ("chain-of-thought", "openai/gpt-4o-mini"),
    ("trace-of-thought", "openai/gpt-4o-mini"),
    ("trace-of-thought", "ollama/small"),
    ("trace-of-thought", "ollama/tiny"),
)
# Seconds over the whole million, as issue 11 has them, and what was measured before there were summaries.
BARS = {
    "runs": (0.3, 2.1), "report of one": (1.5, 6.5), "report of five": (5.0, 27.0), "compare of two": (2.0, 21.0),
    "html of five": (6.0, 28.0), "audit of one": (4.0, 85.0),
}  # fmt: skip
STREAM_MB = 60
STREAM = """
import sys
from stepdown.store import Store
with Store(sys.argv[1], reading=True) as store:
    assert sum(1 for _ in store.run(sys.argv[2]).graded())
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
STORY = "Natalia, number {n}, sold clips to {m} friends in April and half as many in May. She likes it. "


def problem(number: int) -> Problem:
    return Problem(f"sums/test/{number}", STORY.format(n=number, m=number % 97) + "How many are it?", str(number))


def call(role: Role, model: str, asked: str, text: str, chance: random.Random) -> Call:
    usage = Usage(chance.randint(120, 260), chance.randint(20, 400))
    reply = Reply(text, model, usage, "stop" if chance.random() > 0.01 else "length", round(chance.uniform(0.1, 9), 6))
    return Call(role, model, (Message("user", asked),), GREEDY, reply)


def trace(number: int, method: str, student: str) -> tuple[Trace, Grade]:
    """Return a trace of one or two calls with its grade, the same for the same numbers."""
    # A teacher's plan does not depend on who follows it.
    planning, chance = random.Random(f"{SEED} {number}"), random.Random(f"{SEED} {number} {method} {student}")
    one, calls, plan = problem(number), [], None
    if method == "trace-of-thought":
        steps = [f"{step}. Take part {step} of what is sold." for step in range(1, planning.randint(2, 6))]
        text = "\n".join([*steps, f"The sum is {number}." if planning.random() < 0.05 else "Write the sum down."])
        plan = Plan(text, TEACHER) if chance.random() > 0.002 else Plan(text, "ada", text, "clearer")
        calls.append(call("teacher", TEACHER, f"Plan: {one.question}", text, planning))
    right = chance.random() < 0.4 + 0.05 * RUNS.index((method, student))
    solution = f"Half of {number % 97} is {number % 97 / 2}. " * 3 + f"\nAnswer: {number if right else number + 1}"
    calls.append(call("student", student, f"{method}: {one.question}", solution, chance))
    error = "the endpoint said no" if chance.random() < 0.001 else None
    verdict: Verdict = "ungraded" if error else "right" if right else "wrong"
    found = str(number if right else number + 1)
    return Trace(one, method, plan, tuple(calls), None if error else solution, error), Grade(
        verdict, found, "the numbers are equal" if right else "the numbers differ", "default@2"
    )


def fill(run: Run, count: int) -> None:
    """Keep traces, calls and grades in parts, by what a run itself writes them with."""
    settings = run.settings
    for start in range(0, count, PART):
        graded, paid = [], []
        for number in range(start, min(count, start + PART)):
            one, grade = trace(number, settings.method, settings.student)
            keys = tuple(call_key(c.model, "bench", c.messages, c.sampling, 0) for c in one.calls)
            pairs = zip(keys, one.calls, strict=True)
            paid += [StoredCall(key, c.model, "bench", c.messages, c.sampling, 0, c.reply, run.id) for key, c in pairs]
            graded.append((StoredTrace(number, one, keys), grade))
        with run.store.writing():
            run.store.put_calls(paid)
            run.put_graded(graded)
    run.grader = "default@2"


def make(path: Path, count: int) -> list[str]:
    """Make the store if it is not there, and return its runs' ids."""
    with Store(path) as store:
        for method, student in RUNS:
            teacher = TEACHER if method == "trace-of-thought" else ""
            run = store.open_run(
                Settings(dataset="sums/test", problems="p", count=count, method=method, student=student,
                         teacher=teacher, plans="teacher" if teacher else "")
            )  # fmt: skip
            if len(run) < count:
                fill(run, count)
        return [run.id for run in store.runs()]


def find(path: Path, runs: list[str]) -> dict[str, object]:
    """Find what audits of the runs will say, as `stepdown run` does at its end; nothing is left to do the next time."""
    told: list[tuple[int, int]] = []
    start, before = time.perf_counter(), processor_seconds()
    keep_audits(path, runs, progress=lambda *figures: told.append(figures))
    traces, used = sum(total for _, total in told[-1:]), processor_seconds() - before
    return {
        "bench": "large", "what": "findings of all", "traces": traces, "s": round(time.perf_counter() - start, 2),
        "cpu_s": round(used, 2), "us_per_trace": round(1e6 * used / traces) if traces else None,
    }  # fmt: skip


def processor_seconds() -> float:
    """Return the seconds of processor that this process and those it began have used."""
    return sum(
        one.ru_utime + one.ru_stime for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def timed(*arguments: str, environment: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Run Python on some arguments and return its seconds, those of the processor, and what it printed."""
    start = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used, done.stdout


def commands(path: Path, runs: list[str], folder: Path) -> dict[str, list[str]]:
    """Return the command behind each figure."""
    store = ["--store", str(path)]
    return {
        "runs": ["runs", *store],
        "report of one": ["report", runs[2], *store],
        "report of five": ["report", *store],
        "html of five": ["report", "--html", str(folder / "page.html"), *store],
        "audit of one": ["audit", runs[2], *store],
    }


def compare(path: Path, runs: list[str]) -> tuple[float, float]:
    """Return the seconds of the first look at two runs side by side, of a server that just began."""
    with serving(path) as base:
        urllib.request.urlopen(f"{base}/static/app.css").read()
        start, used = time.perf_counter(), time.process_time()
        page = urllib.request.urlopen(f"{base}/compare?run={runs[0]}&run={runs[1]}").read()
        assert b"won" in page, "the page says what turned"
        return time.perf_counter() - start, time.process_time() - used


def measure(path: Path, runs: list[str], folder: Path) -> dict[str, tuple[float, float]]:
    """Return wall and processor seconds by what was asked."""
    asked = {name: ["-m", "stepdown", *command] for name, command in commands(path, runs, folder).items()}
    empty = folder / "compiling.sqlite"
    with compiled(
        *(["-m", "stepdown", *one] for one in commands(empty, make(empty, 2), folder).values())
    ) as environment:
        found = {name: timed(*command, environment=environment)[:2] for name, command in asked.items()}
    return found | {"compare of two": compare(path, runs)}


def rows(path: Path, runs: list[str], traces: int, folder: Path) -> list[dict[str, object]]:
    """Return a row for each bar."""
    empty = folder / "empty.sqlite"
    bare = measure(empty, make(empty, 2), folder)
    share, found = traces / FULL, []
    for name, (wall, used) in measure(path, runs, folder).items():
        bar, before = BARS[name]
        allowed = bar if share >= 1 else 1.1 * bare[name][0] + share * max(0.0, bar - bare[name][1])
        found.append(
            {"bench": "large", "what": name, "traces": 5 * traces, "s": round(wall, 2), "cpu_s": round(used, 2),
             "bar_s": round(allowed, 2), "before_s": before if share >= 1 else None, "met": wall <= allowed}
        )  # fmt: skip
    wall, used, peak = timed("-c", STREAM, str(path), runs[2])
    stream = {"bench": "large", "what": "stream of one", "traces": traces, "s": round(wall, 2), "cpu_s": round(used, 2)}
    memory = int(peak) / 1024
    return [*found, stream | {"mb": round(memory, 1), "bar_mb": STREAM_MB, "met": memory <= STREAM_MB}]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--traces", type=int, default=0)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    traces = options.traces or (FULL if options.full else QUICK)
    with tempfile.TemporaryDirectory() as folder:
        path = options.store or Path(folder, "large.sqlite")
        start = time.perf_counter()
        runs = make(path, traces)
        if not options.json:
            print(f"{5 * traces:,} traces, {path.stat().st_size / 1e6:,.0f} MB, {time.perf_counter() - start:.0f} s")
        for row in (find(path, runs), *rows(path, runs, traces, Path(folder))):
            print(json.dumps(row) if options.json else told(row), flush=True)


def told(row: dict[str, object]) -> str:
    """Return a row as a person reads it."""
    if "met" not in row:
        return f"{'':<7}{row['what']:<16} {row['s']:>6} s (cpu {row['cpu_s']:>5}), {row['us_per_trace']} us a trace"
    bar = f"{row['mb']} MB of {row['bar_mb']}" if "mb" in row else f"bar {row['bar_s']:>5} s"
    before = f", before {row['before_s']} s" if row.get("before_s") else ""
    kept = "met" if row["met"] else "MISSED"
    return f"{kept:<7}{row['what']:<16} {row['s']:>6} s (cpu {row['cpu_s']:>5}), {bar}{before}"


if __name__ == "__main__":
    main()
