"""Problems whose verdict differs between two runs, paired by question as in a report, by vote where they vote."""

from array import array
from collections.abc import Iterator

import msgspec

from stepdown.graders import majority_grade
from stepdown.reports.sampled_blocks import TraceKey, all_single, full_attempts, problems_of
from stepdown.store import ChangeKind, Run, VerdictChange, VerdictChanges, trace_keys, unpacked, verdicts_of
from stepdown.types import Grade, Problem, Verdict

_LONGEST = 300  # characters of a question that are kept
_KINDS: dict[ChangeKind, set[Verdict]] = {"won": {"right"}, "lost": {"wrong"}, "any": {"right", "wrong"}}
Judged = tuple[int, TraceKey, Verdict]


class AllVerdictChanges(msgspec.Struct, frozen=True):
    """All problems that turned between two runs, in the order of the second, and how many both have graded.

    `places` has four numbers for each: ordinal and sample of its first trace in either run; `turned` what it is now.
    """

    places: "array[int]"
    turned: tuple[Verdict, ...]
    paired: int

    def some(self, kind: ChangeKind, *, before: Run, after: Run, offset: int, count: int) -> VerdictChanges:
        """Return `count` of one kind from `offset` on; their texts are read from the two runs."""
        found = [index for index, verdict in enumerate(self.turned) if verdict in _KINDS[kind]]
        places = (self.places[4 * index : 4 * index + 4] for index in found[offset : offset + count])
        some = (_change(_read(before, (place[0], place[1])), _read(after, (place[2], place[3]))) for place in places)
        return VerdictChanges(tuple(some), len(found), by_id=False)


def _change(before: tuple[Problem, Grade], after: tuple[Problem, Grade]) -> VerdictChange:
    (first, was), (problem, grade) = before, after
    return VerdictChange(
        problem=first.id,
        other=problem.id,
        question=problem.question[:_LONGEST],
        gold=problem.answer,
        before=was.verdict,
        after=grade.verdict,
        found_before=was.found,
        found_after=grade.found,
    )


def all_verdict_changes(before: Run, after: Run) -> AllVerdictChanges:
    """Return what turned between two runs, by their summaries; a problem of several samples by their vote."""
    known: dict[int, int] = {}
    places, verdicts = array("q"), list[Verdict]()
    for number, (question, trace_key, verdict) in enumerate(_judged(before)):
        known[_next_free(question, known)] = number
        places.extend(trace_key)
        verdicts.append(verdict)
    seen: dict[int, int] = {}
    found, turned, paired = array("q"), list[Verdict](), 0
    for question, trace_key, verdict in _judged(after):
        key = _next_free(question, seen)
        seen[key] = 0
        number = known.get(key, -1)
        if number < 0 or "ungraded" in (verdict, verdicts[number]):
            continue
        paired += 1
        if verdict != verdicts[number]:
            found.extend((*places[2 * number : 2 * number + 2], *trace_key))
            turned.append(verdict)
    return AllVerdictChanges(found, tuple(turned), paired)


def _next_free(key: int, taken: dict[int, int]) -> int:
    while key in taken:
        key += 1
    return key


def _judged(run: Run) -> Iterator[Judged]:
    """Stream (question, first trace, verdict) of a run's problems."""
    if run.settings.samples == 1 and all_single(run):
        for block, grades in run.columns():
            yield from zip(unpacked("q", block.questions), trace_keys(block), verdicts_of(block, grades), strict=True)
        return
    for one in problems_of(run, ""):
        yield one.question, one.trace_key, majority_grade(one.attempts).verdict


def _read(run: Run, trace_key: TraceKey) -> tuple[Problem, Grade]:
    attempts = full_attempts(run, "", trace_key)
    return attempts[0][0].problem, majority_grade(attempts)
