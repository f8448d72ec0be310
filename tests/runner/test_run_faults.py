"""What a run meets in the world: half-failed draws, full disks, other processes, broken Unicode, changing data."""

import asyncio
import gc
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from faulty_server import faulty_server
from stepdown.errors import BudgetReached, CallFailed, StoreError, UsageError
from stepdown.graders import judged_by
from stepdown.models import EndpointModel, ScriptedModel
from stepdown.models.http.endpoints import endpoint_at
from stepdown.models.http.limits import Limits
from stepdown.problems import Problems
from stepdown.runner import (
    Budget,
    Calls,
    Plans,
    Request,
    Task,
    as_problems,
    close_models,
    load_plans,
    model_of_run,
    run_task,
)
from stepdown.shards import Part
from stepdown.store import Store, StoredCall, call_key
from stepdown.types import Call, Message, Messages, Model, Problem, Reply, Sampling, Usage
from worlds import DIRECT, TRACED, Cents, LastWord, direct, student, sums, teacher

WARM = Sampling(temperature=0.7)
PROMPT = (Message("user", "What is 2 plus one?"),)


class OneByOne(ScriptedModel):
    """A model that gives one reply a request; `seeds` are those it was asked with."""

    seeds: list[int | None]

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        self.seeds = [*getattr(self, "seeds", []), sampling.seed]
        return await super().reply(messages, sampling, 1)


def samples(model: ScriptedModel, count: int, sampling: Sampling = WARM, *, problems: int = 1) -> Task:
    return Task(
        problems=sums(problems), method=DIRECT, student=model, grader=LastWord(), sampling=sampling, samples=count
    )


def test_draws_that_failed_are_asked_again_and_the_others_are_kept(store: Store) -> None:
    def third_fails(messages: Messages, sampling: Sampling, sample: int) -> str | Exception:
        return CallFailed("cut off") if sample == 2 else "Answer: 1"

    first = asyncio.run(run_task(samples(OneByOne(third_fails, "m", version="1"), 5), store))
    assert [trace.error is None for trace in first.run.traces()].count(True) == 4
    again = OneByOne(lambda *_: "Answer: 1", "m", version="1")
    outcome = asyncio.run(run_task(samples(again, 5), store))
    assert len(again.calls) == 1
    assert (outcome.counts.solved, outcome.counts.right, outcome.counts.total) == (5, 5, 5)


def test_problems_that_failed_before_come_last_so_that_they_keep_no_other_waiting(store: Store) -> None:
    def fails(messages: Messages, sampling: Sampling, sample: int) -> Exception:
        return CallFailed("refused")

    half = msgspec.structs.replace(direct(6, ScriptedModel(fails, "m", version="1")), part=Part(0, 2))
    assert asyncio.run(run_task(half, store)).counts.errors == 3
    model = ScriptedModel(lambda *_: "Answer: 1", "m", version="1", width=1)
    asyncio.run(run_task(direct(6, model), store))
    asked = [re.findall(r"What is (\d)", call.messages[-1].content)[-1] for call in model.calls]
    assert asked == ["1", "3", "5", "0", "2", "4"]


def test_a_draw_made_later_has_a_seed_of_its_own(store: Store) -> None:
    model = OneByOne(lambda *_: "Answer: 1", "m")
    asyncio.run(run_task(samples(model, 3, Sampling(0.7, seed=5)), store))
    assert model.seeds == [5, 6, 7]


def test_an_endpoint_without_n_is_asked_for_each_draw_and_none_is_lost(store: Store) -> None:
    with faulty_server(one_choice=True) as server:
        model = EndpointModel(endpoint_at(server.url, "m", name="openai-api/test/m"))
        task = msgspec.structs.replace(samples(student(), 3, Sampling(0.7, seed=5), problems=2), student=model)
        outcome = asyncio.run(closing(task, store))
    assert sorted(body["seed"] for body in server.bodies) == [5, 5, 6, 6, 7, 7]
    assert outcome == 6


async def closing(task: Task, store: Store) -> int:
    outcome = await run_task(task, store)
    await close_models(task)
    return outcome.counts.solved


def test_endpoints_that_cost_nothing_drop_their_connections_too(store: Store) -> None:
    with faulty_server() as server:
        endpoint = msgspec.structs.replace(endpoint_at(server.url, "m", name="ollama/m"), local=True)
        model = EndpointModel(endpoint)
        asyncio.run(closing(Task(problems=sums(1), method=DIRECT, student=model, grader=LastWord()), store))
    assert model._session is None


