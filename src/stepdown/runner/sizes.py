"""How many bytes a task would add to the store, and write to a corpus."""

from collections.abc import Sequence

from stepdown.runner.call_profiles import CallProfile, Estimated
from stepdown.runner.planned_calls import PlannedProblem
from stepdown.runner.task import Task

# Bytes beside the texts, as stores of one and a half thousand rows had them: keys, names, times, usage, JSON's own.
CALL_ROW, CALL_INDEXES = 270, 65
TRACE_ROW, TRACE_INDEXES = 150, 210
TRACE_CALL = 60
PROBLEM_ROW = 150
EMPTY_STORE = 60_000
_PAGE, _USED = 4096, 4080
# Rows that come in no order leave this share of their pages empty; one of a table without row ids that is longer than
# a quarter of a page goes on in pages of its own.
_GAPS, _INLINE = 1.45, 1000
# What lies in a corpus beside the chains' texts, a chain, and what is left of texts where nobody measured it.
_CHAIN, _KEPT = 30, Estimated(0.2, 0.35, 0.6)
_STORE = Estimated(0.75, 1.0, 1.35)


def store_bytes(task: Task, profiles: Sequence[CallProfile], problems: Sequence[PlannedProblem]) -> Estimated:
    """Return what the calls and traces of these problems take in the store's file."""
    totals = []
    for bound in range(3):
        lengths = [profile.characters * _lengths(profile)[bound] for profile in profiles]
        calls = sum(
            one.draws * (_paged(CALL_ROW + one.size + lengths[one.profile]) + CALL_INDEXES)
            for problem in problems
            for one in problem.requests
        )
        plan = lengths[0] if task.method.plan is not None else 0.0
        fresh = [one for one in problems if one.requests]
        traces = sum(
            task.samples * (_inlined(TRACE_ROW + lengths[-1] + plan + TRACE_CALL * one.calls / task.samples))
            + task.samples * TRACE_INDEXES
            + _inlined(PROBLEM_ROW + one.size)
            for one in fresh
        )
        totals.append(calls + traces)
    low, value, high = totals
    return Estimated(low * _STORE.low, value * _STORE.value, high * _STORE.high + EMPTY_STORE)


def _lengths(profile: CallProfile) -> tuple[float, float, float]:
    """Return the bounds on the length of a reply, as factors on it."""
    value = max(profile.output.value, 1e-9)
    return profile.output.low / value, 1.0, profile.output.high / value


def _paged(size: float) -> float:
    """Return the bytes of a row of the calls in pages that hold whole rows."""
    if size > _USED:
        return _PAGE * -(-size // (_PAGE - 4))
    rows = _USED // (size + 8)
    return float(_PAGE) if rows == 1 else (_PAGE / rows + size) / 2


def _inlined(size: float) -> float:
    """Return the bytes of a row of a table without row ids, whose rows come in no order."""
    if size <= _INLINE:
        return size * _GAPS
    return _INLINE / 2 * _GAPS + _PAGE * -(-(size - _INLINE / 2) // (_PAGE - 4))


def corpus_bytes(profiles: Sequence[CallProfile], task: Task, problems: Sequence[PlannedProblem]) -> Estimated:
    """Return what a corpus of these problems' chains takes: parquet, compressed."""
    profile, chains = profiles[-1], len(problems) * task.samples
    kept = _KEPT if profile.kept is None else Estimated(0.6 * profile.kept, profile.kept, 1.5 * profile.kept)
    low, value, high = (
        chains * (_CHAIN + profile.characters * share * length)
        for share, length in zip((kept.low, kept.value, kept.high), _lengths(profile), strict=True)
    )
    return Estimated(low, value, high)
