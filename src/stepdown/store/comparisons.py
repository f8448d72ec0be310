"""Comparisons that stopped runs before all their problems were solved: the rule, and what it came to."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from stepdown.store.labels import put_rows
from stepdown.store.records import damage_checked
from stepdown.store.run import Run
from stepdown.store.schema import LABELS_SINCE

KIND = "until"
Outcome = Literal["different", "small", ""]


class StoppedComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A run against its baseline, under a test that holds whenever one stops.

    `outcome` is `different`, `small` (less than `margin` to either side) or "" while it is open. `difference`, its
    interval and `margin` are shares of 1, over `pairs` of which the run won `better` and lost `worse`; `p` and
    `p_holm`, adjusted for the `comparisons` of the command, hold at any time; `sure` is the certainty of "different"
    and of the interval, `power` that of not calling a difference of the margin small. `grader` gave the verdicts.
    `both` of the pairs have two right answers; None in what earlier versions stored.
    """

    run: str
    baseline: str
    outcome: Outcome
    pairs: int
    better: int
    worse: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    margin: float
    sure: float
    power: float
    comparisons: int
    grader: str
    both: int | None = None


_decode = damage_checked(msgspec.json.Decoder(StoppedComparison).decode)


def put_comparisons(run: Run, comparisons: Iterable[StoppedComparison]) -> None:
    """Keep what comparisons of a run, or those that it is the baseline of, came to; the newest with each run counts."""
    rows = [(KIND, _other(run, one), msgspec.json.encode(one).decode()) for one in comparisons]
    put_rows(run, rows, author="stepdown")


def stored_comparisons(run: Run) -> dict[str, StoppedComparison]:
    """Return what comparisons of a run came to, by the id of the other run."""
    if run.store.value("pragma user_version") < LABELS_SINCE:
        return {}
    rows = run.store.db.execute(
        "select item, value from labels where run = ? and kind = ? and value != '' order by item", (run.id, KIND)
    )
    return {other: _decode(body.encode()) for other, body in rows}


def _other(run: Run, one: StoppedComparison) -> str:
    return one.run if run.id == one.baseline else one.baseline
