"""False alarms, power and calls of `run --until decided`, beside the fixed-n test of the same power.

python benchmarks/until_decided.py [--trials N] [--json]

Simulation: true differences of 0 to 3 times the margin (the least difference of interest), at shares of discordant
pairs from 10 to 50 %, which is how two results correlate. The most problems are three times what the exact McNemar
test needs for 80 % power at the margin. `calls saved`: against the number of problems at which McNemar's test has the
power at the margin that this one was found to have. Stored: each pair of released runs that shares its 200 problems
(../shared/data/trace-of-thought), and of runs of the recorded study, in random orders; `null` has the two sides of
each pair exchanged by lot, so that there is no difference and every alarm is false. `full test` is McNemar's p over
all problems.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import fmean

from rows import Row, print_row

from stepdown.stats import PairedSequence, mcnemar_exact, mcnemar_power, sample_size
from stepdown.store import Store

VERDICTS = Path(__file__).parents[1] / ".." / "shared" / "data" / "trace-of-thought" / "verdicts.csv"
DESIGNS = ((0.1, 0.3), (0.1, 0.5), (0.15, 0.3), (0.1, 0.2))
TIMES = (0.0, 0.5, 1.0, 1.5, 2.0)
SURE, POWER, MOST = 0.95, 0.8, 3
ALARMS, SAVED = 0.05, 0.3
NOISE = 1.645 * (ALARMS * (1 - ALARMS)) ** 0.5  # of an alarm rate of 5 %, to be divided by the root of the trials


def decided(steps: Iterator[int], margin: float) -> tuple[str, int]:
    """Return what a comparison comes to and after how many pairs."""
    test = PairedSequence(margin)
    for step in steps:
        test.add(step)
        if test.p <= 1 - SURE:
            return "different", test.pairs
        if test.is_small(POWER):
            return "small", test.pairs
    return "open", test.pairs


def drawn(random: Random, difference: float, discordance: float, most: int) -> Iterator[int]:
    for _ in range(most):
        place = random.random()
        yield 1 if place < (discordance + difference) / 2 else -1 if place < discordance else 0


def simulate(trials: int) -> Iterator[Row]:
    """Yield a row for each true difference at each share of discordant pairs."""
    random = Random(2026)
    for margin, discordance in DESIGNS:
        most = MOST * sample_size(margin, discordance)
        found = {
            times: [decided(drawn(random, times * margin, discordance, most), margin) for _ in range(trials)]
            for times in TIMES if times * margin <= discordance
        }  # fmt: skip
        power = fmean(outcome == "different" for outcome, _ in found[1.0])
        fixed = sample_size(margin, discordance, power=power)
        for times, outcomes in found.items():
            alarms, pairs = fmean(one == "different" for one, _ in outcomes), fmean(count for _, count in outcomes)
            same = mcnemar_power(fixed, discordance, times * margin) if times else None
            row = {"benchmark": "until decided", "margin": margin, "discordant": discordance,
                   "true difference": round(times * margin, 3), "says different": f"{100 * alarms:.1f} %",
                   "fixed n says so": DASH if same is None else f"{100 * same:.1f} %",
                   "problems": round(pairs), "fixed n": fixed,
                   "calls saved": f"{100 * (1 - pairs / fixed):.0f} %"}  # fmt: skip
            if not times:
                row |= {"bar": "false alarms <= 5 %", "met": alarms <= ALARMS + NOISE / trials**0.5}
            elif times == 1:
                row |= {"bar": "same power, >= 30 % fewer calls", "met": 1 - pairs / fixed >= SAVED}
            yield row


DASH = "-"


def released() -> Iterator[tuple[str, list[int]]]:
    """Yield the pairs of released runs on one data set, as steps in the order of the file."""
    rights: dict[str, dict[int, int]] = defaultdict(dict)
    with VERDICTS.open() as lines:
        for row in csv.DictReader(lines):
            rights[row["file"].removeprefix("sot-").split("-05-")[0]][int(row["row"])] = int(row["right"])
    for new, old in combinations(sorted(rights), 2):
        if new.rpartition("-")[2] == old.rpartition("-")[2]:
            yield f"{new} against {old}", [rights[new][at] - rights[old][at] for at in sorted(rights[new])]


def recorded() -> Iterator[tuple[str, list[int]]]:
    """Yield the pairs of runs of the recorded study with its direct run."""
    with as_file(files("stepdown.tour") / "recorded" / "tour.sqlite") as path, Store(path, reading=True) as store:
        runs = store.runs()
        right = [[grade.verdict == "right" for _, grade in run.graded()] for run in runs]
        for run, verdicts in zip(runs[1:], right[1:], strict=True):
            yield (
                f"tour {run.id} against {runs[0].id}",
                [new - old for new, old in zip(verdicts, right[0], strict=True)],
            )


def stored(trials: int) -> Iterator[Row]:
    """Yield a row for each pair of stored runs, and one for all with their sides exchanged by lot."""
    random, alarms, total, margin = Random(8), 0, 0, 0.1
    agreed: list[float] = []
    saved: list[float] = []
    for name, steps in [*(released() if VERDICTS.exists() else ()), *recorded()]:
        full = mcnemar_exact(steps.count(1), steps.count(-1))
        outcomes = [decided(iter(random.sample(steps, len(steps))), margin) for _ in range(trials)]
        null = [decided(swapped(random, steps), margin)[0] == "different" for _ in range(trials)]
        alarms, total = alarms + sum(null), total + trials
        share, pairs = fmean(one == "different" for one, _ in outcomes), fmean(count for _, count in outcomes)
        if full <= ALARMS:
            agreed.append(share)
            saved.append(1 - pairs / len(steps))
        yield {"benchmark": "until decided", "stored": name, "problems there": len(steps),
               "difference": f"{100 * sum(steps) / len(steps):+.1f}", "full test": f"{full:.4f}",
               "says different": f"{100 * share:.1f} %", "problems": round(pairs),
               "calls saved": f"{100 * (1 - pairs / len(steps)):.0f} %",
               "null alarms": f"{100 * fmean(null):.1f} %"}  # fmt: skip
    yield {"benchmark": "until decided", "stored": "all", "null alarms": f"{100 * alarms / total:.1f} %",
           "of those the full test finds, found": f"{100 * fmean(agreed or [0]):.1f} %",
           "calls saved on them": f"{100 * fmean(saved or [0]):.0f} %",
           "bar": "false alarms <= 5 %, >= 30 % fewer calls",
           "met": alarms <= ALARMS * total and fmean(saved or [0]) >= SAVED}  # fmt: skip


def swapped(random: Random, steps: Sequence[int]) -> Iterator[int]:
    """Yield steps in a random order with the sides of each pair exchanged by lot."""
    for step in random.sample(steps, len(steps)):
        yield step if random.random() < 0.5 else -step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for row in simulate(asked.trials):
        print_row(row, as_json=asked.json)
    for row in stored(asked.trials):
        print_row(row, as_json=asked.json)


if __name__ == "__main__":
    main()