def test_a_recording_gives_each_draw_its_own_reply(store: Store, tmp_path: Path) -> None:
    five = ScriptedModel(lambda messages, sampling, sample: f"Answer: {sample}", "m")
    recording = model_of_run(asyncio.run(run_task(samples(five, 5), store)).run)
    with Store(tmp_path / "other.sqlite") as other:
        for count in (2, 5):
            task = msgspec.structs.replace(samples(five, count), student=recording)
            run = asyncio.run(run_task(task, other)).run
        assert [trace.solution for trace in run.traces()] == [f"Answer: {sample}" for sample in range(5)]


def test_problems_with_one_question_are_one_recording(store: Store) -> None:
    rows = [Problem(f"twins/{n}", "What is 4 plus one?", "5") for n in range(2)]
    run = asyncio.run(
        run_task(Task(problems=as_problems(rows), method=DIRECT, student=student(), grader=LastWord()), store)
    ).run
    messages = next(run.traces()).calls[0].messages
    with pytest.raises(CallFailed, match="has 1 replies"):
        asyncio.run(model_of_run(run).reply(messages, WARM, 2))


def test_a_full_disk_stops_the_run_and_loses_no_answer_it_kept(store: Store) -> None:
    pages = store.value("pragma page_count")
    store.db.execute(f"pragma max_page_count = {pages + 12}")
    task = Task(problems=sums(2000), method=DIRECT, student=student(), grader=LastWord())
    with pytest.raises(StoreError, match="full"):
        asyncio.run(run_task(task, store))
    store.db.execute("pragma max_page_count = 100000")
    kept, small = store.value("select count(*) from calls"), student()
    outcome = asyncio.run(run_task(msgspec.structs.replace(task, student=small), store))
    assert 0 < kept == 2000 - len(small.calls)
    assert outcome.counts.right == len(outcome.run) == 2000


def test_a_commit_that_fails_does_not_swallow_later_ones(store: Store) -> None:
    store.db.execute("pragma foreign_keys = on")
    store.db.execute("create table parents (x primary key)")
    store.db.execute("create table children (x references parents (x) deferrable initially deferred)")
    with pytest.raises(StoreError, match="cannot write"), store.writing() as db:
        db.execute("insert into children values (1)")
    with store.writing() as db:
        db.execute("insert into parents values (2)")
    assert not store.db.in_transaction


def test_the_reply_that_was_stored_first_counts_and_the_later_one_is_paid_for_too(store: Store) -> None:
    with Store(store.path) as other:

        def overtaken(messages: Messages, sampling: Sampling, sample: int) -> Reply:
            key = call_key("m", "scripted/1", messages, sampling, sample)
            other.put_calls(
                [StoredCall(key, "m", "", messages, sampling, 0, Reply("the first", "m", Usage(1, 1)), "run")]
            )
            return Reply("the second", "m", Usage(2, 2))

        _, call = asyncio.run(ask_once(Calls(store), ScriptedModel(overtaken, "m", version="1")))
    assert call.reply.text == "the first"
    assert sorted(usage.output for _, usage in store.paid(["run"])) == [1, 2]


async def ask_once(calls: Calls, model: Model) -> tuple[bytes, Call]:
    try:
        return await calls.ask(Request("student", model, PROMPT, Sampling(), run="run"))
    finally:
        await calls.close()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["half a pair \ud83d", "a \0 in it", "x" * 10_000_000, ""])
def test_no_text_of_a_model_stops_a_run(store: Store, text: str) -> None:
    model = ScriptedModel(lambda *_: text, "m")
    outcome = asyncio.run(run_task(Task(problems=sums(3), method=DIRECT, student=model, grader=LastWord()), store))
    kept = text.encode(errors="replace").decode()
    assert [trace.solution for trace in outcome.run.traces()] == [kept] * 3


def test_a_problem_of_broken_unicode_is_refused_before_any_call(store: Store) -> None:
    small = student()
    rows = [Problem("p/0", "half a pair \ud83d", "1")]
    with pytest.raises(UsageError, match="broken Unicode"):
        asyncio.run(run_task(Task(problems=as_problems(rows), method=DIRECT, student=small, grader=LastWord()), store))
    assert not small.calls


