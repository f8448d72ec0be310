"""Batches in the store: entered before they are sent, theirs until answered, and free again when none will come."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepdown.errors import BatchUnderWay
from stepdown.runner.calls import under_way
from stepdown.store import BatchedCall, Batches, Claim, Claims, Store, StoredCall
from stepdown.types import GREEDY, Message, Reply, Usage

ASKED = (Message("user", "2 + 2?"),)
COLUMNS = {
    "batches": "id model source remote state note owner expires created ended requests calls answered failed",
    "batch_calls": "key batch line place model source request sample run input output",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as store:
        yield store


def call(number: int) -> BatchedCall:
    return BatchedCall(bytes([number]) * 16, "m", "at", ASKED, GREEDY, number, "run", 10, 5)


def stored(number: int) -> StoredCall:
    return StoredCall(call(number).key, "m", "at", ASKED, GREEDY, number, Reply("4", "m", Usage(8, 1)), "run")


def begun(store: Store, *numbers: int) -> Batches:
    batches = Batches(store, Claims(store))
    assert batches.begin("b1", [[call(number)] for number in numbers], fits=lambda: True)
    return batches


@pytest.mark.parametrize("table", COLUMNS)
def test_schema_10_has_these_columns(store: Store, table: str) -> None:
    assert [row[1] for row in store.db.execute(f"pragma table_info({table})")] == COLUMNS[table].split()


def test_what_is_answered_or_asked_by_others_is_left_out(store: Store) -> None:
    store.put_calls([stored(1)])
    others = Claims(store)
    with store.writing():
        others.take([Claim(call(2).key, "run", "m")], Usage(10, 5))
    batches = begun(store, 1, 2, 3)
    assert [line.calls for line in batches.lines("b1")] == [(call(3),)]
    assert (batches.find("b1").calls, batches.find("b1").requests) == (1, 1)


def test_nobody_else_gets_a_call_that_a_batch_has_and_budgets_count_it(store: Store) -> None:
    batches, others = begun(store, 1), Claims(store)
    with store.writing():
        assert not others.take([Claim(call(1).key, "run", "m")], Usage(10, 5))
    assert others.batch_of(call(1).key) == "b1" and isinstance(under_way("b1"), BatchUnderWay)
    assert others.held(["run"]) == [(call(1).key, "m", 10, 5, 1)]
    batches.mark("b1", "ended", note="expired")
    assert not others.held(["run"]) and not others.batch_of(call(1).key)


def test_a_batch_that_does_not_fit_leaves_nothing(store: Store) -> None:
    batches = Batches(store, Claims(store))
    assert batches.begin("b1", [[call(1)]], fits=lambda: False) == 0
    assert not batches.all() and not list(batches.lines("b1"))


def test_answers_are_stored_as_they_leave_the_batch(store: Store) -> None:
    batches = begun(store, 1, 2, 3)
    batches.keep("b1", [stored(1)], [call(1).key, call(2).key], failed=1)
    found = batches.find("b1")
    assert (found.answered, found.failed, batches.tokens("m")) == (1, 1, 15)
    assert len(store.replies([call(1).key, call(2).key])) == 1


def test_one_living_process_at_a_time_works_on_a_batch(store: Store) -> None:
    batches, owner = begun(store, 1), Claims(store)
    assert batches.take("b1") and not Batches(store, owner).take("b1")
    batches.let_go("b1")
    assert Batches(store, owner).take("b1") and not batches.take("b1")
    owner.end()
    assert batches.take("b1") and batches.find("b1").created <= time.time()
