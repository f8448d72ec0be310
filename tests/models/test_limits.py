"""Limits: how wide an endpoint is used, and when a call is given up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from fake_time import FakeTime, make_limits
from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models.http.limits import Limits, RetryableError
from stepdown.models.http.retry_after import read_duration, read_retry_after


def failing(*faults: Exception) -> Callable[[], Awaitable[str]]:
    left = list(faults)

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return "fine"

    return attempt


class Endpoint:
    """Replies in waves: all calls in flight are answered together after a second."""

    def __init__(self, time: FakeTime, *, most_per_second: int = 10_000, refuse_above: int = 10_000) -> None:
        self.time, self.most, self.refuse_above = time, most_per_second, refuse_above
        self.flying: list[asyncio.Future[None]] = []

    async def attempt(self) -> str:
        if len(self.flying) >= self.refuse_above:
            raise RetryableError("429", kind="busy")
        turn = asyncio.get_running_loop().create_future()
        self.flying.append(turn)
        await turn
        return "fine"

    async def serve(self, calls: "asyncio.Future[list[str]]") -> None:
        while not calls.done():
            for _ in range(4):
                await asyncio.sleep(0)
            self.time.now += 1
            for turn in self.flying[: self.most]:
                turn.set_result(None)
            del self.flying[: self.most]


def drive(limits: Limits, endpoint: Endpoint, calls: int) -> list[str]:
    async def main() -> list[str]:
        work = asyncio.gather(*(limits.call(endpoint.attempt) for _ in range(calls)))
        await endpoint.serve(work)
        return await work

    return asyncio.run(main())


def run_call(limits: Limits, *faults: Exception) -> str:
    return asyncio.run(limits.call(failing(*faults)))


def test_width_starts_at_16_and_grows_while_calls_fill_it_and_the_rate_rises() -> None:
    time = FakeTime()
    limits = make_limits(time)
    assert limits.width == 16
    assert drive(limits, Endpoint(time), 3000) == ["fine"] * 3000
    assert limits.width > 200


def test_width_stays_where_more_calls_bring_no_more_replies() -> None:
    time = FakeTime()
    limits = make_limits(time)
    drive(limits, Endpoint(time, most_per_second=4), 800)
    assert 16 <= limits.width <= 24


def test_width_does_not_grow_when_calls_do_not_fill_it() -> None:
    limits = make_limits(FakeTime())
    for _ in range(200):
        run_call(limits)
    assert limits.width == 16


def test_width_is_never_above_512() -> None:
    time = FakeTime()
    limits = make_limits(time)
    drive(limits, Endpoint(time), 20_000)
    assert limits.width == 512


def test_busy_cuts_the_width_to_80_percent_once_per_window_in_flight() -> None:
    async def main() -> int:
        limits, gate = make_limits(FakeTime()), asyncio.Event()

        async def attempt() -> str:
            await gate.wait()
            raise (
                CallFailed("over") if limits.width < 16 and not limits._waiting else RetryableError("429", kind="busy")
            )

        calls = [asyncio.create_task(limits.call(attempt)) for _ in range(10)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*calls, return_exceptions=True)
        return limits.width

    assert asyncio.run(main()) == 12


def test_width_settles_under_what_the_endpoint_refuses() -> None:
    time = FakeTime(others_move=True)
    limits = make_limits(time)
    assert drive(limits, Endpoint(time, refuse_above=40), 4000) == ["fine"] * 4000
    assert 20 <= limits.width <= 45


def test_given_concurrency_stays_as_it_is() -> None:
    time = FakeTime()
    limits = make_limits(time, concurrency=3)
    run_call(limits, *[RetryableError("429", kind="busy")] * 3)
    drive(limits, Endpoint(time), 50)
    assert limits.width == 3


def test_calls_start_in_the_order_they_came() -> None:
    async def main() -> list[int]:
        limits, order = make_limits(FakeTime(), concurrency=2), list[int]()

        async def attempt(number: int) -> None:
            order.append(number)
            await asyncio.sleep(0)

        await asyncio.gather(*(limits.call(partial(attempt, number)) for number in range(20)))
        return order

    assert asyncio.run(main()) == list(range(20))


def test_no_more_calls_are_under_way_than_the_width() -> None:
    async def main() -> int:
        limits, flying, peak = make_limits(FakeTime(), concurrency=3), 0, 0

        async def attempt() -> None:
            nonlocal flying, peak
            flying, peak = flying + 1, max(peak, flying + 1)
            await asyncio.sleep(0)
            flying -= 1

        await asyncio.gather(*(limits.call(attempt) for _ in range(20)))
        return peak

    assert asyncio.run(main()) == 3


def test_a_cancelled_waiter_leaves_its_turn_to_the_next() -> None:
    async def main() -> str:
        limits, gate = make_limits(FakeTime(), concurrency=1), asyncio.Event()
        first = asyncio.create_task(limits.call(gate.wait))
        second, third = (asyncio.create_task(limits.call(failing())) for _ in range(2))
        await asyncio.sleep(0)
        gate.set()
        await first
        second.cancel()
        return await third

    assert asyncio.run(main()) == "fine"


def test_limits_survive_the_event_loop_that_used_them() -> None:
    limits = make_limits(FakeTime(), concurrency=1)
    assert [run_call(limits), run_call(limits)] == ["fine", "fine"]


def test_retry_after_pauses_the_whole_endpoint() -> None:
    async def main() -> tuple[list[str], list[float]]:
        time = FakeTime()
        limits = make_limits(time, concurrency=1)
        calls = [limits.call(failing(RetryableError("429", kind="busy", pause=20))), limits.call(failing())]
        return await asyncio.gather(*calls), time.slept

    assert asyncio.run(main()) == (["fine", "fine"], [20.0])


def test_waits_between_attempts_double_up_to_30_seconds() -> None:
    time = FakeTime()
    run_call(make_limits(time), *(RetryableError(f"{number}") for number in range(9)))
    assert time.slept == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_call_is_given_up_after_ten_attempts_with_the_last_reason() -> None:
    limits = make_limits(FakeTime())
    with pytest.raises(CallFailed, match="in 10 attempts; the last: fault 9"):
        run_call(limits, *(RetryableError(f"fault {number}") for number in range(20)))


def test_a_call_is_given_up_when_it_would_wait_over_300_seconds() -> None:
    time = FakeTime()
    with pytest.raises(CallFailed, match="429"):
        run_call(make_limits(time), *[RetryableError("429", kind="busy", pause=90)] * 20)
    assert sum(time.slept) <= 300


@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_pauses_too_short_to_help_are_heeded_ten_times_and_then_doubled(pause: float) -> None:
    time = FakeTime()
    assert run_call(make_limits(time), *[RetryableError("429", kind="busy", pause=pause)] * 15) == "fine"
    assert [one for one in time.slept if one > pause] == [0.25, 0.5, 1, 2, 4]


def test_a_longer_pause_than_that_ends_the_run_at_once() -> None:
    with pytest.raises(EndpointRefused, match="pause of 86400 s"):
        run_call(make_limits(FakeTime()), RetryableError("429", kind="busy", pause=86400))


def test_an_identical_server_error_five_times_in_a_row_is_permanent() -> None:
    with pytest.raises(CallFailed, match="in 5 attempts; the last: 500"):
        run_call(make_limits(FakeTime()), *[RetryableError("500", mark="500")] * 20)


def test_different_server_errors_in_between_start_the_count_again() -> None:
    faults = (
        [RetryableError("500", mark="500")] * 4 + [RetryableError("dropped")] + [RetryableError("500", mark="500")] * 4
    )
    assert run_call(make_limits(FakeTime()), *faults) == "fine"


def test_three_time_outs_end_a_call() -> None:
    with pytest.raises(CallFailed, match="in 3 attempts"):
        run_call(make_limits(FakeTime()), *[RetryableError("no reply", kind="silent")] * 20)


def test_an_endpoint_that_never_answered_and_cannot_be_reached_is_refused_in_seconds() -> None:
    time = FakeTime()
    with pytest.raises(EndpointRefused, match="nothing listens"):
        run_call(make_limits(time), *[RetryableError("nothing listens", kind="unreachable", hint="start it")] * 20)
    assert sum(time.slept) < 5


def test_an_endpoint_that_never_answered_is_refused_after_five_calls_failed_alike() -> None:
    limits = make_limits(FakeTime())
    for _ in range(4):
        with pytest.raises(CallFailed):
            run_call(limits, *[RetryableError("500", mark="500")] * 5)
    with pytest.raises(EndpointRefused, match="5 calls in a row alike: 500"):
        run_call(limits, *[RetryableError("500", mark="500")] * 5)


def test_calls_refused_by_themselves_end_a_run_only_after_many_without_an_answer() -> None:
    limits = make_limits(FakeTime())
    for _ in range(63):
        with pytest.raises(CallFailed):
            run_call(limits, CallFailed("400: filtered"))
    with pytest.raises(EndpointRefused, match="64 calls in a row alike"):
        run_call(limits, CallFailed("400: filtered"))


def test_an_endpoint_that_has_answered_is_given_more_patience() -> None:
    limits = make_limits(FakeTime())
    run_call(limits)
    for _ in range(63):
        with pytest.raises(CallFailed):
            run_call(limits, *[RetryableError("500", mark="500")] * 5)
    with pytest.raises(EndpointRefused):
        run_call(limits, *[RetryableError("500", mark="500")] * 5)


def test_refused_prompts_do_not_end_a_run_that_has_had_answers() -> None:
    limits = make_limits(FakeTime())
    run_call(limits)
    for _ in range(100):
        with pytest.raises(CallFailed):
            run_call(limits, CallFailed("400: too long"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20", 20), ("0.05", 0.05), ("20ms", 0.02), ("1s", 1), ("6m0s", 360), ("1h2m3s", 3723), ("1.5s", 1.5)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert read_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1x", "s", "1s later", "9" * 400, "1s" * 10_000, "nan"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert read_duration(text) is None


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert read_retry_after({"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}, now=now) == 30
    assert read_retry_after({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}, now=now) == 0
    assert read_retry_after({"Retry-After": "tomorrow"}, now=now) is None


def test_rate_limit_headers_say_which_allowance_is_spent() -> None:
    resets = {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "9s"}
    assert read_retry_after(resets) == 1
    assert read_retry_after(resets | {"x-ratelimit-remaining-tokens": "0"}) == 9
    assert read_retry_after(resets | {"Retry-After": "3"}) == 3
    assert read_retry_after({"x-ratelimit-reset-requests": "2h"}) == 60
    assert read_retry_after({}) is None
