"""A judge in place of the rule: asked once, kept under its name, and counted only where it is asked for."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from stepdown.audits import adherence, audit, judge_plans, kept_judge, kept_judges, letters_of_judges
from stepdown.errors import CallFailed, UnknownName
from stepdown.measuring import cached_model
from stepdown.models import ScriptedModel
from stepdown.reports import report
from stepdown.store import Run, Store
from stepdown.types import Grade, Messages, Plan, Problem, Sampling, Trace, Verdict
from stored_runs import keep_run

PLAN = "1. Add the 4 bought eggs to the 3 eggs.\n2. Multiply the eggs by the 2 dollars."
DONE = "1. The eggs: 3 + 4 = 7.\n2. The dollars: 7 x 2 = 14."
LEFT = "The eggs: 3 + 4 = 7. That is all."
NAME = "openai/judge"


def planned(store: Store, attempts: Sequence[tuple[str, Verdict]]) -> Run:
    rows = [
        [(Trace(Problem(f"eggs/{n}", f"{n} eggs?", "14"), "trace-of-thought", Plan(PLAN, "t"), solution=solution),
          Grade(verdict, "14", "", "default@2"))]
        for n, (solution, verdict) in enumerate(attempts)
    ]  # fmt: skip
    return keep_run(store, rows, method="trace-of-thought", plans="teacher")


def says(messages: Messages, sampling: Sampling, sample: int) -> str:
    return '{"1": "done", "2": "%s", "added": 1}' % ("skipped" if LEFT in messages[-1].content else "done")


def judge(store: Store, reply: object = says) -> ScriptedModel:
    return ScriptedModel(reply if callable(reply) else lambda *asked: str(reply), NAME, version="1")


def test_a_judges_letters_count_in_place_of_the_rules_where_it_is_named(store: Store) -> None:
    run = planned(store, [(DONE, "right"), (LEFT, "wrong"), (DONE, "wrong")])
    found = asyncio.run(judge_plans([run], judge(store)))
    assert (found.traces, found.judged, found.failed, found.unread) == (3, 3, 0, 0)
    [name] = kept_judges([run])
    by = adherence(run, judge=kept_judge([run], name))
    assert by and (by.by, by.steps, by.done, by.skipped, by.added) == (found.by, 6, 5, 1, 3)
    assert (by.followed, by.followed_right, by.others, by.others_right) == (2, 1, 1, 0)
    assert report(run, followed=name).adherences == (by,) and report(run, followed=None).adherences[0].by == "rule"


def test_a_judge_is_asked_once_and_only_about_the_first_where_that_is_asked(store: Store) -> None:
    run, model = planned(store, [(DONE, "right"), (LEFT, "wrong"), (f"{DONE} ", "wrong")]), judge(store)
    cached = cached_model(model, store)
    first = asyncio.run(judge_plans([run], cached, most=1))
    assert (first.traces, first.judged, len(list(store.paid([""])))) == (1, 1, 1)
    asked = [asyncio.run(judge_plans([run], cached)) for _ in range(2)]
    assert asked[0] == asked[1] and asked[0].judged == 3
    assert len(list(store.paid([""]))) == 3


@pytest.mark.parametrize("reply", ["I cannot say.", '{"1": "done"}', "{" * 5_000])
def test_a_reply_that_cannot_be_read_leaves_a_trace_without_letters(store: Store, reply: str) -> None:
    run = planned(store, [(DONE, "right")])
    found = asyncio.run(judge_plans([run], judge(store, reply)))
    assert (found.judged, found.unread) == (0, 1)
    by = adherence(run, judge=kept_judge([run], found.by.removeprefix("judge:")))
    assert by and (by.traces, by.not_lined_up, by.share) == (0, 1, None)


def test_a_call_that_fails_is_counted_and_the_others_are_kept(store: Store) -> None:
    def failing(messages: Messages, sampling: Sampling, sample: int) -> str:
        if LEFT in messages[-1].content:
            raise CallFailed("no answer", "ask again")
        return says(messages, sampling, sample)

    run = planned(store, [(DONE, "right"), (LEFT, "wrong")])
    found = asyncio.run(judge_plans([run], judge(store, failing)))
    assert (found.judged, found.failed, found.unread) == (1, 1, 0)


def test_blame_falls_on_the_student_where_a_judge_finds_a_step_left(store: Store) -> None:
    run = planned(store, [(LEFT, "wrong"), (DONE, "wrong")])
    found = asyncio.run(judge_plans([run], judge(store, '{"1": "done", "2": "changed"}')))
    cases = audit(run, judge=kept_judge([run], found.by.removeprefix("judge:"))).cases
    assert [one.blame for one in cases] == ["student", "student"]
    assert all("step 2 of the plan is changed" in one.why and NAME in one.why for one in cases)
    assert [one.blame for one in audit(run).cases] == ["student", "plan"]


def test_letters_are_of_one_trace_and_one_judge(store: Store) -> None:
    run = planned(store, [(DONE, "right"), (LEFT, "wrong")])
    found = asyncio.run(judge_plans([run], judge(store), most=1))
    first, second = run.traces()
    assert letters_of_judges(run, first, 0) == {found.by.removeprefix("judge:"): "dda"}
    assert letters_of_judges(run, second, 1) == {}
    assert letters_of_judges(run, msgspec.structs.replace(first, solution=LEFT), 0) == {}


def test_a_judge_that_said_nothing_is_unknown(store: Store) -> None:
    with pytest.raises(UnknownName, match="there is no judge of steps `openai/other`"):
        kept_judge([planned(store, [(DONE, "right")])], "openai/other")
    with pytest.raises(UnknownName, match="there is no judge of steps `openai/other`"):
        report(*store.runs(), followed="openai/other")
