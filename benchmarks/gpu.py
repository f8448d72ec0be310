"""What a graphics card gives, in twelve minutes: each part in a process of its own, within its share of the time.

python benchmarks/gpu.py [--device cuda|cpu] [--minutes 12] [--part NAME ...] [--together] [--work FOLDER] [--list]

Lines of JSON: what a part found, with a `bar` and whether it was `met` where there is one, and a line with its seconds
once it ends. A part that runs past its share is ended, and the next one begins; `scotd`, the last one, goes on at the
next call from what it had. `--device cpu` runs every line at toy size, where no speed is judged. `--together`: all
parts in one process, which loads the libraries once. Without a card it says so and ends with 2; with 1 where a part
failed, and at toy size, which CI runs, also where one did not come to its end or missed a bar.
"""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from stepdown.models.weights.folder_identity import device

HERE = Path(__file__).parent
WORK = HERE.parent / "build" / "gpu"
Row = dict[str, Any]
# Seconds of 720 that a part may take; what is not named here has `SHARE`. The last one has what is left.
SHARES = {"versions": 10, "checks": 30, "attention": 30, "speed": 120, "serving": 75, "faults": 40, "dtypes": 30}
SHARE = 45
# A part is asked to end, then killed.
GRACE = 5.0
# Loading the libraries takes no part's time, and at most so many seconds.
LOADING = 120.0
READY = "ready"


def parts() -> dict[str, Callable[[bool], Iterator[Row]]]:
    """Return the parts in their order; each yields rows, and takes whether to run at toy size."""
    import gpu_serving

    training = dict(import_module("gpu_training").PARTS) if find_spec("gpu_training") else {}
    last = {name: training.pop(name) for name in ("scotd",) if name in training}
    return {"versions": gpu_serving.versions, **training, **gpu_serving.PARTS, **last}


class Child:
    """A process that has loaded the libraries and runs the part that it is told; what it prints comes in `lines`."""

    def __init__(self, *, toy: bool, work: Path) -> None:
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if toy else {}
        # Parts leave what they go on from in the folder that they work in.
        found = [str(Path(one).resolve()) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child", *(["--device", "cpu"] if toy else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
            cwd=work,
            env={**os.environ, **hidden, "GPU_WORK": str(work.resolve()), "PYTHONPATH": os.pathsep.join(found)},
        )
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.is_ready = False

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def next_line(self, until: float) -> str | None:
        """Return the next line, None where the process has ended; raises `TimeoutError`."""
        try:
            return self.lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None

    def run(self, name: str, seconds: float) -> Iterator[Row]:
        """Yield a part's rows, and at last how it ended."""
        assert self.process.stdin is not None
        if not self.is_ready:
            self.next_line(time.monotonic() + LOADING)
            self.is_ready = True
        began = time.monotonic()
        try:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
            while (line := self.next_line(began + seconds)) is not None and line.strip() != READY:
                if line.startswith("{"):
                    yield {"part": name, **json.loads(line)}
            ended = "whole" if line is not None else f"failed: {self.last_words()}"
        except BrokenPipeError:
            ended = f"failed: {self.last_words()}"
        except TimeoutError:
            ended = f"past its share of {seconds:.0f} s"
            self.end()
        yield {"part": name, "ended": ended, "seconds": round(time.monotonic() - began, 1)}

    def last_words(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"exit {code}: " + " / ".join(lines[-3:])[-600:]

    def end(self) -> None:
        """End the process and all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(GRACE)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.errors.close()


def work_through(names: list[str], options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of all parts; the last one may take all that is left of the time."""
    toy, until = options.device == "cpu", time.monotonic() + options.minutes * 60
    children = deque[Child]()
    own = getattr(import_module("gpu_training"), "SHARES", {}) if find_spec("gpu_training") else {}
    seconds = SHARES | own
    # A busy CPU takes longer for its toys than a card for the whole.
    scale = options.minutes / 12 * (5 if toy else 1)
    try:
        for name in names:
            left = until - time.monotonic()
            if left < GRACE:
                yield {"part": name, "ended": "not begun: the time is over", "seconds": 0.0}
                continue
            # The next process loads its libraries, on another core and without the card, while this one works.
            while len(children) < (1 if options.together or name == names[-1] else 2):
                children.append(Child(toy=toy, work=options.work))
            child = children[0]
            share = left if name == names[-1] else min(left, seconds.get(name, SHARE) * scale)
            whole = False
            for row in child.run(name, share):
                whole = row.get("ended") == "whole"
                # At toy size no speed is judged.
                yield row | {"met": None} if toy and name == "trl" and "met" in row else row
            if not (whole and options.together):
                children.popleft().end()
    finally:
        for child in children:
            child.end()


def be_child(*, toy: bool) -> None:
    """Load the libraries, then run the parts that come on stdin."""
    known = parts()
    import gpu_serving

    gpu_serving.load_libraries()
    print(READY, flush=True)
    for line in sys.stdin:
        for row in known[line.strip()](toy):
            print(json.dumps(row), flush=True)
        print(READY, flush=True)


def rates(rows: list[Row]) -> Iterator[Row]:
    """Yield the bars of training's speed on a card, as far as the rows tell."""
    lora = [row["tokens_per_second"] for row in rows if row.get("model") == "135m" and row.get("full") is False]
    if lora:
        yield {"part": "speed", "found": max(lora), "bar": "LoRA at 135M: >= 100,000 tokens/s", "met": max(lora) >= 1e5}
    sides = {row["side"]: row["tokens_per_second"] for row in rows if row["part"] == "trl" and "side" in row}
    if {"ours", "trl-packed"} <= set(sides):
        times = round(sides["ours"] / sides["trl-packed"], 2)
        yield {"part": "trl", "found": times, "bar": ">= 2 x TRL packed", "met": times >= 2}


def summary(rows: list[Row]) -> Row:
    """Return how the bars stand, and what did not come to its end."""
    judged = [row for row in rows if row.get("met") is not None]
    missed = [f"{row['part']}: {row['bar']}" for row in judged if not row["met"]]
    broken = [f"{row['part']}: {row['ended']}" for row in rows if row.get("ended", "whole") != "whole"]
    return {"bars": len(judged), "met": len(judged) - len(missed), "missed": missed, "not_whole": broken}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--part", action="append", default=[], help="this part alone; may be given several times")
    parser.add_argument("--together", action="store_true", help="all parts in one process")
    parser.add_argument("--work", type=Path, default=WORK, help="where parts keep what they go on from")
    parser.add_argument("--list", action="store_true", help="print the names of all parts")
    parser.add_argument("--json", action="store_true", help="as it always is: one object per line")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        be_child(toy=options.device == "cpu")
        return 0
    if options.list:
        print("\n".join(parts()))
        return 0
    if options.device == "cuda" and not device():
        print("no GPU: no graphics card that torch can use is here; `--device cpu` runs every line at toy size",
              file=sys.stderr)  # fmt: skip
        return 2
    if unknown := set(options.part) - set(parts()):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(parts())}")
    options.work.mkdir(parents=True, exist_ok=True)
    rows = list[Row]()
    with (options.work / "results.jsonl").open("a") as kept:
        worked = work_through(options.part or list(parts()), options)
        # At toy size no speed is judged.
        for row in chain(worked, rates(rows) if options.device == "cuda" else ()):
            rows.append(row)
            kept.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    found = summary(rows)
    print(json.dumps(found))
    failed = any(str(row.get("ended", "")).startswith("failed") for row in rows)
    return int(failed or (options.device == "cpu" and bool(found["missed"] or found["not_whole"])))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
