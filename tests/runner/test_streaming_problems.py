"""A problem solved while somebody reads along ends in the same traces as one that is solved unseen."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stepdown.errors import CallFailed, EndpointRefused, UsageError
from stepdown.methods import METHODS, load_method
from stepdown.models import ScriptedModel
from stepdown.runner import Calls, Delta, Plans, Task, solve_one, stream_one
from stepdown.store import Run, Store, StoredTrace
from stepdown.types import Ask, Message, Messages, Method, Plan, Problem, Reply, Sampling, Settings, Trace
from worlds import DIRECT, TRACED, LastWord, sums

TWO = Problem("served/1", "What is 2 plus one?", "", kind="text")
PLAN = "1. Take the number.\n2. Add one to it."
WARM = Sampling(temperature=1.0)


def solver(messages: Messages, sampling: Sampling, sample: int) -> str:
    return f"Two and one is three, draw {sample}. Answer: 3"


def task(**changes: Any) -> Task:
    return Task(**{
        "problems": sums(1), "method": TRACED, "student": ScriptedModel(solver, "student"),
        "teacher": ScriptedModel(lambda messages, sampling, sample: PLAN, "teacher"), "grader": LastWord(), **changes,
    })  # fmt: skip


def heard(task: Task, store: Store, **given: Any) -> tuple[list[Delta], list[StoredTrace]]:
    async def work() -> list[Delta | StoredTrace]:
        return [piece async for piece in stream_one(task, TWO, Calls(store), **given)]

    every = asyncio.run(work())
    rows = [piece for piece in every if isinstance(piece, StoredTrace)]
    pieces = [piece for piece in every if isinstance(piece, Delta)]
    assert every == [*pieces, *rows], "rows come after all pieces"
    return [piece for piece in pieces if piece.text], rows


def said(pieces: list[Delta], role: str, sample: int = 0) -> str:
    return "".join(piece.text for piece in pieces if (piece.role, piece.sample) == (role, sample))


def test_the_plan_is_heard_first_then_the_solution(store: Store) -> None:
    pieces, [row] = heard(task(), store)
    assert [piece.role for piece in pieces] == ["teacher"] * 9 + ["student"] * 9
    assert said(pieces, "teacher") == PLAN == (row.trace.plan and row.trace.plan.text)
    assert said(pieces, "student") == row.trace.solution == "Two and one is three, draw 0. Answer: 3"


@pytest.mark.parametrize("method", [name for name, one in METHODS.items() if not one.shows_examples])
def test_the_trace_is_that_of_a_problem_solved_unseen(method: str, store: Store, tmp_path: Path) -> None:
    asked = task(method=load_method(method))
    _, [row] = heard(asked, store)
    with Store(tmp_path / "unseen.sqlite") as other:
        unseen = asyncio.run(solve_one(task(method=load_method(method)), TWO, None, Calls(other)))
    assert row.trace == unseen
    assert len(store.replies(row.keys)) == len(set(row.keys)) and len(row.keys) == len(row.trace.calls)


def test_a_method_without_plans_says_only_its_solution(store: Store) -> None:
    pieces, [row] = heard(task(method=DIRECT), store)
    assert {piece.role for piece in pieces} == {"student"} and row.trace.plan is None


async def twice(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    draft = await ask("student", "Draft it.")
    return (await ask("student", f"Mend it: {draft}")).upper()


def test_of_several_replies_of_a_student_only_the_solution_is_said(store: Store) -> None:
    pieces, rows = heard(task(method=Method("twice", twice), sampling=WARM, samples=2), store)
    assert [len(row.trace.calls) for row in rows] == [2, 2]
    assert [said(pieces, "student", sample) for sample in range(2)] == [row.trace.solution for row in rows]


def test_all_samples_follow_one_plan_and_their_pieces_say_whose_they_are(store: Store) -> None:
    pieces, rows = heard(task(samples=3, sampling=WARM), store)
    assert said(pieces, "teacher") == PLAN
    assert [row.trace.solution for row in rows] == [said(pieces, "student", sample) for sample in range(3)]
    assert [row.trace.sample for row in rows] == [0, 1, 2]
    assert len({row.trace.solution for row in rows}) == 3


def test_a_plan_that_is_given_or_recorded_is_heard_in_one_piece(store: Store) -> None:
    given = Plan("Add.", author="Mary", edited_from=PLAN)
    recorded = Plans(source="file", recorded={TWO.question: Plan("Count.", author="file")})
    for asked, plan, text in ((task(teacher=None), given, "Add."), (task(plans=recorded), None, "Count.")):
        pieces, [row] = heard(asked, store, plan=plan)
        assert pieces[0] == Delta("teacher", text) and pieces[1].role == "student"
        assert row.trace.plan and row.trace.plan.text == text and len(row.trace.calls) == 1


def test_a_student_that_plans_for_itself_is_heard_as_the_teacher(store: Store) -> None:
    planning = ScriptedModel({"Follow this plan": "Answer: 3", "Write a plan": PLAN}, "student")
    pieces, [row] = heard(task(student=planning, teacher=None, plans=Plans(source="own")), store)
    assert (said(pieces, "teacher"), said(pieces, "student")) == (PLAN, "Answer: 3")
    assert row.trace.plan and row.trace.plan.author == "student"


def test_a_failed_call_is_the_error_of_every_row(store: Store) -> None:
    failing = ScriptedModel(lambda messages, sampling, sample: CallFailed("the line is down"), "broken")
    _, rows = heard(task(teacher=failing, samples=2, sampling=WARM), store)
    assert [(row.trace.error, row.trace.solution) for row in rows] == [("the line is down", None)] * 2
    pieces, [row] = heard(task(student=failing), store)
    assert said(pieces, "teacher") == PLAN and row.trace.error == "the line is down"


def test_what_ends_every_call_is_raised(store: Store) -> None:
    refusing = ScriptedModel([EndpointRefused("401")], "refusing")
    with pytest.raises(EndpointRefused, match="401"):
        heard(task(student=refusing), store)
    with pytest.raises(UsageError, match="there is no teacher"):
        heard(task(teacher=None), store)


def test_a_context_stands_before_the_prompt_and_system_lines_become_one(store: Store) -> None:
    context = (Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hello to you."))
    asked = task()
    _, [row] = heard(asked, store, context=context)
    own = asked.prompts.system, asked.prompts.teacher_system
    for call, system in zip(row.trace.calls, reversed(own), strict=True):
        assert [message.role for message in call.messages] == ["system", "user", "assistant", "user"]
        assert call.messages[0].content == f"Be brief.\n\n{system}"
        assert call.messages[1:3] == context[1:] and TWO.question in call.messages[3].content


def test_who_closes_it_ends_the_calls_that_nobody_else_waits_for(store: Store) -> None:
    async def work() -> None:
        calls = Calls(store)
        async with aclosing(stream_one(task(), TWO, calls)) as pieces:
            assert [await anext(pieces), await anext(pieces)] == [Delta("teacher", ""), Delta("teacher", "1. ")]
        every = [piece async for piece in stream_one(task(), TWO, calls)]
        assert isinstance(every[-1], StoredTrace) and every[-1].trace.solution
        assert (calls.sent, calls.found) == (3, 0)

    asyncio.run(work())


def served(store: Store) -> Run:
    return store.open_run(Settings(dataset="served", problems="", count=0, method="direct", student="s", samples=2))


def test_a_served_trace_goes_after_all_others_and_its_samples_together(store: Store) -> None:
    run = served(store)
    places = []
    for number, sample in ((1, 0), (2, 0), (1, 1), (2, 1), (2, 1), (3, 0), (1, 0)):
        problem = msgspec.structs.replace(TWO, id=f"served/{number}")
        places.append(run.append(Trace(problem, "direct", solution=f"{number}", sample=sample), ()))
    assert places == [0, 1, 0, 1, 2, 3, 4]
    assert len(run) == 7 and run.trace("served/2", 1).solution == "2"


def test_an_appended_trace_keeps_its_calls(store: Store) -> None:
    _, [row] = heard(task(), store)
    run = served(store)
    assert run.append(row.trace, row.keys) == 0
    [kept] = run.traces()
    assert [call.reply.text for call in kept.calls] == [PLAN, row.trace.solution]


def test_a_reply_with_broken_unicode_is_mended_in_pieces_and_text_alike(store: Store) -> None:
    broken = ScriptedModel([Reply("half \ud83d done", "student")], "student")
    pieces, [row] = heard(task(method=DIRECT, student=broken), store)
    assert said(pieces, "student") == row.trace.solution == "half ? done"
