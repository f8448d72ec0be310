"""The alarm of a served cascade: whether it hands on another share of questions than it was calibrated for."""

import sys

import msgspec

from stepdown.stats import drift, vouched_interval
from stepdown.store import HandedOn, Run, StoredTrace, handed_on, keep_handed_on
from stepdown.types import Sampling

_MEANING = {
    1: "its questions or models are others than those it was calibrated on, so what it was chosen for (its losses, its "
    "price) no longer holds",
    -1: "its questions or models are others than those it was calibrated on: it may keep wrong answers that it should "
    "hand on, and what it was chosen for no longer holds",
}
WAY_OUT = "run both halves over questions like the ones that come now, `stepdown calibrate` again, and put its lines "
WAY_OUT += "into stepdown.toml"


class Calibrated(msgspec.Struct, frozen=True):
    """What a cascade was calibrated on: `handed_on` of `total` problems, by one of as many thresholds as `votes`.

    `name` is what it is served by, `drawn` how its votes are drawn.
    """

    name: str
    handed_on: int
    total: int
    votes: int
    drawn: Sampling

    def watch(self, run: Run, row: StoredTrace) -> HandedOn | None:
        """Count a question that was answered; return the count where this is what raises the alarm.

        Counted is a question whose plan was written for it, so that one asked again does not count twice, and whose
        votes were drawn as at the calibration. What other servers count in the same store meanwhile is waited for and
        added to. Raises `StoreError`.
        """
        went = went_on(row, self.drawn)
        if went is None:
            return None
        with run.store.writing():
            return self._count(run, went)

    def _count(self, run: Run, went: bool) -> HandedOn | None:
        before = handed_on(run, self.handed_on, self.total) or self._none
        now = msgspec.structs.replace(before, name=self.name, on=before.on + went, seen=before.seen + 1)
        if not before.alarm:
            alarm = drift(now.on, now.seen, vouched_interval(self.handed_on, self.total, looks=self.votes))
            now = msgspec.structs.replace(now, alarm=alarm, alarm_at=now.seen if alarm else 0)
        keep_handed_on(run, now)
        return now if now.alarm and not before.alarm else None

    @property
    def _none(self) -> HandedOn:
        return HandedOn(name=self.name, handed_on=self.handed_on, calibrated_on=self.total)


def went_on(row: StoredTrace, drawn: Sampling) -> bool | None:
    """Whether a cascade handed a question on to its teacher; None where that says nothing of those that come."""
    calls = row.trace.calls
    plans = [call for call in calls if call.role == "teacher"]
    votes = [call for call in calls if call.role == "student" and call.sampling.temperature > 0]
    otherwise = any(call.sampling.compared != drawn.compared for call in votes)
    if not (plans and votes) or plans[0].reply.cached or otherwise:
        return None
    # Votes are never greedy and the last solution always is; what failed came after the votes.
    return row.failure is not None or any(call.role == "student" and call not in votes for call in calls)


def alarm_text(count: HandedOn) -> str:
    """What an alarm means, with its figures; "" where there is none."""
    if not count.alarm:
        return ""
    more = "more" if count.alarm > 0 else "fewer"
    figures = f"{count.on} of {count.seen}, against {count.handed_on} of {count.calibrated_on} when it was calibrated"
    what = f"cascade `{count.name}` hands on {more} questions than it was calibrated for ({figures})"
    return f"{what}: {_MEANING[count.alarm]}"


def tell(count: HandedOn) -> None:
    """Write an alarm to the server's log, which is stderr."""
    print(f"drift: {alarm_text(count)}", f"hint: {WAY_OUT}", sep="\n", file=sys.stderr, flush=True)
