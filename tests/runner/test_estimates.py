"""Estimates: calls by a dry run, tokens and seconds from the store where it has them, and else assumed by name."""

import asyncio
import random
from pathlib import Path

import pytest

import stepdown as sd
from stepdown.models import Prices, ScriptedModel
from stepdown.runner import Estimate, Estimated, Task, estimate, run_task, time_together
from stepdown.store import Store, measured_requests
from stepdown.training import sampling_task
from stepdown.types import Messages, Reply, Sampling, Usage
from stepdown.usercode import source_of
from worlds import TRACED, LastWord, direct, student, sums, teacher

LENGTHS = (40, 60, 80)


def timed(messages: Messages, sampling: Sampling, sample: int) -> Reply:
    """Take two seconds and twenty tokens a second, for replies of three lengths."""
    drawn = random.Random(str(messages) + str(sample))
    output = drawn.choice(LENGTHS)
    return Reply(
        "x " * output * 2 + "Answer: 4", "slow", Usage(len(str(messages)) // 5, output), seconds=2 + output / 20
    )


def slow(width: int = 4) -> ScriptedModel:
    return ScriptedModel(timed, "slow", width=width, version="1")


def estimated(task: Task, store: Store, prices: Prices | None = None) -> Estimate:
    return asyncio.run(estimate(task, store, prices or Prices()))


@pytest.fixture
def measured(store: Store) -> Store:
    asyncio.run(run_task(direct(40, slow()), store))
    return store


def within(one: Estimated, value: float) -> bool:
    return one.low <= value <= one.high


def test_without_calls_of_a_model_all_of_it_is_assumed_by_name(store: Store) -> None:
    found = estimated(direct(30, student()), store)
    assert all(one.measured == 0 for one in found.constants)
    names = " ".join(one.name for one in found.constants)
    for word in ("characters of a token", "reply of", "first token", "speed", "width", "driver", "start of"):
        assert word in names


def test_tokens_and_seconds_are_measured_where_the_store_has_calls(measured: Store) -> None:
    found = estimated(direct(440, slow()), measured)
    assert {one.measured for one in found.constants if "`slow` as student" in one.name} == {40}
    # Sixty tokens a reply and five seconds, four at once.
    assert within(found.all_tokens, found.tokens["student"].input + 400 * 60)
    assert within(found.seconds, 400 * 5 / 4) and found.seconds.high < 2 * found.seconds.low


def test_what_a_run_then_takes_lies_within_the_bounds(measured: Store) -> None:
    found = estimated(direct(240, slow()), measured)
    before = measured.path.stat().st_size
    outcome = asyncio.run(run_task(direct(240, slow()), measured))
    usages = [usage for _, usage in measured.paid([run.id for run in measured.runs()])]
    forty = [usage for _, usage in measured.paid([measured.runs()[0].id])]
    tokens = sum(one.input + one.output for one in usages) - sum(one.input + one.output for one in forty)
    assert outcome.counts.calls == found.asked.value == 200 and within(found.all_tokens, tokens)
    measured.db.execute("pragma wal_checkpoint(truncate)")
    assert measured.path.stat().st_size - before < 2 * found.store.high


def test_what_the_store_answers_takes_no_time(measured: Store) -> None:
    found = estimated(direct(40, slow()), measured)
    assert (found.calls, found.cached, found.requests, found.all_tokens.high) == (40, 40, 0, 0)
    assert found.seconds.value <= 1


def test_wider_models_and_more_servers_take_less_time(measured: Store) -> None:
    narrow, wide = (estimated(direct(240, slow(width)), measured).seconds.value for width in (4, 40))
    assert narrow > 5 * wide


def test_draws_of_one_prompt_are_one_request_and_read_it_once(store: Store) -> None:
    task = sampling_task(sums(10), student(), chains=30)
    found, alone = estimated(task, store), estimated(sampling_task(sums(10), student(), chains=1), store)
    assert (found.asked.value, found.requests) == (300, 10)
    assert found.tokens["teacher"].input == alone.tokens["teacher"].input
    assert found.corpus is not None and within(found.corpus, 300 * 120 * 4 * 0.35)
    # At worst the endpoint brings one draw a request, and the prompt is read thirty times.
    assert found.all_tokens.high > 25 * found.tokens["teacher"].input


def test_plans_and_solutions_wait_for_one_another(store: Store) -> None:
    task = Task(problems=sums(20), method=TRACED, student=student(), teacher=teacher(), grader=LastWord())
    found = estimated(task, store)
    assert (found.calls, found.requests) == (40, 40) and set(found.tokens) == {"teacher", "student"}


def test_a_method_that_goes_on_by_the_parts_of_a_reply_has_bounds_on_its_calls(store: Store) -> None:
    task = Task(problems=sums(20), method=sd.load_method("least-to-most"), student=student(), grader=LastWord())
    found = estimated(task, store)
    assert (found.asked.low, found.asked.value, found.asked.high) == (60, 100, 160)


def test_a_student_that_may_check_itself_at_every_paragraph_or_at_none_is_within_the_bounds(store: Store) -> None:
    method = sd.load_method("speculative-thinking")
    found = estimated(
        Task(problems=sums(20), method=method, student=student(), teacher=teacher(), grader=LastWord()), store
    )
    assert (found.asked.low, found.asked.high) == (20, 100), "methods.md: one to five calls"
    doubting = ScriptedModel(lambda *asked: "It is 3.\n\nWait.\n\nAnswer: 4", "doubts", version="1")
    task = Task(problems=sums(20), method=method, student=doubting, teacher=teacher(), grader=LastWord())
    outcome = asyncio.run(run_task(task, store))
    assert sum(len(trace.calls) for trace in outcome.run.traces()) == 100


def test_the_calls_of_such_a_method_are_counted_where_the_store_has_some(store: Store) -> None:
    listing = ScriptedModel(lambda messages, sampling, sample: "1. First?\n2. Second?", "two", version="1")
    ran, more = (
        Task(problems=sums(count), method=sd.load_method("least-to-most"), student=listing, grader=LastWord())
        for count in (25, 50)
    )
    asyncio.run(run_task(ran, store))
    found = estimated(more, store)
    assert (found.cached, found.calls) == (100, 200) and found.asked.high < 110


def test_calls_are_priced_one_by_one(store: Store, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    dear = '[{"start": 1000, "input": 99.0, "output": 99.0}]'
    prices.write_text(f'{{"student": {{"input": 1.0, "output": 1.0, "tiers": {dear}}}}}')
    found = estimated(direct(30, student()), store, Prices(prices))
    assert found.all_tokens.value > 1000 and found.cost == pytest.approx(found.all_tokens.value / 1e6, rel=0.02)
    assert found.dollars is not None and found.dollars.value == found.cost
    assert found.dollars.low < found.dollars.value < found.dollars.high


def test_requests_are_measured_with_their_draws(store: Store) -> None:
    asyncio.run(run_task(sampling_task(sums(5), drawn := together(), chains=6), store))
    found = measured_requests(store, drawn.name, source_of(drawn), role="teacher", method="few-shot")
    assert [len(one.replies) for one in found] == [6] * 5
    assert {one.output for one in found} == {60} and all(one.input for one in found)
    assert not measured_requests(store, drawn.name, "elsewhere", role="teacher", method="few-shot")


def together() -> ScriptedModel:
    return ScriptedModel(
        lambda messages, sampling, sample: Reply("Answer: 4", "m", Usage(7, 10), seconds=len(messages[-1].content) / 7),
        "together",
        version="1",
    )


def test_runs_at_once_share_a_models_turns_and_take_no_longer_on_another_model(store: Store) -> None:
    one, same = (estimated(direct(60, student(), sampling=Sampling(max_tokens=most)), store) for most in (99, 98))
    other = estimated(direct(60, student("other")), store)
    alone, both, apart = one.seconds.value, time_together([one, same]).value, time_together([one, other]).value
    assert 1.5 * alone < both < alone + same.seconds.value
    assert alone <= apart < 1.5 * max(alone, other.seconds.value)
