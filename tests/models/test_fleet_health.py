"""When a server of a fleet is set aside, narrowed, tried again, and given calls."""

import asyncio
import logging
from collections.abc import Sequence

import pytest

from fake_time import FakeTime
from fleet_world import load_fleet
from stepdown.errors import EndpointRefused
from stepdown.models import EndpointModel
from stepdown.models.http.endpoints import find_endpoint
from stepdown.models.http.fleets.fleet_server import FleetServer
from stepdown.models.http.fleets.server_lists import server_list
from stepdown.models.http.fleets.tending import Tending
from stepdown.models.http.fleets.turns import Turns
from stepdown.models.http.limits import RetryableError

ADDRESSES = tuple(f"http://127.0.0.1:{port}/v1" for port in (1, 2, 3))


def server_at(address: str, time: FakeTime, *, concurrency: int | None = None) -> FleetServer:
    """Return a server that takes part."""
    server = FleetServer(EndpointModel(find_endpoint("vllm/small", address), concurrency=concurrency), time.clock)
    server.rejoin()
    return server


def servers(time: FakeTime, *, concurrency: int | None = None) -> list[FleetServer]:
    return [server_at(address, time, concurrency=concurrency) for address in ADDRESSES]


def tending_of(some: Sequence[FleetServer], time: FakeTime) -> Tending:
    made = dict(zip(ADDRESSES, some, strict=True))
    return Tending("vllm/small", "small", server_list(ADDRESSES, "`a list`"), made.__getitem__, time.clock)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.mark.parametrize(("kind", "times"), [("unreachable", 1), ("silent", 1), ("broken", 3)])
def test_a_server_is_set_aside_after_so_many_faults(time: FakeTime, kind: str, times: int) -> None:
    server = server_at(ADDRESSES[0], time)
    found = [server.note_fault(RetryableError("?", kind=kind)) for _ in range(times)]  # type: ignore[arg-type]
    assert found == [False] * (times - 1) + [True]


def test_an_answer_between_faults_keeps_a_server(time: FakeTime) -> None:
    server = server_at(ADDRESSES[0], time)
    for _ in range(5):
        assert not server.note_fault(RetryableError("500"))
        server.note_answer(0.1)


def test_a_server_is_tried_again_after_a_tenth_of_the_time_it_was_away(time: FakeTime) -> None:
    server = server_at(ADDRESSES[0], time)
    server.set_aside("gone")
    assert (server.room, server.next_try) == (0, 0.5)
    time.now += 100
    assert server.is_due
    server.set_aside("gone")
    assert server.next_try == pytest.approx(10)
    time.now += 10_000
    server.set_aside("gone")
    assert server.next_try == pytest.approx(30)


def test_a_server_that_is_back_has_one_call_until_it_has_answered(time: FakeTime) -> None:
    server = server_at(ADDRESSES[0], time)
    assert server.room == 16
    server.set_aside("gone")
    server.rejoin()
    assert server.room == 1
    server.note_answer(0.1)
    assert server.room == 16


def test_a_fault_of_the_first_call_after_it_was_back_sets_a_server_aside_again(time: FakeTime) -> None:
    server = server_at(ADDRESSES[0], time)
    server.set_aside("gone")
    server.rejoin()
    assert server.note_fault(RetryableError("500"))


def test_a_busy_server_gets_no_call_for_as_long_as_it_asks(time: FakeTime) -> None:
    server = server_at(ADDRESSES[0], time)
    assert not server.note_fault(RetryableError("429", kind="busy", pause=7.0))
    assert server.room == 0
    time.now += 7.1
    assert server.room == 16


def test_the_next_call_goes_where_the_least_is_under_way(time: FakeTime) -> None:
    async def taken() -> list[str]:
        turns = Turns()
        turns.servers = servers(time, concurrency=2)
        turns.servers[0].in_flight, turns.servers[2].streams = 1, 1
        return [(await turns.take()).address for _ in range(3)]

    assert asyncio.run(taken()) == [ADDRESSES[1], ADDRESSES[0], ADDRESSES[1]]


