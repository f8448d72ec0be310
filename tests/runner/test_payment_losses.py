"""Whatever was paid is in the books: answers that gave no reply, surplus draws, and a budget that holds over both."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from chat_calls import COUNTS, chat_model
from raw_server import END, RawServer, as_json, http, raw_server, said
from stepdown.errors import BudgetReached, CallFailed, EndpointRefused
from stepdown.models import Prices, ScriptedModel
from stepdown.models.http.limits import Limits
from stepdown.models.http.lost_replies import report_loss
from stepdown.runner import Budget, Calls, Request
from stepdown.runner.budget import usage_bound
from stepdown.runner.writer import Writer
from stepdown.store import LostCall, Store
from stepdown.types import GREEDY, Message, Messages, Reply, Sampling, Usage

ASK = (Message("user", "2 + 2?"),)
BROKEN, WHOLE = as_json(said("It is", "abort", COUNTS)), as_json(said(usage=COUNTS))
EACH = Usage(9, 5)


def budget(folder: Path, money: float | None = None) -> Budget:
    """Return a budget at a dollar for each token."""
    (folder / "p.json").write_text('{"t/m": {"input": 1e6, "output": 1e6}, "m": {"input": 1e6, "output": 1e6}}')
    return Budget(Prices(folder / "p.json"), money=money)


def paid(server: RawServer, store: Store, spent: Budget, *, timeout: float = 10) -> list[Usage]:
    """Ask once and return what the books have then."""

    async def main() -> None:
        calls, model = Calls(store, budget=spent), chat_model(server.url, name="t/m", timeout=timeout)
        try:
            await calls.ask(Request("student", model, ASK, Sampling(max_tokens=20), run="run"))
        finally:
            await calls.close()
            await model.close()

    with suppress(CallFailed):
        asyncio.run(main())
    return sorted((usage for _, usage in store.paid(["run"])), key=lambda usage: usage.output)


def test_answers_before_the_reply_are_paid_for_and_in_the_books(store: Store, tmp_path: Path) -> None:
    spent = budget(tmp_path)
    with raw_server(BROKEN, as_json({"choices": [], "usage": COUNTS}), WHOLE) as server:
        assert paid(server, store, spent) == [EACH] * 3
    assert (spent.spent_tokens, spent.spent_money) == (42, 42.0)


def test_a_call_that_failed_is_paid_for_and_in_the_books(store: Store, tmp_path: Path) -> None:
    spent = budget(tmp_path)
    with raw_server(BROKEN) as server:
        assert paid(server, store, spent) == [EACH] * 3
    assert spent.spent_tokens == 42 and not store.db.execute("select 1 from calls where reply like '%stop%'").fetchall()


def test_a_broken_text_whose_usage_is_unknown_counts_its_bytes(store: Store, tmp_path: Path) -> None:
    with raw_server(as_json(said("It is", "abort")), WHOLE) as server:
        kept = paid(server, store, budget(tmp_path))
    assert [usage.output for usage in kept] == [5, 5] and kept[0].input + kept[1].input > 18


def test_a_reply_whose_usage_is_unknown_is_never_said_to_cost_nothing(store: Store, tmp_path: Path) -> None:
    spent = budget(tmp_path)
    with raw_server(as_json(said(usage=COUNTS | {"prompt_tokens": -5}))) as server:
        paid(server, store, spent)
    assert spent.spent_money == spent.spent_tokens > 20


def test_no_attempt_is_made_that_the_budget_does_not_allow(store: Store, tmp_path: Path) -> None:
    spent = budget(tmp_path, 70.0)
    with raw_server(BROKEN) as server, pytest.raises(BudgetReached):
        paid(server, store, spent)
    assert len(server.bodies) == 1 and spent.spent_money == 14.0


@pytest.mark.parametrize("covers", [(), ("run",)], ids=["of this process", "of all processes"])
def test_what_ends_a_budget_is_in_the_books_too(covers: tuple[str, ...], store: Store, tmp_path: Path) -> None:
    spent = budget(tmp_path, 70.0)
    spent.covers = covers
    with raw_server(BROKEN) as server, pytest.raises(BudgetReached, match=r"\$14\.0000 of"):
        paid(server, store, spent)
    assert [usage for _, usage in store.paid(["run"])] == [EACH] and spent.spent_money == 14.0


class OnceInVain(ScriptedModel):
    """Is paid for its first answer in vain, while the second is under way."""

    lost: asyncio.Event

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        first, _ = not self.calls, self._answer(messages, sampling)
        if first:
            await asyncio.sleep(0.02)
            self.lost.set()
            report_loss("", EACH)
        await self.lost.wait()
        return [Reply("4", "m", EACH)]


@pytest.mark.parametrize("covers", [(), ("run",)], ids=["of this process", "of all processes"])
def test_a_call_that_was_paid_for_in_vain_waits_for_what_others_hold_of_a_budget(
    covers: tuple[str, ...], store: Store, tmp_path: Path
) -> None:
    most, model = usage_bound(ASK, Sampling(max_tokens=20), 1), OnceInVain(lambda *_: "4", "m")
    spent = budget(tmp_path, 2.0 * (most.input + most.output))
    spent.covers = covers

    async def both() -> None:
        calls, model.lost = Calls(store, budget=spent), asyncio.Event()
        some = [Request("student", model, ASK, Sampling(max_tokens=20, seed=one), run="run") for one in (1, 2)]
        await asyncio.gather(*map(calls.ask, some))
        await calls.close()
        assert calls.sent_for("run") == 2

    asyncio.run(both())
    assert len(model.calls) == 3 and [usage for _, usage in store.paid(["run"])] == [EACH] * 3
    assert spent.spent_money == 42.0


CUT = http(b'{"choices": [', "Content-Length: 500")


@pytest.mark.parametrize("broken", [b"", b"HTTP/1.1 200", CUT], ids=["no byte", "in the head", "in the body"])
def test_a_call_whose_connection_breaks_is_counted_apart_and_not_paid_for(
    broken: bytes, store: Store, tmp_path: Path
) -> None:
    spent = budget(tmp_path)
    with raw_server(broken, broken, WHOLE) as server:
        assert paid(server, store, spent) == [EACH] and len(server.bodies) == 3
    rows = store.db.execute("select run, model, output, input > 6 from lost_calls").fetchall()
    assert rows == [("run", "t/m", 20, 1)] * 2 and spent.spent_money == 14.0


def test_a_call_whose_time_runs_out_is_paid_for_at_its_most(store: Store, tmp_path: Path) -> None:
    spent = budget(tmp_path)
    with raw_server([END], WHOLE) as server:
        kept = paid(server, store, spent, timeout=0.3)
    assert [usage.output for usage in kept] == [5, 20] and not store.value("select count(*) from lost_calls")
    assert spent.spent_tokens == sum(usage.input + usage.output for usage in kept)


def test_no_attempt_follows_a_time_out_that_took_the_rest_of_the_budget(store: Store, tmp_path: Path) -> None:
    with raw_server([END]) as server, pytest.raises(BudgetReached):
        paid(server, store, budget(tmp_path, 100.0), timeout=0.3)
    assert len(server.bodies) == 1


def test_a_call_that_nobody_took_is_no_lost_one(store: Store, tmp_path: Path) -> None:
    server = RawServer([b""])
    server.url = "http://127.0.0.1:9/v1"
    with suppress(CallFailed, EndpointRefused):
        paid(server, store, budget(tmp_path))
    assert not store.value("select count(*) from lost_calls") and not server.bodies


@pytest.mark.parametrize("sent", [[END], [http(b"{", "Content-Length: 9"), END]], ids=["no byte", "in the body"])
def test_a_call_that_is_dropped_under_way_is_counted_apart_and_one_that_waits_its_turn_is_not(
    sent: list[object], store: Store
) -> None:
    async def main() -> None:
        calls, model = Calls(store), chat_model(server.url, name="t/m")
        model.limits = Limits("t/m", concurrency=2)
        requests = [Request("student", model, (Message("user", text),), GREEDY, run="run") for text in "abc"]
        asking = [asyncio.create_task(calls.ask(request)) for request in requests]
        while len(server.bodies) < 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await calls.close()
        await asyncio.wait(asking)
        assert all(one.cancelled() for one in asking)
        await model.close()

    with raw_server(sent) as server:
        asyncio.run(main())
        assert len(server.bodies) == 2
    assert store.value("select count(*) from lost_calls where run = 'run'") == 2
    assert not list(store.paid(["run"]))


def test_an_attempt_for_one_draw_of_several_is_booked_at_the_most_of_one(store: Store, tmp_path: Path) -> None:
    async def main(url: str) -> None:
        calls, model = Calls(store, budget=spent), chat_model(url, name="t/m", timeout=0.3)
        model.refused = frozenset({"n"})
        warm = Sampling(max_tokens=20, temperature=1.0)
        asking = (calls.ask(Request("student", model, ASK, warm, draw=draw, run="run")) for draw in range(3))
        await asyncio.gather(*asking)
        await calls.close()
        await model.close()

    spent = budget(tmp_path)
    with raw_server([END], WHOLE) as server:
        asyncio.run(main(server.url))
    assert len(server.bodies) == 4
    assert sorted(usage.output for _, usage in store.paid(["run"])) == [5, 5, 5, 20]


def test_a_lost_call_is_written_though_nothing_else_is(store: Store) -> None:
    async def main() -> list[int]:
        writer, counts = Writer(store), []
        for _ in range(2):
            writer.put_lost(LostCall("run", "t/m", EACH))
            await asyncio.sleep(0.05)
            counts.append(store.value("select count(*) from lost_calls"))
        await writer.close()
        return counts

    assert asyncio.run(main()) == [1, 2]


def test_draws_that_nobody_asked_for_are_paid_for(store: Store, tmp_path: Path) -> None:
    class Generous(ScriptedModel):
        async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
            return [Reply("4", "m", EACH)] * 3

    async def main() -> None:
        calls = Calls(store, budget=spent)
        await calls.ask(Request("student", Generous(["4"], "m"), ASK, GREEDY, run="run"))
        await calls.close()

    spent = budget(tmp_path)
    asyncio.run(main())
    assert spent.spent_tokens == 42 and [usage for _, usage in store.paid(["run"])] == [EACH] * 3
