"""A derived run is a copy that is sound whoever else solves, mends or rules while it is made."""

import asyncio
import re

import msgspec
import pytest

from stepdown.errors import CallFailed, Interrupted
from stepdown.models import ScriptedModel
from stepdown.runner import Calls, run
from stepdown.runner.deltas import finished
from stepdown.runner.rerun import solve_again
from stepdown.store import Run, Store
from stepdown.store.corrections import correct
from stepdown.store.derived import carry_over
from stepdown.store.summaries import SummaryCheck, mend
from stepdown.types import Messages, Plan, Sampling
from worlds import derived, sums, teacher


class Student:
    """Adds one rightly, if the plan says `with care`; while it is `down`, every call fails."""

    def __init__(self) -> None:
        self.down: set[int] = set()
        self.model = ScriptedModel(self.answer, "student")

    def answer(self, messages: Messages, sampling: Sampling, sample: int) -> str:
        text = messages[-1].content
        found = re.search(r"What is (\d+) plus one", text)
        assert found, "every question is of this kind"
        number = int(found[1])
        if number in self.down:
            raise CallFailed("down", "wait")
        return f"Answer: {number + 1 if 'with care' in text else 99}"


def solved(store: Store, student: Student, count: int = 3) -> Run:
    return run(sums(count), "trace-of-thought", student=student.model, teacher=teacher(), store=store)


def careful(of: Run, number: int) -> Plan:
    plan = of.trace(f"sums/test/{number}").plan
    assert plan is not None, "every problem of this run has a plan"
    return plan.edit("Add one with care.", author="Ann")


def outcomes(of: Run) -> list[tuple[str | None, str]]:
    return [(trace.solution, grade.verdict) for trace, grade in of.graded()]


def mend_both(first: Run, student: Student, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Solve two problems again at once, the copy for the one being slow: it ends when the other is kept."""
    monkeypatch.setattr("stepdown.store.derived.PIECE", 1)

    async def work() -> Run:
        calls = Calls(first.store)
        both = [
            solve_again(first, f"sums/test/{number}", plan=careful(first, number), student=student.model, calls=calls)
            for number in (0, 1)
        ]
        one, _ = await asyncio.gather(*map(finished, both))
        await calls.close()
        return one.run

    return asyncio.run(work())


def test_two_problems_solved_again_at_once_are_both_kept_with_their_own_grades(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = Student()
    found = mend_both(solved(store, student, 40), student, monkeypatch)
    assert outcomes(found)[:3] == [("Answer: 1", "right"), ("Answer: 2", "right"), ("Answer: 99", "wrong")]


def test_what_is_solved_while_a_slower_copy_is_made_keeps_its_own_grade(store: Store) -> None:
    student = Student()
    first = solved(store, student)

    def meanwhile() -> bool:
        if len(store.runs()) == 1:
            carry_over(first, derived(first))
            mended = msgspec.structs.replace(first.trace("sums/test/1"), solution="Answer: 2")
            run = store.run(derived(first).id)
            run.put_trace(1, mended)
            run.put_grades([(1, 0, msgspec.structs.replace(next(first.graded())[1], verdict="right"))])
        return False

    assert outcomes(carry_over(first, derived(first), stopped=meanwhile))[1] == ("Answer: 2", "right")


def test_a_copy_has_summaries_of_the_blocks_that_it_has_and_of_no_other(store: Store) -> None:
    copy = carry_over(first := solved(store, Student()), derived(first))
    store.open_blocks.close()
    assert mend(store, copy.id) == SummaryCheck(sound=2)


def test_what_was_mended_since_an_interrupted_copy_is_copied_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stepdown.store.derived.PIECE", 1)
    student = Student()
    student.down = {0}
    first = solved(store, student)
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        carry_over(first, derived(first), stopped=lambda: next(asked))
    student.down = set()
    first = solved(store, student)
    assert outcomes(carry_over(first, derived(first))) == outcomes(first) == [("Answer: 99", "wrong")] * 3


def test_a_failed_call_that_the_first_run_mends_is_mended_in_its_copy(store: Store) -> None:
    student = Student()
    student.down = {0}
    first = solved(store, student)
    assert outcomes(carry_over(first, derived(first)))[0] == (None, "ungraded")
    student.down = set()
    first = solved(store, student)
    assert outcomes(carry_over(first, derived(first))) == outcomes(first) == [("Answer: 99", "wrong")] * 3


def test_a_run_with_far_places_is_copied_by_its_traces(store: Store) -> None:
    first = solved(store, Student())
    first.put_trace(2**40, first.trace("sums/test/2"))
    assert len(carry_over(first, derived(first))) == 4


def test_what_the_first_run_solved_later_is_graded_where_corrections_are_shown(store: Store) -> None:
    student = Student()
    first = solved(store, student, 3)

    async def work(number: int) -> Run:
        calls = Calls(store)
        plan = careful(first, number)
        problem = f"sums/test/{number}"
        found = await finished(solve_again(first, problem, plan=plan, student=student.model, calls=calls))
        await calls.close()
        return found.run

    found = asyncio.run(work(1))
    correct(found, (0, 0), verdict="ungraded", author="Ann")
    later = msgspec.structs.replace(first.trace("sums/test/2"), problem=list(sums(4))[3])
    first.put_trace(3, later)
    first.put_grades([(3, 0, next(first.graded())[1])])
    assert [verdict for _, verdict in outcomes(asyncio.run(work(2)))] == ["ungraded", "right", "right", "wrong"]


def test_what_another_person_ruled_in_a_copy_is_not_overruled_by_the_first_run(store: Store) -> None:
    first = solved(store, Student())
    found = carry_over(first, derived(first))
    correct(first, (0, 0), verdict="right", author="Ann")
    assert outcomes(found)[0][1] == "right"
    correct(first, (0, 0), verdict="wrong", author="Ann", why="after all")
    assert outcomes(found)[0][1] == "wrong"
    correct(found, (0, 0), verdict="ungraded", author="Bob", why="it can be read both ways")
    correct(first, (0, 0), verdict="right", author="Ann", why="no, it is right")
    assert outcomes(found)[0][1] == "ungraded"
