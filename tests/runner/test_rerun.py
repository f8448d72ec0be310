"""A problem is solved again by an edited plan in a run of its own, which differs from the first in that alone."""

import asyncio
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest

from command_line import sums_at_hand
from stepdown.cli import main
from stepdown.errors import CallFailed, Interrupted, UnknownName, UsageError
from stepdown.models import ScriptedModel
from stepdown.reports import report
from stepdown.runner import Calls, Task, run, run_tasks
from stepdown.runner.deltas import finished
from stepdown.runner.rerun import Rerun, solve_again
from stepdown.store import Run, Store
from stepdown.store.corrections import copied_from, copies_of, correct
from stepdown.store.derived import carry_over
from stepdown.types import Model, Plan, Sampling
from worlds import P1, TRACED, LastWord, derived, follower, sums, teacher


def scripted(name: str = "student") -> ScriptedModel:
    return ScriptedModel(follower, name)


@pytest.fixture
def first(store: Store) -> Run:
    """A run of three problems, number 1 wrong."""
    return run(sums(3), "trace-of-thought", student=scripted(), teacher=teacher(), store=store)


def edited(of: Run) -> Plan:
    plan = of.trace(P1).plan
    assert plan is not None, "every problem of this run has a plan"
    return plan.edit("Take the number.", "Add one with care.", author="Ann", why="it was careless")


def again(of: Run, plan: Plan, student: Model | None = None, problem: str = P1) -> Rerun:
    async def work() -> Rerun:
        calls = Calls(of.store)
        try:
            solving = solve_again(of, problem, plan=plan, student=student or scripted(), calls=calls, seconds=9)
            return await finished(solving)
        finally:
            await calls.close()

    return asyncio.run(work())


def verdicts(of: Run) -> list[str]:
    return [grade.verdict for _, grade in of.graded()]


def test_the_derived_run_begins_as_a_copy_so_that_a_report_shows_exactly_the_flip(first: Run) -> None:
    found = again(first, edited(first))
    assert found.flip == ("wrong", "right")
    assert (verdicts(first), verdicts(found.run)) == (["right", "wrong", "right"], ["right", "right", "right"])
    row = report(first, found.run, baseline=first).rows[1]
    assert (row.paired, row.better, row.worse) == (3, 1, 0)


def test_the_derived_run_says_what_it_was_edited_from(first: Run) -> None:
    found = again(first, edited(first)).run
    assert found.settings.plans == f"edited/{first.id}"
    plan = found.trace(P1).plan
    assert plan is not None and (plan.author, plan.why) == ("Ann", "it was careless")
    assert plan.edited_from == "1. Take the number.\n2. Add one to it."


def test_the_edit_is_kept_in_the_first_run_with_its_seconds(first: Run) -> None:
    again(first, edited(first))
    (edit,) = first.edits()
    assert (edit.problem, edit.plan.author, edit.seconds) == (P1, "Ann", 9)


def test_only_what_is_solved_again_is_asked_again(first: Run) -> None:
    student = scripted()
    again(first, edited(first), student)
    again(first, edited(first), student)
    assert len(student.calls) == 1 and len(first.edits()) == 1


def test_a_second_problem_joins_the_same_derived_run(first: Run) -> None:
    found = again(first, edited(first)).run
    plan = Plan("1. Guess.", "teacher").edit("Guess again.", author="Bob")
    also = again(first, plan, problem="sums/test/2").run
    assert also.id == found.id and verdicts(also) == ["right", "right", "right"]
    assert [trace.plan.author for trace in also.traces() if trace.plan] == ["teacher", "Ann", "Bob"]


def test_another_student_gets_a_run_of_its_own_that_holds_only_what_it_solved(first: Run) -> None:
    found = again(first, edited(first), scripted("other"))
    assert (found.run.settings.student, len(found.run), found.flip) == ("other", 1, ("wrong", "right"))
    ((ordinal, _, _),) = found.run.attempts(P1)
    assert ordinal == 1


