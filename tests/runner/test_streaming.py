"""A reply is heard while it is written, paid for once, kept before it counts, and dropped when nobody listens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.custom import CustomModel
from stepdown.errors import BudgetReached, CallFailed, EndpointRefused, PromptTooLong, StepdownError
from stepdown.models import Prices, ScriptedModel
from stepdown.models.local.detokenizer import Detokenizer
from stepdown.models.stop_strings import cut_at_stop
from stepdown.models.thinking import VisibleText, split_thinking
from stepdown.runner import Budget, Calls, Request
from stepdown.runner.budget import usage_bound
from stepdown.runner.deltas import streamed
from stepdown.store import Store
from stepdown.types import (
    GREEDY,
    Call,
    Capabilities,
    HiddenProgress,
    Message,
    Messages,
    Model,
    Reply,
    Sampling,
    Settings,
    Usage,
)
from stepdown.web.views.run_stats import RunSpending, RunStatsCache

ASKED = (Message("user", "What is 2 + 2?"),)
WARM = Sampling(temperature=1.0, seed=10)


class Dictated(CustomModel):
    """Says the pieces that are put into it, one by one; an empty piece ends the reply, an error ends the call."""

    name, capabilities = "dictated", Capabilities(local=True, streams=True)

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[str | HiddenProgress | Exception] = asyncio.Queue()
        self.asked: list[Sampling] = []
        self.left = 0

    def dictate(self, *pieces: str | HiddenProgress | Exception) -> None:
        for piece in pieces:
            self.pieces.put_nowait(piece)

    async def stream(
        self, messages: Messages, sampling: Sampling
    ) -> AsyncGenerator[str | HiddenProgress | Reply, None]:
        self.asked.append(sampling)
        text = ""
        try:
            while piece := await self.pieces.get():
                if isinstance(piece, Exception):
                    raise piece
                text += piece if isinstance(piece, str) else ""
                yield piece
            yield Reply(text, self.name, Usage(5, len(text)))
        finally:
            self.left += 1

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        async with aclosing(self.stream(messages, sampling)) as pieces:
            [reply] = [piece async for piece in pieces if isinstance(piece, Reply)]
        return [reply] * n


def listen(calls: Calls, model: Model, sampling: Sampling = GREEDY, sample: int = 0, run: str = "run") -> Any:
    request = Request("student", model, ASKED, sampling, sample, run, stream=True)
    return streamed(lambda deltas: calls.ask(request, deltas))


def ask(calls: Calls, model: Model, sampling: Sampling = GREEDY, sample: int = 0) -> "asyncio.Task[Any]":
    return asyncio.ensure_future(calls.ask(Request("student", model, ASKED, sampling, sample, "run")))


async def hear(stream: Any) -> tuple[list[str], Call]:
    *deltas, (_, call) = [delta async for delta in stream]
    return [delta.text for delta in deltas if delta.text], call


async def next_text(stream: Any) -> str:
    """Return the next text of a stream; that a model was asked is none."""
    while not (delta := await anext(stream)).text:
        pass
    return str(delta.text)


async def leave_early(calls: Calls, model: Dictated, sampling: Sampling, *words: str | HiddenProgress) -> None:
    """Hear these pieces, and nothing more, of a reply; then leave and wait until the call has ended."""
    asked, left = len(model.asked), model.left
    model.dictate(*words)
    hearing = asyncio.ensure_future(hear(listen(calls, model, sampling)))
    await until(lambda: len(model.asked) > asked and model.pieces.empty())
    hearing.cancel()
    await until(lambda: model.left > left)


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0)


def price_file(folder: Path) -> Path:
    """Return a file in which the dictated model costs dollars."""
    path = folder / "prices.json"
    path.write_text('{"dictated": {"input": 100, "output": 1000}}')
    return path


def kept(store: Store) -> int:
    return store.value("select count(*) from calls")


def test_a_scripted_model_says_its_words_one_by_one() -> None:
    async def work() -> list[str | Reply]:
        return [piece async for piece in ScriptedModel(["1. Take two.\n2. Add."]).stream(ASKED, GREEDY)]

    *pieces, reply = asyncio.run(work())
    assert pieces == ["1. ", "Take ", "two.\n", "2. ", "Add."]
    assert isinstance(reply, Reply) and reply.text == "".join(str(piece) for piece in pieces)


@given(
    st.text(max_size=300), st.lists(st.text(min_size=1, max_size=3), max_size=3), st.sampled_from(["ignore", "replace"])
)
def test_pieces_are_whole_characters_and_never_begin_a_stop_string(text: str, stops: list[str], errors: str) -> None:
    text = text.replace("\ufffd", "")
    pieces = Detokenizer(lambda tokens: bytes(tokens).decode(errors=errors), stops)
    said = ""
    for token in text.encode(errors="replace"):
        said += pieces.add([token])
        assert cut_at_stop(text, stops).startswith(said)
    assert stops or said == text


def test_text_that_may_begin_a_stop_string_waits_until_it_does_not() -> None:
    pieces = Detokenizer(lambda tokens: bytes(tokens).decode(), ["END", ""])
    assert [pieces.add(word) for word in (b"the E", b"N", b"E", b"ND", b"more")] == ["the ", "", "EN", "", ""]


@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "<th", "ink>", "</thi", "nk>", " ", "\n", "a", "b c", "<"]), max_size=12
    )
)
def test_a_thought_in_front_is_left_out_of_the_pieces_as_it_is_of_the_text(pieces: list[str]) -> None:
    visible = VisibleText()
    said = "".join(visible.add(piece) for piece in pieces)
    text, _ = split_thinking("".join(pieces))
    assert text.startswith(said)
    assert said == text or "<think>".startswith(text.lstrip())


def test_pieces_arrive_before_the_reply_is_over_and_the_call_once_it_is_kept(store: Store) -> None:
    async def work() -> None:
        model, calls = Dictated(), Calls(store)
        async with aclosing(listen(calls, model)) as stream:
            for word in ("one ", "two"):
                model.dictate(word)
                assert await next_text(stream) == word
            model.dictate("")
            key, call = await anext(stream)
        assert store.replies([key])[key] == call.reply and call.reply.text == "one two"

    asyncio.run(work())


def test_what_the_store_has_comes_in_one_piece(store: Store) -> None:
    async def work() -> None:
        calls = Calls(store)
        await hear(listen(calls, ScriptedModel(["two and two"], version="1")))
        pieces, call = await hear(listen(calls, ScriptedModel([], version="1")))
        assert pieces == ["two and two"] and call.reply.cached
        assert (calls.sent, calls.found) == (1, 1)

    asyncio.run(work())


def test_two_who_listen_pay_once_and_the_later_one_hears_the_beginning(store: Store) -> None:
    async def work() -> None:
        model, calls = Dictated(), Calls(store)
        first = asyncio.ensure_future(hear(listen(calls, model)))
        model.dictate("one ", "two ")
        await until(model.pieces.empty)
        second = asyncio.ensure_future(hear(listen(calls, model)))
        model.dictate("three", "")
        (early, call), (late, same) = await first, await second
        assert call == same
        assert "".join(early) == "".join(late) == "one two three"
        assert len(model.asked) == kept(store) == 1

    asyncio.run(work())


def test_who_asks_joins_a_stream_and_who_listens_joins_a_question(store: Store) -> None:
    async def work() -> None:
        for start, join in ((listen, ask), (ask, listen)):
            model, calls = Dictated(), Calls(store)
            sampling = Sampling(max_tokens=7 if start is ask else 8)
            works = [one(calls, model, sampling) for one in (start, join)]
            heard = [asyncio.ensure_future(hear(one)) if one_is_stream(one) else one for one in works]
            await until(lambda model=model: model.asked)
            model.dictate("four", "")
            assert [result[1].reply.text for result in await asyncio.gather(*heard)] == ["four", "four"]
            assert len(model.asked) == 1

    asyncio.run(work())


def one_is_stream(one: object) -> bool:
    return hasattr(one, "__anext__")


def test_when_the_last_listener_leaves_the_stream_is_closed_and_no_reply_is_kept(store: Store) -> None:
    async def work() -> None:
        model, calls = Dictated(), Calls(store)
        model.dictate("one ", "two ")
        async with aclosing(listen(calls, model)) as stream:
            assert await next_text(stream) == "one two "
        await until(lambda: model.left)
        model.dictate("whole", "")
        _, call = await hear(listen(calls, model))
        assert call.reply.text == "whole" and not call.reply.cached
        assert len(model.asked) == 2

    asyncio.run(work())


def test_who_stays_hears_the_end_when_another_leaves(store: Store) -> None:
    async def work() -> None:
        model, calls = Dictated(), Calls(store)
        leaving, staying = asyncio.ensure_future(hear(listen(calls, model))), listen(calls, model)
        model.dictate("one ")
        await until(lambda: model.asked and model.pieces.empty())
        asking = ask(calls, model)
        await asyncio.sleep(0)
        leaving.cancel()
        assert await next_text(staying) == "one "
        await staying.aclose()
        model.dictate("two", "")
        assert (await asking)[1].reply.text == "one two"

    asyncio.run(work())


def test_a_model_that_cannot_stream_says_all_in_one_piece(store: Store) -> None:
    class Whole(CustomModel):
        name = "whole"

        async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
            return [Reply("all at once", "whole")]

    pieces, call = asyncio.run(hear(listen(Calls(store), Whole())))
    assert pieces == [call.reply.text] == ["all at once"]


@pytest.mark.parametrize("error", [CallFailed("the line is down"), EndpointRefused("401")])
def test_an_error_reaches_everyone_who_listens(store: Store, error: StepdownError) -> None:
    async def work() -> list[Any]:
        model, calls = Dictated(), Calls(store)
        model.dictate("one ", error)
        everyone = [hear(listen(calls, model)), hear(listen(calls, model)), ask(calls, model)]
        return await asyncio.gather(*everyone, return_exceptions=True)

    assert asyncio.run(work()) == [error] * 3
    assert kept(store) == 0


def test_a_stream_without_a_reply_is_a_failed_call(store: Store) -> None:
    class Mute(Dictated):
        async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
            yield "well"

    with pytest.raises(CallFailed, match="gave no reply"):
        asyncio.run(hear(listen(Calls(store), Mute())))


def test_a_budget_holds_for_streams_and_counts_what_a_call_took_until_it_was_left(store: Store) -> None:
    async def work() -> None:
        budget, sampling = Budget(Prices(), tokens=200), Sampling(max_tokens=100)
        model, calls = Dictated(), Calls(store, budget=budget)
        await leave_early(calls, model, sampling, "one ")
        assert budget.spent_tokens == usage_bound(ASKED, sampling, 1).input + len("one ")
        model.dictate("four", "")
        before = budget.spent_tokens
        await hear(listen(calls, model, sampling))
        assert budget.spent_tokens == before + 9
        with pytest.raises(BudgetReached):
            await hear(listen(calls, model, Sampling(max_tokens=1000)))

    asyncio.run(work())


def test_what_is_counted_for_a_call_that_was_left_is_never_more_than_was_reserved(store: Store) -> None:
    async def work() -> None:
        budget, sampling = Budget(Prices(), tokens=200), Sampling(max_tokens=3)
        await leave_early(Calls(store, budget=budget), Dictated(), sampling, "many more letters than tokens")
        assert budget.spent_tokens == usage_bound(ASKED, sampling, 1).input + 3

    asyncio.run(work())


def test_the_run_that_paid_for_an_aborted_call_says_so_and_agrees_with_the_budget(store: Store) -> None:
    async def work() -> RunSpending:
        run = store.open_run(Settings(dataset="served", problems="", count=0, method="direct", student="dictated"))
        prices = Prices(price_file(store.path.parent))
        budget = Budget(prices, money=2.0)
        model, calls = Dictated(), Calls(store, budget=budget)
        stream = listen(calls, model, run=run.id)
        model.dictate("one ")
        async with aclosing(stream):
            await next_text(stream)
        await until(lambda: model.left)
        await calls.close()
        spent = RunStatsCache(prices).summarize(run).spent
        assert spent.tokens == budget.spent_tokens and spent.money == pytest.approx(budget.spent_money)
        return spent

    spent = asyncio.run(work())
    assert spent.aborted == 1 and spent.tokens and spent.money


def test_nothing_is_counted_for_a_call_that_its_endpoint_never_let_begin(store: Store) -> None:
    async def work() -> None:
        budget, model = Budget(Prices(), tokens=200), Dictated()
        await leave_early(Calls(store, budget=budget), model, Sampling(max_tokens=100))
        assert (budget.spent_tokens, kept(store)) == (0, 0)
        await leave_early(Calls(store, budget=budget), model, Sampling(max_tokens=100), HiddenProgress())
        assert budget.spent_tokens == usage_bound(ASKED, GREEDY, 1).input

    asyncio.run(work())


def test_hidden_thoughts_count_for_a_call_that_was_left_or_broke(store: Store) -> None:
    async def work() -> None:
        budget, model, prompt = Budget(Prices(), tokens=9000), Dictated(), usage_bound(ASKED, GREEDY, 1).input
        await leave_early(
            Calls(store, budget=budget), model, Sampling(max_tokens=100), HiddenProgress(), HiddenProgress(30), "four"
        )
        assert budget.spent_tokens == prompt + 34
        for error, more in ((CallFailed("it broke"), prompt + 30), (PromptTooLong("too long"), 0)):
            before = budget.spent_tokens
            model.dictate(HiddenProgress(30), error)
            with pytest.raises(CallFailed):
                await hear(listen(Calls(store, budget=budget), model))
            assert budget.spent_tokens == before + more

    asyncio.run(work())


def test_a_later_draw_has_a_seed_of_its_own_and_greedy_draws_are_one(store: Store) -> None:
    async def work() -> list[int | None]:
        model, calls = Dictated(), Calls(store)
        model.dictate("a", "", "b", "", "c", "")
        for sampling, sample in ((WARM, 0), (WARM, 3), (GREEDY, 0), (GREEDY, 5)):
            await hear(listen(calls, model, sampling, sample))
        return [sampling.seed for sampling in model.asked]

    assert asyncio.run(work()) == [10, 13, None]


@pytest.mark.parametrize("abandon", [False, True])
def test_a_question_that_all_have_left_is_answered_and_kept_unless_it_is_abandoned(store: Store, abandon: bool) -> None:
    async def work() -> int:
        model, calls = Dictated(), Calls(store, abandon=abandon)
        asking = ask(calls, model)
        await until(lambda: model.asked)
        asking.cancel()
        await asyncio.wait([asking])
        model.dictate("late", "")
        assert (await ask(calls, model))[1].reply.text == "late"
        return len(model.asked)

    assert asyncio.run(work()) == 1 + abandon


def test_draws_of_one_request_are_abandoned_only_together(store: Store) -> None:
    async def work() -> None:
        model, calls = Dictated(), Calls(store, abandon=True)
        first, second = ask(calls, model, WARM, 0), ask(calls, model, WARM, 1)
        await until(lambda: model.asked)
        first.cancel()
        await asyncio.wait([first])
        model.dictate("both", "")
        assert (await second)[1].reply.text == "both"
        assert kept(store) == 2

    asyncio.run(work())