def test_a_call_that_failed_somewhere_goes_first_and_elsewhere(time: FakeTime) -> None:
    async def order() -> list[str]:
        turns, found = Turns(), list[str]()
        one, two, _ = turns.servers = servers(time, concurrency=1)
        for _ in turns.servers:
            await turns.take()

        async def wait(name: str, avoid: FleetServer | None) -> None:
            found.append(f"{name} at {(await turns.take(avoid)).address}")

        async with asyncio.TaskGroup() as group:
            group.create_task(wait("new", None))
            group.create_task(wait("failed", one))
            await asyncio.sleep(0)
            turns.give_back(one)
            turns.give_back(two)
        return sorted(found)

    assert asyncio.run(order()) == [f"failed at {ADDRESSES[1]}", f"new at {ADDRESSES[0]}"]


def test_a_slow_server_is_narrowed_to_one_call_and_then_set_aside(time: FakeTime) -> None:
    slow, *others = made = servers(time)
    tending, seen = tending_of(made, time), list[int]()
    for _ in range(30):
        for _ in range(5):
            slow.note_answer(30.0)
            others[0].note_answer(0.5)
            others[1].note_answer(0.5)
        tending._slow_down()
        seen.append(slow.model.width)
        if slow.aside:
            break
    assert seen[0] == 12 and seen[-1] == 1
    assert "over 10 times as long as the others" in slow.why
    assert {other.model.width for other in others} == {16}


def test_servers_of_unequal_speed_are_all_kept(time: FakeTime) -> None:
    made = servers(time)
    tending = tending_of(made, time)
    for _ in range(30):
        for server, seconds in zip(made, (0.5, 2.0, 4.0), strict=True):
            server.note_answer(seconds)
        tending._slow_down()
    assert {server.model.width for server in made} == {16}
    assert all(server.usable for server in made)


def test_calls_that_wait_are_refused_after_no_server_has_answered_for_five_minutes(time: FakeTime) -> None:
    async def wait() -> None:
        made = servers(time)
        tending = tending_of(made, time)
        for server in made:
            tending.set_aside(server, "it is gone")
        waiting = asyncio.ensure_future(tending.turns.take())
        await asyncio.sleep(0)
        for seconds in (1, 299, 2):
            assert not waiting.done()
            time.now += seconds
            tending._note_left()
        await waiting

    with pytest.raises(EndpointRefused, match=r"127\.0\.0\.1:1/v1`: it is gone; .*2/v1`: it is gone"):
        asyncio.run(wait())


def test_of_a_flood_of_changes_some_are_said_and_the_rest_counted(
    time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    tending = tending_of(servers(time), time)
    with caplog.at_level(logging.WARNING):
        for server in [server_at(f"http://127.0.0.1:{port}/v1", time) for port in range(4, 30)]:
            tending._tell(server, "it is gone")
        assert len(caplog.records) == 10
        time.now += 11
        tending._tell(server_at(ADDRESSES[0], time), "it is back")
    assert "it is back; 16 more such lines were left out" in caplog.text


def test_a_time_out_after_this_process_was_held_up_is_no_fault_of_a_server(time: FakeTime) -> None:
    fleet = load_fleet(ADDRESSES)
    fleet.tending._clock = time.clock
    server = fleet.servers[0]
    server.rejoin()
    fleet.tending._stalled_until = time.now + 1
    fleet._note_fault(server, RetryableError("no connection within 15 s", kind="unreachable"))
    assert server.usable
    time.now += 2
    fleet._note_fault(server, RetryableError("no connection within 15 s", kind="unreachable"))
    assert not server.usable


def test_how_long_a_stream_takes_to_open_says_nothing_of_a_servers_speed(time: FakeTime) -> None:
    server = server_at(ADDRESSES[0], time)
    server.note_answer(5.0)
    server.note_answer(None)
    assert (server.usual, server.slowest) == (5.0, 5.0)
