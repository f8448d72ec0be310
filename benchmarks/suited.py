"""Does what suits a student teach it better? Teachers' chains over the same questions, scored by a base and learned.

python benchmarks/suited.py POOL.jsonl.gz --out FOLDER [--steps 12] [--batch 8] [--test 100] [--seeds 5] [--minutes M]
python benchmarks/suited.py --out FOLDER --show      prints what is there, trains nothing

Of the pool (`stepdown import`'s form) the variants of VARIANTS over the questions that all of them answer rightly;
test questions are held out by a hash, and whatever shares words with them is not trained on; of the rest 100 are
learned from. A row for each variant: its rank-surprisal ratio and mean log-probability under the base, and what the
student of one training on it gets right; then the Spearman correlations with their intervals, and
`per-problem=1:suited` against `per-problem=1` over the pool of all variants, over seeds and problems. Killed, or out
of its minutes, it goes on where it was; other --steps or --batch want another folder. The interval of a correlation
takes the variants as independent, though several are of one teacher.
"""

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from math import atanh, sqrt, tanh
from pathlib import Path
from statistics import fmean
from time import monotonic

from rows import Row, print_row

import stepdown as sd
from stepdown.corpus import Corpus, CorpusWriter, StudentScores, open_corpus
from stepdown.exchange import import_corpus
from stepdown.files import write_whole
from stepdown.models.weights import read_card
from stepdown.problems import Problems, load_problems
from stepdown.stats import crossed_difference
from stepdown.store import Store
from stepdown.training import Training, train

# SVAMP: three teachers, each at several levels of detail, and one of them in three other forms.
VARIANTS = (
    *("SVAMP_llama_level1_ranked", "SVAMP_gemini_level1_ranked", "SVAMP_gemini_level2_ranked"),
    *("SVAMP_llama_level2_ranked", "SVAMP_ChatGPT_level1_ranked", "SVAMP_gemini_level4_ranked"),
    *("SVAMP_llama_level3_ranked", "SVAMP_ChatGPT_level3_ranked", "0_SVAMP_chatgpt_level5SYM"),
    *("0_SVAMP_chatgpt_level3SYM", "SVAMP_gemini_level6_ranked", "0_SVAMP_chatgpt_level3BSM"),
)
LEARNED, HELD_OUT = 100, 200
TESTED = sd.Sampling(max_tokens=256)  # few replies are cut, whoever is the wordier
Z = 1.96  # two-sided 95 % of the normal


