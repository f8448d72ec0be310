"""SCoTD at the paper's size: students of one chain a problem, of five, and of labels alone, tested on the dev file.

python benchmarks/scotd.py --pool quarel_train.jsonl.gz --test dev.jsonl [--base smollm2-135m] [--steps 20000]
                           [--batch 32] [--seeds 1] [--out FOLDER] [-- STUDY OPTIONS]
python benchmarks/scotd.py --toy       three steps on sums of its own, with a base of two small layers

A JSON line for the whole, and one for each student: how fast it was trained, what it got right. It is
`recipes/symbolic_distillation.sh` with these figures: killed, it goes on where it was. About 50 million tokens each.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from stepdown.models.weights import read_card

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "symbolic_distillation.sh"
Row = dict[str, Any]


def study(options: argparse.Namespace, out: Path) -> Iterator[Row]:
    """Run the recipe, and stream what came of it."""
    begun = perf_counter()
    environment = {**os.environ, "BASE": options.base, "STEPS": str(options.steps), "SEEDS": str(options.seeds)}
    # The recipe calls `stepdown`: this environment's.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment.setdefault("STEPDOWN_STORE", str(out / "stepdown.sqlite"))
    out.mkdir(parents=True, exist_ok=True)
    command = [str(RECIPE), options.pool, options.dataset, options.test, str(out), "--batch", str(options.batch)]
    done = subprocess.run([*command, *options.more], env=environment, stdout=subprocess.PIPE, text=True)
    yield {"what": "study", "rc": done.returncode, "seconds": round(perf_counter() - begun, 1), "steps": options.steps,
           "batch": options.batch, "base": options.base}  # fmt: skip
    yield from students(out / "students")


def students(folder: Path) -> Iterator[Row]:
    """Stream what the cards of a study's students say."""
    for path in sorted(folder.glob("*/seed-*")):
        card = read_card(path)
        if card is not None:
            yield {
                "what": "student", "student": f"{path.parent.name}/{path.name}", "tokens": card.tokens,
                "seconds": card.seconds, "tokens_per_second": round(card.tokens / max(card.seconds, 1e-9)),
                "step": card.step, "dev": [[one.step, one.right, one.total] for one in card.dev],
                "test": [[one.dataset, one.right, one.graded] for one in card.test],
            }  # fmt: skip


def toy(options: argparse.Namespace, folder: Path) -> argparse.Namespace:
    """Return the same options at toy size, with a pool, a test file in GSM8K's form and a base of their own."""
    from small_trainings import write_base

    pool, tested, base = folder / "pool.jsonl.gz", folder / "test.jsonl", write_base(folder / "base", "tiny")
    with gzip.open(pool, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(pool_row(number)) + "\n" for number in range(40))
    asked = "Ann has {n} hens and buys {n} more of them. How many hens has she?"
    rows = [{"question": asked.format(n=n), "answer": f"#### {2 * n}"} for n in range(50, 54)]
    tested.write_text("".join(json.dumps(row) + "\n" for row in rows))
    more = [*options.more, "--max-tokens", "8", "--dev-count", "2", "--evaluations", "1", "--checkpoints", "1"]
    given = {"pool": str(pool), "dataset": "gsm8k", "test": str(tested), "base": str(base), "steps": 3, "batch": 4}
    return argparse.Namespace(**{**vars(options), **given, "more": more})


def pool_row(number: int) -> Row:
    one, other = number % 7, number // 7
    texts = [f"Tom had {one}. {'Go on. ' * more}He found {other}, which makes {one + other}." for more in range(5)]
    question = f"Tom had {one} shells and then found {other} more of them on the beach. How many shells has Tom?"
    chains = [{"teacher": "teacher", "text": text, "pred": str(one + other), "correct": True} for text in texts]
    return {"id": f"sums-{number}", "question": question, "answer": str(one + other), "chains": chains}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pool", default="quarel_train.jsonl.gz")
    parser.add_argument("--dataset", default="quarel")
    parser.add_argument("--test", default="dev.jsonl")
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("scotd"))
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("more", nargs="*", help="options of `stepdown study`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chosen = toy(options, Path(folder)) if options.toy else options
        failed = False
        for row in study(chosen, Path(folder) / "out" if options.toy else options.out):
            print(json.dumps(row), flush=True)
            failed |= bool(row.get("rc"))
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
