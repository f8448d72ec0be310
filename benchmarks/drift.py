"""How often the drift alarm of a served cascade is false, and how many questions it takes until it is right.

python benchmarks/drift.py [--draws N] [--json]

Each draw calibrates on problems of its own and serves 2,000 questions, looked at after every one. `false`: the share
handed on stays what it was; of five thresholds the one is picked whose share looked smallest beside the truth, which
is how a choice by price errs. `power`: the share changes before the first question; half of all draws need `median`
questions, nine of ten need `90 %` (None: not within 2,000). `missed` is the share of draws without an alarm.
"""

import argparse
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rows import Row, print_row

from stepdown.stats import vouched_interval
from stepdown.stats.drift import SURE

BAR = 0.05
VOTES, SERVED, AT_ONCE = 5, 2_000, 500
TRUE = np.array([0.05, 0.1, 0.2, 0.35, 0.6])  # of each threshold
Booleans = NDArray[np.bool_]


def first_alarms(on: Booleans, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return after how many questions each row of `on` raises the alarm, 0 where it never does: `drift`, vectorised.

    The mixture of Jeffreys' prior is the product of its predictions (Krichevsky & Trofimov 1981).
    """
    seen = np.arange(1, on.shape[1] + 1)
    count = on.cumsum(axis=1)
    before = np.where(on, count - 1, seen - 1 - count)
    mixture = np.log((before + 0.5) / seen).cumsum(axis=1)
    alarm = np.zeros(on.shape, bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        for edge, beyond in ((high, count / seen > high[:, None]), (low, count / seen < low[:, None])):
            likelihood = count * np.log(edge)[:, None] + (seen - count) * np.log1p(-edge)[:, None]
            alarm |= beyond & (mixture - likelihood >= -math.log(1 - SURE))
    return np.where(alarm.any(axis=1), alarm.argmax(axis=1) + 1, 0)


def intervals(counts: NDArray[np.int64], total: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = np.array([vouched_interval(int(one), total, looks=VOTES) for one in counts])
    return found[:, 0], found[:, 1]


def false_alarms(total: int, draws: int, random: np.random.Generator) -> float:
    """Return the share of draws that raise an alarm though nothing changed."""
    alarms = 0
    for _ in range(draws // AT_ONCE):
        problems = random.random((AT_ONCE, total))
        counts = np.stack([(problems < share).sum(axis=1) for share in TRUE], axis=1)
        picked = ((counts - total * TRUE) / np.sqrt(total * TRUE * (1 - TRUE))).argmin(axis=1)
        chosen = counts[np.arange(AT_ONCE), picked]
        on = random.random((AT_ONCE, SERVED)) < TRUE[picked][:, None]
        alarms += int((first_alarms(on, *intervals(chosen, total)) > 0).sum())
    return alarms / (draws // AT_ONCE * AT_ONCE)


def questions(total: int, share: float, becomes: float, draws: int, random: np.random.Generator) -> Row:
    """Return how many questions the alarm takes where the share becomes another."""
    found = list[int]()
    for _ in range(draws // AT_ONCE):
        chosen = random.binomial(total, share, AT_ONCE)
        found += first_alarms(random.random((AT_ONCE, SERVED)) < becomes, *intervals(chosen, total)).tolist()
    ordered = sorted(one or math.inf for one in found)
    middle, most = (ordered[int(part * len(ordered))] for part in (0.5, 0.9))
    return {
        "median": None if middle == math.inf else middle,
        "90 %": None if most == math.inf else most,
        "missed": f"{100 * found.count(0) / len(found):.1f} %",
    }


def measure(draws: int) -> Iterator[Row]:
    random = np.random.default_rng(14)
    for total in (100, 300, 1000):
        rate = false_alarms(total, draws, random)
        shown = {"calibrated on": total, "draws": draws, "false": f"{100 * rate:.2f} %"}
        yield {"benchmark": "drift", **shown, "met": rate <= BAR}
    for total in (100, 300, 1000):
        for share, becomes in ((0.1, 0.2), (0.2, 0.4), (0.3, 0.6), (0.4, 0.2)):
            what = {"calibrated on": total, "share": share, "becomes": becomes}
            yield {"benchmark": "drift", **what, **questions(total, share, becomes, draws, random)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for row in measure(asked.draws):
        print_row(row, as_json=asked.json)


if __name__ == "__main__":
    main()
