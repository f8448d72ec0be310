"""What is to be stored waits out locks and full disks, without the event loop waiting, and is written after them."""

import asyncio
import time
from pathlib import Path

import pytest

from stepdown.errors import StoreError
from stepdown.models import ScriptedModel
from stepdown.runner import Calls, Request
from stepdown.runner.writer import Writer
from stepdown.store import Store, StoredCall
from stepdown.store.connection import Locked
from stepdown.types import GREEDY, Message, Reply

PROMPT = (Message("user", "What is 2 plus one?"),)


async def ask(calls: Calls, words: str = "3") -> str:
    prompt = (Message("user", words),)
    return (await calls.ask(Request("student", ScriptedModel([words], "m"), prompt, GREEDY, run="run")))[1].reply.text


def fill_disk(store: Store) -> None:
    pages = store.value("pragma page_count")
    store.db.execute(f"pragma max_page_count = {pages}")


def test_a_writer_outlives_a_full_disk(store: Store) -> None:
    async def work() -> list[str]:
        calls = Calls(store)
        first = await ask(calls, "1")
        fill_disk(store)
        with pytest.raises(StoreError, match="full"):
            await ask(calls, "2" * 100_000)
        store.db.execute("pragma max_page_count = 100000")
        found = [first, await ask(calls, "3")]
        await calls.close()
        return found

    assert asyncio.run(work()) == ["1", "3"]
    # The second answer was paid for: it is written once there is room.
    assert store.value("select count(*) from calls") == 3
    assert store.value("select count(*) from claims") == 0


def test_a_locked_file_does_not_stop_the_event_loop(store: Store, other: Store) -> None:
    async def work() -> float:
        calls, longest = Calls(store), 0.0
        other.db.execute("begin immediate")
        asking = asyncio.create_task(ask(calls))
        for _ in range(20):
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)
        assert not asking.done()
        other.db.execute("rollback")
        assert await asking == "3"
        await calls.close()
        return longest

    assert asyncio.run(work()) < 1.0


def test_nothing_is_sent_while_the_file_is_locked(store: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stepdown.runner.writer.PATIENCE", 0.1)
    model = ScriptedModel(["3"], "m")

    async def work() -> None:
        calls = Calls(store)
        other.db.execute("begin immediate")
        with pytest.raises(Locked, match="held by another process"):
            await calls.ask(Request("student", model, PROMPT, GREEDY, run="run"))
        other.db.execute("rollback")
        assert not model.calls
        assert await ask(calls) == "3"
        await calls.close()

    asyncio.run(work())


def test_one_reply_that_cannot_be_written_does_not_stop_the_others(store: Store) -> None:
    async def work() -> str:
        calls = Calls(store)
        poison = StoredCall(b"p" * 16, "m", "", PROMPT, GREEDY, 1 << 80, Reply("x", "m"), "run")
        sound = StoredCall(b"s" * 16, "m", "", PROMPT, GREEDY, 0, Reply("y", "m"), "run")
        with pytest.raises(OverflowError):
            await calls.writer.put_calls([poison, sound])
        said = await ask(calls)
        await calls.close()
        return said

    assert asyncio.run(work()) == "3"
    assert set(store.replies([b"p" * 16, b"s" * 16])) == {b"s" * 16}


def test_one_asker_that_leaves_does_not_take_the_others_commit_with_it(store: Store) -> None:
    async def work() -> str:
        calls = Calls(store)
        leaving, staying = asyncio.create_task(ask(calls, "1")), asyncio.create_task(ask(calls, "2"))
        await asyncio.sleep(0)
        leaving.cancel()
        said = await staying
        await calls.close()
        return said

    assert asyncio.run(work()) == "2"
    assert store.value("select count(*) from claims") == 0


def test_calls_can_be_used_in_one_event_loop_after_another(store: Store) -> None:
    calls = Calls(store)
    assert [asyncio.run(ask(calls, words)) for words in ("1", "2")] == ["1", "2"]


def test_a_run_s_store_holds_a_commit_of_ten_megabytes_without_writing_it_out(tmp_path: Path) -> None:
    with Store(tmp_path / "x.sqlite") as store:
        before = store.value("pragma cache_size")
        assert -10_000 < before < 0, "SQLite's own is too small, in KiB"
        Writer(store)
        assert store.value("pragma cache_size") <= -10_000
