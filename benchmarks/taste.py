"""Does a taste foretell what the whole corpus teaches? Eight corpora, each tasted, then learned whole and tested.

python benchmarks/taste.py POOLS --out FOLDER [--base smollm2-135m] [--chains 40] [--size 160] [--dev 60] [--minutes M]
python benchmarks/taste.py --out FOLDER --show      prints what is there, trains nothing

POOLS is a folder with `svamp_train.jsonl.gz` and `quarel_train.jsonl.gz` (`stepdown import`'s form). Three teachers of
SVAMP, QuaRel by chains and by labels, and the own solutions of word sums: by one operation, with the answer first, by
two. `stepdown taste` sees a quarter of the chains and says what it expects of all; then a student learns all, in the
same way, and solves the same held-out problems. A row for each: expected and real, of accuracies and of losses. The
last row: in how many the 95 % interval holds the real one (the bar: 80 %), its mean width, and in how many the Wilson
interval of the largest student tried would have. Killed, or out of its minutes, it goes on where it was.
"""

import argparse
import contextlib
import gzip
import io
import json
from pathlib import Path
from statistics import fmean
from time import monotonic

from rows import Row, print_row

from stepdown.cli import main as stepdown
from stepdown.exchange import import_corpus
from stepdown.models.local import find_base, load_base
from stepdown.stats import wilson
from stepdown.tasting import Taste, read_taste

SVAMP = ("SVAMP_llama_level1_ranked", "SVAMP_gemini_level2_ranked", "SVAMP_ChatGPT_level1_ranked")
# A corpus's name, what it is made of, and what is learned.
CORPORA = (
    *((name.lower(), "svamp", name, "chain") for name in SVAMP),
    ("quarel", "quarel", "", "chain"),
    ("quarel_label", "quarel", "", "label"),
    ("wordsums", "wordsums", "", "chain"),
    ("wordsums_answer_first", "wordsums", "", "answer-first"),
    ("wordsums_2", "wordsums-2", "", "chain"),
)
BAR = 0.8


def make_corpora(pools: Path, out: Path, count: int) -> None:
    """Write what is not there yet of the corpora: a chain each of `count` questions."""
    for name, kind, variant, _ in CORPORA:
        folder = out / name
        if folder.exists():
            continue
        if kind.startswith("wordsums"):
            call("sample", kind, "--split", "train", "-n", str(count), "--teacher", "gold", "--out", str(folder))
            continue
        rows = list[Row]()
        with gzip.open(pools / f"{kind}_train.jsonl.gz", "rt") as file:
            for row in map(json.loads, file):
                # All variants ask the same questions: those that each of them answers rightly.
                right = {one["variant"]: one for one in reversed(row["chains"]) if one["correct"]}
                wanted = SVAMP if variant else tuple(right)[:1]
                if wanted and all(one in right for one in wanted):
                    rows.append(row | {"chains": [right[variant or wanted[0]]]})
        lines = out / f"{name}.jsonl"
        lines.write_text("".join(json.dumps(row) + "\n" for row in rows[:count]))
        import_corpus(lines, folder, dataset=f"{kind}/pool", force=True)


def call(*words: str) -> None:
    """Have `stepdown` do something; its tables are not shown. Ends the benchmark where it fails."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = stepdown(list(words))
    if code:
        raise SystemExit(f"stepdown {' '.join(words)}: exit code {code}")


def base_folder(out: Path, base: str) -> Path:
    """Return the base as a folder, which loads faster than its GGUF file."""
    if Path(base).is_dir():
        return Path(base)
    folder = out / "base"
    if not folder.exists():
        made = load_base(find_base(base))
        made.model.save_pretrained(out / "base.part")
        made.tokenizer.save_pretrained(out / "base.part")
        (out / "base.part").rename(folder)
    return folder


def learn(out: Path, options: argparse.Namespace) -> None:
    """Taste what is not tasted yet, and learn it whole, as long as there is time for another."""
    base, end, took = base_folder(out, options.base), monotonic() + 60 * options.minutes, 0.0
    for name, _, _, target in CORPORA[: options.only]:
        if found(out, name, "whole") is not None:
            continue
        if monotonic() + took > end:
            return
        began = monotonic()
        ways = [(options.chains, 3, "taste"), (options.size, 1, "whole")]
        for chains, points, way in ways:
            call(
                "taste", str(out / name), "--base", str(base), "--size", str(options.size), "--chains", str(chains),
                "--points", str(points), "--target", target, "--passes", "1", "--learning-rate", "1e-3",
                "--dev-count", str(options.dev), "--losses", "16", "--max-tokens", "72", "--allow", "unparseable",
                "--allow", "cut", "--allow", "one-class", "--out", str(out / f"{name}-{way}"),
                "--store", str(out / "stepdown.sqlite"),
            )  # fmt: skip
        took = monotonic() - began
        print_row({"learned": name, "seconds": round(took)}, as_json=options.json)


def found(out: Path, name: str, way: str) -> Taste | None:
    return read_taste(out / f"{name}-{way}")


def show(out: Path, as_json: bool) -> None:
    """Print expected and real of each corpus, and how often the intervals hold."""
    held, naive, widths, losses = list[bool](), list[bool](), list[float](), list[bool]()
    for name, *_ in CORPORA:
        taste, whole = found(out, name, "taste"), found(out, name, "whole")
        if taste is None or whole is None:
            continue
        expected, real, largest = taste.full, whole.students[-1], taste.students[-1]
        low, high = wilson(largest.right, largest.graded)
        # Bounds are shares of so many problems: a last bit of rounding shall decide nothing.
        held.append(expected.low - 1e-9 <= real.accuracy <= expected.high + 1e-9)
        naive.append(low <= real.accuracy <= high)
        widths.append(expected.high - expected.low)
        row: Row = {
            "corpus": name, "chains": f"{largest.chains} of {real.chains}", "base": percent(taste.students[0].accuracy),
            "tried": " ".join(str(percent(one.accuracy)) for one in taste.students[1:]),
            "expected": percent(expected.accuracy), "low": percent(expected.low), "high": percent(expected.high),
            "real": percent(real.accuracy), "holds": held[-1],
        }  # fmt: skip
        if real.loss is not None and expected.loss_low is not None and expected.loss_high is not None:
            losses.append(expected.loss_low <= real.loss <= expected.loss_high)
            row |= {"loss": round(real.loss, 3), "expected_loss": round(expected.loss or 0, 3),
                    "loss_low": round(expected.loss_low, 3), "loss_high": round(expected.loss_high, 3)}  # fmt: skip
        print_row(row, as_json=as_json)
    if held:
        print_row(
            {"bar": f"the interval holds the real accuracy in >= {BAR:.0%} of >= {len(CORPORA)} trainings",
             "trainings": len(held), "held": sum(held), "share": round(fmean(held), 3),
             "mean_width": percent(fmean(widths)), "losses_held": sum(losses), "held_by_largest_tried": sum(naive),
             "met": len(held) >= len(CORPORA) and fmean(held) >= BAR}, as_json=as_json,
        )  # fmt: skip


def percent(share: float) -> float:
    return round(100 * share, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pools", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--chains", type=int, default=40)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--dev", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--only", type=int, default=len(CORPORA), help="the first corpora alone")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.pools and not options.show:
        options.out.mkdir(parents=True, exist_ok=True)
        make_corpora(options.pools, options.out, max(4 * options.dev, options.dev + options.size + 20))
        learn(options.out, options)
    show(options.out, options.json)


if __name__ == "__main__":
    main()
