"""How often a cascade's guarantee fails on the problems it was not chosen on: 1,000 random splits of stored runs.

python benchmarks/guarantees.py [--splits N] [--json]

Stored runs: sampled chains of ../shared/data/pools. `date` is 369 questions, 5 chains as the cheap run's votes and the
vote of 40 others as the dear answer; `quarel` 1,930 questions, 4 chains and the fifth. Where a limit lies close below
what a threshold really loses, a rule is most tempted to promise it: so each limit is a hair below a true loss.

`split`: half of the problems choose, without replacement; it fails if the chosen threshold loses more than the limit on
the whole stored run. `draws`: the stored run is taken for the population, and as many problems are drawn from it with
replacement, as new problems come; this is what the guarantee promises, and the sharper test. `held`: the exact
test at 5 % finds the held-out half's loss above the limit, which also happens by chance. `by the mean` is the same
choice without a guarantee: the cheapest threshold whose mean keeps to the limit.
"""

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from rows import Row, print_row

from stepdown.measuring import Goal, ProblemOutcome, Threshold, threshold_row
from stepdown.stats import binomial_below
from stepdown.types import Verdict

POOLS = Path(__file__).parents[1] / ".." / "shared" / "data" / "pools"
BAR = 0.05
WHAT = ("split chosen", "split fails", "split by the mean fails", "draws chosen", "draws fails", "held")
HAIR = 1e-6
CHEAP, DEAR = 0.0001, 0.002  # US dollars of one chain
SPENDS = (0.6, 0.9)  # limits on spending, as shares of the way from the cheapest threshold to the dearest


def outcomes(name: str, votes: int, dear: int) -> list[ProblemOutcome]:
    """Return a pool's problems as a cascade tried them: its first chains vote, the next are the dear answer."""
    with gzip.open(POOLS / f"{name}.jsonl.gz", "rt") as lines:
        return [one for line in lines if (one := outcome(json.loads(line), votes, dear)) is not None]


def outcome(row: Row, votes: int, dear: int) -> ProblemOutcome | None:
    """Return one problem of a pool, None where it has too few chains."""
    chains = row["chains"]
    if len(chains) < votes + dear:
        return None
    count, cheap = voted(chains[:votes])
    _, best = voted(chains[votes : votes + dear])
    tokens = [len(chain["text"].split()) for chain in chains]
    cost = CHEAP * sum(tokens[:votes]) / 30, DEAR * tokens[votes] / 30
    return ProblemOutcome(
        row["question"],
        "text",
        count,
        cheap,
        best,
        *cost,
        sum(tokens[:votes]),
        tokens[votes],
        CHEAP * votes * 8,
        DEAR * 8,
    )


def voted(chains: Sequence[Row]) -> tuple[int, Verdict]:
    """Return how many chains agree on the most frequent answer, and whether it is right."""
    [(answer, count)] = Counter(str(chain["pred"]) for chain in chains).most_common(1)
    return count, "right" if any(one["correct"] for one in chains if str(one["pred"]) == answer) else "wrong"


def rows_of(tried: Sequence[ProblemOutcome], votes: int) -> list[Threshold]:
    return [threshold_row(tried, votes, agreeing) for agreeing in range(1, votes + 1)]


def rate(row: Threshold) -> float:
    return (row.lost or 0) / row.total


def measure(name: str, tried: list[ProblemOutcome], votes: int, splits: int) -> Iterator[Row]:
    """Yield for each goal how often each rule's choice breaks its limit."""
    truth = {row.agreeing: row for row in rows_of(tried, votes)}
    wanted, random, half = goals(tried, votes), Random(14), len(tried) // 2
    counts = [Counter[str]() for _ in wanted]
    for _ in range(splits):
        shuffled = random.sample(tried, len(tried))
        for kind, sample in (("split", shuffled[:half]), ("draws", random.choices(tried, k=half))):
            rows = rows_of(sample, votes)
            held = rows_of(shuffled[half:], votes) if kind == "split" else []
            for goal, count in zip(wanted, counts, strict=True):
                chosen = goal.choose(rows, sample)
                tally(count, kind, goal, chosen, truth)
                tally(count, f"{kind} by the mean", goal, by_mean(rows, goal), truth)
                if held and chosen is not None and goal.lose is not None:
                    lost = held[chosen.agreeing - 1].lost or 0
                    count["held"] += 1 - binomial_below(lost - 1, len(tried) - half, goal.lose) <= BAR
    for goal, count in zip(wanted, counts, strict=True):
        limit = f"lose {100 * goal.lose:.2f} %" if goal.lose is not None else f"spend ${goal.spend:.6f}"
        rates = {what: f"{100 * count[what] / splits:.1f} %" for what in WHAT}
        yield {"benchmark": "guarantees", "pool": name, "chosen on": half, "limit": limit, **rates,
               "met": count["split fails"] <= BAR * splits}  # fmt: skip


def tally(count: Counter[str], kind: str, goal: Goal, chosen: Threshold | None, truth: dict[int, Threshold]) -> None:
    count[f"{kind} chosen"] += chosen is not None
    count[f"{kind} fails"] += chosen is not None and exceeds(truth[chosen.agreeing], goal)


def by_mean(rows: Sequence[Threshold], goal: Goal) -> Threshold | None:
    """Return the cheapest, or most accurate, threshold whose mean keeps to the limit."""
    within = [row for row in rows if not exceeds(row, goal)]
    if goal.lose is not None:
        return min(within, key=lambda row: row.cost or 0.0, default=None)
    return max(within, key=lambda row: row.accuracy or 0.0, default=None)


def exceeds(row: Threshold, goal: Goal) -> bool:
    """Whether a threshold breaks the limit on what the row is of."""
    return rate(row) > goal.lose if goal.lose is not None else (row.cost or 0.0) > (goal.spend or 0.0)


def goals(tried: Sequence[ProblemOutcome], votes: int) -> list[Goal]:
    """Return limits a hair below what each threshold loses, plainer ones, and limits on spending."""
    rows = rows_of(tried, votes)
    traps = sorted({rate(row) - HAIR for row in rows if rate(row) > 2 * HAIR})
    low, high = min(row.cost or 0.0 for row in rows), max(row.cost or 0.0 for row in rows)
    spends = {(1 - HAIR) * high} | {low + share * (high - low) for share in SPENDS}
    return [*(Goal(lose=one) for one in (*traps, 0.02, 0.05, 0.1)), *(Goal(spend=one) for one in sorted(spends))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if not POOLS.is_dir():
        print_row({"benchmark": "guarantees", "skipped": f"no {POOLS.resolve()}"}, as_json=asked.json)
        return
    for name, votes, dear in (("date_understanding_mot", 5, 40), ("quarel_train", 4, 1)):
        tried = outcomes(name, votes, dear)
        for row in measure(name, tried, votes, asked.splits):
            print_row(row, as_json=asked.json)


if __name__ == "__main__":
    main()
