"""A study whose students are trained on the workers of a Ray cluster, against the same one trained here in turn.

python benchmarks/ray_study.py [--students 4] [--workers 2] [--json]

Each worker is a node of one core on this machine, as a process here has one thread: sums in another order would round
otherwise. Bars: the weights of all students are the same bytes, and their scores the same numbers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rows import print_row

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "support"))

from corpora import write_corpus  # noqa: E402
from loopback_cluster import loopback_cluster  # noqa: E402
from small_students import small_model, small_tokenizer  # noqa: E402
from stepdown.corpus import Card  # noqa: E402
from stepdown.types import Chain, Grade, Problem  # noqa: E402


def write_files(folder: Path) -> None:
    """Write a base, a corpus of its sums, and the problems that students are tested on."""
    small_model().save_pretrained(folder / "base")
    small_tokenizer().save_pretrained(folder / "base")
    sums = [Problem(f"sums/train/{n}", f"What is {n} plus one?", str(n + 1)) for n in range(8)]
    chains = (Chain(one, f"Take {one.answer}.", "teacher", 0, Grade("right", one.answer)) for one in sums)
    write_corpus(folder / "chains", chains, card=Card(dataset="sums/train"))
    rows = [json.dumps({"question": one.question, "answer": one.answer}) for one in sums[:3]]
    (folder / "sums.jsonl").write_text("\n".join(rows))


def study(folder: Path, out: str, students: int, *options: str) -> tuple[dict[str, bytes], object, float]:
    """Return the weights of the students by their place, their scores, and the seconds it took."""
    command = [sys.executable, "-m", "stepdown", "study", "chains", "--base", "base", "--test", "sums.jsonl"]
    command += ["--out", out, "--chains", "1", "--seeds", str(students // 2)]
    command += ["--steps", "2", "--batch", "4", "--evaluations", "0", "--max-tokens", "8", "--allow", "test"]
    environment = os.environ | {"STEPDOWN_ENGINE": "transformers", "STEPDOWN_CACHE": str(folder / "cache")}
    began = time.monotonic()
    store = ["--store", f"{out}.sqlite"]
    done = subprocess.run([*command, *store, *options], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    seconds = round(time.monotonic() - began, 1)
    weights = {
        str(path.relative_to(folder / out)): path.read_bytes() for path in (folder / out).rglob("model.safetensors")
    }
    scores = json.loads((folder / out / "study.json").read_text())["scores"]
    return weights, [{name: value for name, value in one.items() if name != "runs"} for one in scores], seconds


def measure(students: int, workers: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        here, scores, alone = study(folder, "here", students)
        with loopback_cluster(*(f"node {number}" for number in range(workers))):
            there, found, together = study(folder, "there", students, "--on", "ray")
    equal = sum(there.get(path) == weights for path, weights in here.items())
    return {
        "benchmark": "ray-study", "students": len(here), "workers": workers, "equal_weights": equal,
        "equal_scores": found == scores, "serial_s": alone, "ray_s": together,
        "met": len(here) == students == equal and found == scores,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    row = measure(chosen.students, chosen.workers)
    print_row(row, as_json=chosen.json)
    verdict = f"{'met' if row['met'] else 'MISSED'}: {row['equal_weights']} of {chosen.students} students byte-equal"
    print(verdict, file=sys.stderr if chosen.json else sys.stdout)


if __name__ == "__main__":
    main()
