"""What we write, read by those it is written for, each at its newest version in an environment of its own.

python benchmarks/loaders.py [NAME ...] [--folder build/loaders] [--keep] [--json]

For each tool of `TOOLS` a virtual environment is made, the tool and this checkout are installed, and a program in
`benchmarks/readers/` has the tool's own loader read what stepdown exports, asserting what came of it. One row for each:
whether it holds, the tool's version, what was done, seconds of installing and reading; for a tool that cannot be
installed or imported, its last line of error. Minutes and gigabytes; `--keep` leaves the environments for next time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from extras import install, last_line
from rows import Row, print_row

from stepdown.corpus import Card, CorpusWriter, open_corpus
from stepdown.exchange import export_corpus
from stepdown.types import Chain, Grade, Problem

ROOT = Path(__file__).parents[1]
# What is installed beside the checkout; the program of the same name asserts.
TOOLS: dict[str, tuple[str, ...]] = {
    "dspy": (f"{ROOT}", "dspy"),
    "lm_eval": (f"{ROOT}[harness]", "lm_eval"),
    "lm_eval_tasks": (f"{ROOT}[harness]", "lm_eval"),
    "trl": ("trl", "transformers", "torch", "datasets"),
    "llamafactory": ("llamafactory",),
    "axolotl": ("axolotl",),
    "unsloth": ("unsloth",),
}
# Nothing is fetched and nobody is told: LiteLLM would ask for a table of prices.
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "HF_HUB_OFFLINE": "1",
    "WANDB_DISABLED": "true",
    "DO_NOT_TRACK": "1",
    "AXOLOTL_DO_NOT_TRACK": "1",
}


def row_of(tool: str, folder: Path) -> Row:
    """Return what came of a tool: installed where it is not yet, and its reader run."""
    place = folder / tool
    python = place / "bin" / "python"
    began = time.monotonic()
    if not (place / "filled").exists():
        done = install(place, *TOOLS[tool])
        if done.returncode:
            return {"loader": tool, "ok": False, "did": f"not installed: {last_line(done.stderr)}"}
        (place / "filled").touch()
    installed = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        write_exports(Path(work, "exports"))
        command = [python, ROOT / "benchmarks" / "readers" / f"{tool}_reader.py", Path(work, "exports")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=work, env=environment())
    found = json.loads(done.stdout.splitlines()[-1]) if not done.returncode else {"ok": False}
    said = found.get("did") or last_line(done.stderr)
    seconds = {"install_s": round(installed - began, 1), "read_s": round(time.monotonic() - installed, 1)}
    return {"loader": tool, "ok": found["ok"], "version": found.get("version", ""), "did": said, **seconds}


def write_exports(folder: Path) -> None:
    """Write a corpus of twelve chains in each form that a tool tunes on."""
    with CorpusWriter(folder / "corpus", card=Card(dataset="sums")) as writer:
        for n in range(12):
            problem = Problem(f"sums/{n}", f"Which is {n}?", "B", ("up\u2028", "down"), "choice")
            writer.add(Chain(problem, f"Step {n}.\n\nSo it is (b).", "teacher", grade=Grade("right", "B")))
    corpus = open_corpus(folder / "corpus")
    for to, name in (("sharegpt", "sums.jsonl"), ("parquet", "parquet.parquet")):
        export_corpus(corpus, to, folder / name)
    for to in ("prompt-completion", "messages"):
        export_corpus(corpus, to, folder / f"{to}.json")


def environment() -> dict[str, str]:
    """Return what a reader's process is told; this checkout is installed there, or not wanted."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | QUIET


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", nargs="*", metavar="NAME", help=f"of {', '.join(TOOLS)}; all without any")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "loaders")
    parser.add_argument("--keep", action="store_true", help="leave the environments, and take those that are there")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if unknown := {*chosen.tools} - {*TOOLS}:
        parser.error(f"no such tool: {', '.join(sorted(unknown))}")
    failed = 0
    for tool in chosen.tools or TOOLS:
        row = row_of(tool, chosen.folder.absolute())
        print_row(row, as_json=chosen.json)
        failed += not row["ok"]
        if not chosen.keep:
            shutil.rmtree(chosen.folder / tool, ignore_errors=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