def test_every_sample_is_solved_again_and_the_vote_flips(store: Store) -> None:
    sampling = Sampling(temperature=0.7)
    first = run(sums(2), "trace-of-thought", student=scripted(), teacher=teacher(), sampling=sampling, samples=3,
                store=store)  # fmt: skip
    found = again(first, edited(first))
    assert found.flip == ("wrong", "right") and [trace.sample for trace, _ in found.after] == [0, 1, 2]
    assert verdicts(found.run) == ["right"] * 6


def test_solving_again_draws_again_where_the_student_is_drawn(store: Store) -> None:
    turns = count()
    student = ScriptedModel(lambda messages, sampling, sample: f"Answer: {next(turns)}", "student")
    of = run(sums(2), "trace-of-thought", student=student, teacher=teacher(), sampling=Sampling(0.7), samples=2,
             store=store)  # fmt: skip
    texts = [[trace.solution for trace, _ in again(of, edited(of), student).after] for _ in range(3)]
    assert len({text for some in texts for text in some}) == 6


def test_corrections_of_the_first_run_are_seen_in_the_derived_one(first: Run) -> None:
    correct(first, (0, 0), verdict="wrong", author="Ann")
    found = again(first, edited(first)).run
    assert found.grader == "default@2+person" and verdicts(found) == ["wrong", "right", "right"]
    assert [grade.verdict for _, grade in found.graded("default@2")] == ["right", "right", "right"]


def test_a_later_correction_reaches_the_copy_of_the_trace(first: Run) -> None:
    found = again(first, edited(first)).run
    correct(first, (2, 0), verdict="wrong", author="Ann", why="misread", found="7")
    assert found.grader == "default@2+person" and verdicts(found) == ["right", "right", "wrong"]
    assert [grade for _, grade in found.graded()][2] == [grade for _, grade in first.graded()][2]


def test_a_later_correction_does_not_reach_what_was_solved_again(first: Run) -> None:
    found = again(first, edited(first)).run
    correct(first, (1, 0), verdict="ungraded", author="Ann")
    assert (verdicts(found), found.grader) == (["right"] * 3, "default@2")
    assert copies_of(first, (1, 0)) == [] and copied_from(found, (1, 0)) == ""


def test_a_correction_reaches_copies_of_copies_and_one_in_a_copy_stays_there(first: Run) -> None:
    found = again(first, edited(first)).run
    also = again(found, edited(found), problem="sums/test/2").run
    assert copies_of(first, (0, 0)) == [found.id, also.id] and copied_from(also, (0, 0)) == found.id
    correct(first, (0, 0), verdict="wrong", author="Ann")
    assert [verdicts(one)[0] for one in (first, found, also)] == ["wrong"] * 3
    correct(also, (0, 0), verdict="right", author="Bob")
    assert [verdicts(one)[0] for one in (first, found, also)] == ["wrong", "wrong", "right"]


def test_a_person_who_is_corrected_does_not_change_what_another_student_said(first: Run) -> None:
    plan = first.trace(P1).plan
    assert plan is not None, "every problem of this run has a plan"
    other = again(first, plan, scripted("other")).run
    correct(first, (1, 0), verdict="right", author="Ann")
    assert verdicts(other) == ["wrong"]