def prepare(pool: str, out: Path) -> None:
    """Write the corpora and the test problems."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "pool").exists():
        with gzip.open(pool, "rt") as file:
            rows = [json.loads(line) for line in file]
        for row in rows:
            own = [next((c for c in row["chains"] if c["variant"] == v and c["correct"]), None) for v in VARIANTS]
            row["chains"] = own if all(own) else []
        rows = sorted(
            (row for row in rows if row["chains"]), key=lambda row: hashlib.sha256(row["id"].encode()).digest()
        )
        test = [{name: row[name] for name in ("id", "question", "answer")} for row in rows[:HELD_OUT]]
        write_lines(out / "test.jsonl", test)
        write_lines(out / "pool.jsonl", rows)
        whole = import_corpus(out / "pool.jsonl", out / "whole", dataset="svamp/pool", force=True)
        clean = whole.keep(f"decontaminate={out / 'test.jsonl'}")
        with CorpusWriter(out / "pool", card=whole.card) as writer:
            for group, _ in zip(clean.groups(), range(LEARNED), strict=False):
                for chain in group:
                    writer.add(chain)


def write_lines(path: Path, rows: Sequence[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def score(out: Path, base: str) -> None:
    """Have the base read the chains of all variants; what it has read stays in the cache."""
    if (out / "scores.json").exists():
        return
    scores, found = StudentScores(base), dict[str, list[tuple[float, float, int]]]()
    groups = list(open_corpus(out / "pool").groups())
    for group, read in zip(groups, scores.stream(groups), strict=True):
        for chain, one in zip(group, read, strict=True):
            found.setdefault(chain.variant, []).append((one.rank, one.surprisal, one.tokens))
    write_whole(out / "scores.json", json.dumps(found).encode())


def students(out: Path, options: argparse.Namespace) -> Iterator[tuple[Path, Corpus, int]]:
    """Stream the trainings in their order: folder, chains, seed."""
    pool = open_corpus(out / "pool")
    for variant in VARIANTS:
        yield out / "students" / variant, pool.keep(f"variant={variant}"), 0
    for seed in range(options.seeds):
        for how in (f"suited:{options.base}", "random"):
            name = how.partition(":")[0]
            yield out / "students" / f"{name}-{seed}", pool.keep(f"per-problem=1:{how}", seed=seed), seed


def learn(out: Path, options: argparse.Namespace, end: float) -> None:
    """Train what is not there yet, as long as there is time for another one."""
    test = list(load_problems(str(out / "test.jsonl")))[: options.test]
    took = 0.0
    for folder, chains, seed in students(out, options):
        if read_card(folder) is not None:
            continue
        if monotonic() + took > end:
            return
        began = monotonic()
        # The one evaluation comes after the last step: the test chooses nothing.
        training = Training(
            steps=options.steps, batch=options.batch, learning_rate=1e-3, seed=seed, evaluations=1, dev=len(test),
            checkpoints=1, max_length=512,
        )  # fmt: skip
        train(chains, base=options.base, out=folder, training=training, dev=test)
        took = monotonic() - began
        print_row({"trained": folder.name, "seconds": round(took)}, as_json=options.json)


def right_of(folder: Path) -> tuple[int, int] | None:
    """Return how many test problems a student got right, and of how many; None where it is not trained."""
    card = read_card(folder) if folder.exists() else None
    return (card.dev[-1].right, card.dev[-1].total) if card and card.dev else None


def show(out: Path, as_json: bool) -> None:
    """Print a row for each variant, the correlations, and suited against random."""
    scores = json.loads((out / "scores.json").read_text()) if (out / "scores.json").exists() else {}
    rows = list[tuple[float, float, float, float]]()
    for variant in VARIANTS:
        read, tested = scores.get(variant), right_of(out / "students" / variant)
        row: Row = {"variant": variant}
        if read:
            rank, surprisal, tokens = (fmean(one[at] for one in read) for at in range(3))
            row |= {"ratio": round(rank / surprisal, 3), "logprob": round(-surprisal, 3), "tokens": round(tokens, 1)}
        if tested:
            row |= {"right": tested[0], "of": tested[1]}
        if read and tested:
            rows.append((rank / surprisal, -surprisal, tokens, tested[0] / tested[1]))
        print_row(row, as_json=as_json)
    for at, name in enumerate(("ratio", "logprob", "tokens")):
        if len(rows) > 4:
            found = spearman([one[at] for one in rows], [one[3] for one in rows])
            low, high = spearman_interval(found, len(rows))
            print_row(
                {"spearman": f"{name} and share right", "value": round(found, 2), "low": round(low, 2),
                 "high": round(high, 2), "n": len(rows)}, as_json=as_json,
            )  # fmt: skip
    compare(out, as_json)


def compare(out: Path, as_json: bool) -> None:
    """Print what `suited` gains over `random` at one chain a problem, over paired seeds and the same problems."""
    seeds = [seed for seed in range(20) if all(right_of(folder) for folder in compared(out, seed))]
    if not seeds:
        return
    test = load_problems(str(out / "test.jsonl"))
    with Store(out / "stepdown.sqlite") as store:
        tested = [[verdicts(folder, test, store) for folder in compared(out, seed)] for seed in seeds]
    suited, drawn = ([pair[at] for pair in tested] for at in (0, 1))
    found = crossed_difference(suited, drawn)
    print_row(
        {"suited against random": f"{100 * found.value:+.1f} points", "low": round(100 * found.low, 1),
         "high": round(100 * found.high, 1), "p": round(found.p, 3), "seeds": len(seeds), "problems": len(suited[0]),
         "suited": [round(100 * fmean(one), 1) for one in suited],
         "random": [round(100 * fmean(one), 1) for one in drawn]}, as_json=as_json,
    )  # fmt: skip


def compared(out: Path, seed: int) -> list[Path]:
    return [out / "students" / f"{how}-{seed}" for how in ("suited", "random")]


def verdicts(folder: Path, test: Problems, store: Store) -> list[int]:
    """Have a student solve the test problems, once; return 1 for each that it gets right, else 0."""
    run = sd.run(test, "chain-of-thought", student=str(folder), sampling=TESTED, prompts="student", store=store)
    return [int(grade.verdict == "right") for _, grade in run.graded()]


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the rank correlation of two rows of numbers; equal numbers share their mean rank."""
    a, b = ranks(one), ranks(other)
    x, y = fmean(a), fmean(b)
    spread = sqrt(sum((p - x) ** 2 for p in a) * sum((q - y) ** 2 for q in b))
    return sum((p - x) * (q - y) for p, q in zip(a, b, strict=True)) / spread if spread else 0.0


def ranks(values: Sequence[float]) -> list[float]:
    return [sum(one < value for one in values) + (sum(one == value for one in values) + 1) / 2 for value in values]


def spearman_interval(found: float, count: int) -> tuple[float, float]:
    """Return a 95 % interval by Fisher's z with the standard error of Bonett & Wright (2000)."""
    middle = atanh(min(max(found, -0.999), 0.999))
    half = Z * sqrt((1 + found**2 / 2) / (count - 3))
    return tanh(middle - half), tanh(middle + half)


def check_settings(options: argparse.Namespace) -> None:
    """End where the students that are there were trained otherwise than is asked for."""
    asked = {name: getattr(options, name) for name in ("base", "steps", "batch", "test")}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "settings.json"
    if path.exists() and (there := json.loads(path.read_text())) != asked:
        raise SystemExit(f"{options.out} has students of {there}, not of {asked}: give another --out")
    if not path.exists() and (options.out / "students").exists():
        raise SystemExit(f"{options.out} has students of unknown settings: give another --out")
    write_whole(path, json.dumps(asked).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", nargs="?")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.pool and not options.show:
        check_settings(options)
        end = monotonic() + 60 * options.minutes
        prepare(options.pool, options.out)
        score(options.out, options.base)
        learn(options.out, options, end)
    show(options.out, options.json)


if __name__ == "__main__":
    main()