def test_one_problem_cannot_be_shuffled(store: Store) -> None:
    task = Task(
        problems=sums(1), method=TRACED, student=student(), teacher=teacher(), grader=LastWord(),
        plans=Plans(control="shuffled"),
    )  # fmt: skip
    with pytest.raises(UsageError, match="its own plan"):
        asyncio.run(run_task(task, store))


def test_data_that_changes_while_it_is_read_is_noticed(store: Store) -> None:
    passes: list[int] = []

    def source() -> Iterator[tuple[None, Problem]]:
        passes.append(1)
        return iter([(None, Problem("p/0", f"What is {len(passes)} plus one?", "2"))])

    task = Task(problems=Problems("p", source), method=DIRECT, student=student(), grader=LastWord())
    with pytest.raises(UsageError, match="changed while run"):
        asyncio.run(run_task(task, store))


def test_recorded_plans_tell_apart_questions_that_differ_in_their_choices(store: Store) -> None:
    rows = [Problem(f"p/{n}", "Which is it?", "A", (f"this {n}", "that"), "choice") for n in range(2)]
    big = ScriptedModel(lambda messages, *_: f"1. {messages[-1].content.split('A. ')[1][:6]}", "teacher")
    task = Task(problems=as_problems(rows), method=TRACED, student=student("a"), teacher=big, grader=LastWord())
    earlier = asyncio.run(run_task(task, store)).run
    plans = load_plans(earlier.id, find_run=store.run)
    again = msgspec.structs.replace(task, student=student("b"), teacher=None, plans=plans)
    run = asyncio.run(run_task(again, store)).run
    assert [trace.plan and trace.plan.text for trace in run.traces()] == ["1. this 0", "1. this 1"]


def test_a_budget_is_refused_where_a_judge_would_spend_outside_it(store: Store) -> None:
    small = student()
    task = Task(problems=sums(1), method=DIRECT, student=small, grader=judged_by(ScriptedModel([], "judge")))
    with pytest.raises(UsageError, match="outside it"):
        asyncio.run(run_task(task, store, budget=Budget(Cents(), money=1.0)))
    assert not small.calls


def test_draws_under_way_are_kept_when_the_budget_ends_the_others(store: Store) -> None:
    model = OneByOne(lambda *_: "The answer to it: 1", "m")
    task = samples(model, 5, Sampling(0.7, max_tokens=5), problems=2)
    budget = Budget(Cents(), money=0.30)
    outcome = asyncio.run(run_task(task, store, budget=budget))
    assert isinstance(outcome.stopped, BudgetReached)
    kept = list(store.paid([outcome.run.id]))
    assert len(kept) == len(model.calls) > 0
    assert sum(usage.output for _, usage in kept) / 100 == pytest.approx(budget.spent_money)


def test_a_price_by_length_is_of_each_call_and_not_of_their_sum(store: Store) -> None:
    run = asyncio.run(run_task(Task(problems=sums(3), method=DIRECT, student=student(), grader=LastWord()), store)).run
    assert len(list(store.paid([run.id]))) == 3


def test_another_grader_counts_afresh_and_leaves_earlier_grades(store: Store) -> None:
    task = Task(problems=sums(4), method=DIRECT, student=student(), grader=LastWord())
    asyncio.run(run_task(task, store))
    other = LastWord()
    other.version = "2"
    outcome = asyncio.run(run_task(msgspec.structs.replace(task, grader=other), store))
    assert (outcome.counts.solved, outcome.counts.right, outcome.counts.total) == (4, 4, 4)
    assert outcome.run.graders() == ["last-word@1", "last-word@2"]


def test_broken_unicode_in_a_reply_is_mended_and_not_paid_for_again() -> None:
    with faulty_server({"choices": [{"message": {"content": "half \ud83d"}}]}) as server:
        endpoint = endpoint_at(server.url, "m", name="openai-api/test/m")
        model = EndpointModel(endpoint, limits=Limits(endpoint.name))

        async def ask() -> str:
            try:
                return (await model.reply(PROMPT, Sampling()))[0].text
            finally:
                await model.close()

        assert asyncio.run(ask()) == "half ?"
    assert len(server.bodies) == 1


def test_a_run_leaves_the_collector_as_it_found_it(store: Store) -> None:
    before = gc.get_threshold()
    asyncio.run(run_task(Task(problems=sums(1), method=DIRECT, student=student(), grader=LastWord()), store))
    assert gc.get_threshold() == before