def test_a_derived_run_is_not_in_the_store_until_it_is_whole(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.store.derived.PIECE", 1)
    asked = iter([False, False, True])
    with pytest.raises(Interrupted):
        carry_over(first, derived(first), stopped=lambda: next(asked))
    assert len(first.store.runs()) == 1
    whole = carry_over(first, derived(first))
    assert list(whole.graded()) == list(first.graded()) and whole.grader == first.grader


def test_a_correction_made_while_a_run_is_copied_is_in_the_copy(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.store.derived.PIECE", 1)
    correct(first, (2, 0), verdict="wrong", author="Ann")
    asked: list[str] = []

    def corrected() -> bool:
        asked.append(correct(first, (0, 0), verdict="wrong", author="Ann") if len(asked) == 1 else "")
        return False

    whole = carry_over(first, derived(first), stopped=corrected)
    assert verdicts(whole) == verdicts(first) == ["wrong", "wrong", "wrong"]


def test_the_event_loop_goes_on_while_a_run_is_copied(first: Run) -> None:
    plan = first.trace(P1).plan
    assert plan is not None, "every problem of this run has a plan"

    async def work() -> bool:
        calls = Calls(first.store)
        with Store(first.store.path) as other:
            with other.writing():  # what was answered is kept already, so that only the copy waits for this
                again = solve_again(first, P1, plan=plan, student=scripted(), calls=calls)
                solving = asyncio.ensure_future(finished(again))
                done, _ = await asyncio.wait([solving], timeout=0.2)
            await solving
        await calls.close()
        return not done

    assert asyncio.run(work()) and len(first.store.runs()) == 2


def test_a_call_that_fails_keeps_the_edit_and_leaves_no_derived_run(first: Run) -> None:
    broken = ScriptedModel([CallFailed("the endpoint is gone")], "student")
    with pytest.raises(CallFailed, match="is gone"):
        again(first, edited(first), broken)
    assert len(first.edits()) == 1 and len(first.store.runs()) == 1


def test_a_method_without_plans_is_refused_before_anything_is_kept(store: Store) -> None:
    first = run(sums(2), "direct", student=scripted(), store=store)
    with pytest.raises(UsageError, match="no plans"):
        again(first, Plan("1. Add.", "x").edit("Add more.", author="Ann"))
    assert first.edits() == []


def test_a_problem_that_the_run_does_not_have_is_refused(first: Run) -> None:
    with pytest.raises(UnknownName):
        again(first, edited(first), problem="sums/test/9")


def test_a_prompt_set_from_a_file_must_be_named(first: Run) -> None:
    settings = msgspec.structs.replace(first.settings, prompt_set="mine", prompts="0123456789ab")
    other = first.store.open_run(settings)
    other.put_traces([])
    for ordinal, trace, _ in first.rows():
        other.put_trace(ordinal, trace)
    with pytest.raises(UsageError, match="`mine`, whose words are not here"):
        again(other, edited(other))


def test_a_grader_of_ones_own_is_not_guessed(store: Store) -> None:
    task = Task(problems=sums(2), method=TRACED, student=scripted(), teacher=teacher(), grader=LastWord())
    (outcome,) = run_tasks([task], store)
    with pytest.raises(UnknownName, match="last-word"):
        again(outcome.run, edited(outcome.run))
    assert outcome.run.edits() == []


# -- the command line


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of a run of two problems in a folder of its own, while the server that solved them answers."""
    monkeypatch.setenv("STEPDOWN_STORE", "s.sqlite")
    with sums_at_hand(tmp_path, monkeypatch, count=2):
        words = ("--method", "trace-of-thought", "--student", "openai/student", "--teacher", "openai/teacher")
        assert main(["run", "sums.jsonl", *words]) == 0
        Path("steps.txt").write_text("Just add.")
        with Store("s.sqlite") as opened:
            yield opened.runs()[0].id


def solve(run: str, *options: str) -> int:
    return main(["plans", run, "--edit", "sums/1", "--steps", "steps.txt", "--author", "Ann", *options])


def test_plans_edit_solve_says_what_flipped_and_where_it_is_kept(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(kept, "--solve", "--json") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["before"], found["after"], found["author"]) == ("right", "right", "Ann")
    with Store("s.sqlite") as opened:
        assert opened.run(found["derived"]).settings.plans == f"edited/{kept}"
        assert [edit.plan.text for edit in opened.run(kept).edits()] == ["1. Just add."]


def test_plans_edit_solve_takes_another_student(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(kept, "--solve", "--student", "openai/other") == 0
    said = capsys.readouterr()
    assert "solving with openai/other" in said.err and "+Just add." in said.out
    with Store("s.sqlite") as opened:
        assert [run.settings.student for run in opened.runs()] == ["openai/student", "openai/other"]


def test_a_student_without_solve_is_refused(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert solve(kept, "--student", "openai/other") == 2
    assert "add --solve" in capsys.readouterr().err
