"""What keeps calls waiting for an endpoint is told: by its limits, to a run's progress, and in a terminal's lines."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from fake_time import FakeTime, make_limits
from faulty_server import faulty_server
from stepdown.cli.console import progress
from stepdown.cli.console.progress import Entry, SpendingMeter, screen
from stepdown.cli.progress_lines import ProgressLines
from stepdown.custom import CustomModel
from stepdown.errors import CallFailed, PromptTooLong
from stepdown.events import Event
from stepdown.models import EndpointModel, Prices
from stepdown.models.http.endpoints import endpoint_at
from stepdown.models.http.limits import Limits, RetryableError
from stepdown.runner import Budget, LiveCounts, Task, run_task
from stepdown.store import Store
from stepdown.types import Backoff, Messages, Reply, Sampling
from worlds import DIRECT, LastWord, student, sums

BUSY = Backoff("openai/m", "429: Rate limit reached", 429, 8, 3)


def test_a_delay_reads_as_a_sentence() -> None:
    assert BUSY.text == "`m` answered 429; retry 3 in 8 s"
    lost = Backoff("m", "nothing listens at `http://h/v1`", times=11)
    assert lost.text == "`m`: nothing listens at `http://h/v1`; retry 11 now"


def seen_delays(*outcomes: Exception | None) -> list[tuple[int, int, int] | None]:
    """Return the delay (status, seconds, times) as it is at each attempt and at the end of a call."""
    limits, left, seen = make_limits(FakeTime()), list(outcomes), list[tuple[int, int, int] | None]()

    def note() -> None:
        delay = limits.backoff
        seen.append(None if delay is None else (delay.status, delay.seconds, delay.times))

    async def attempt() -> None:
        note()
        if left and (error := left.pop(0)) is not None:
            raise error

    async def work() -> None:
        await asyncio.gather(limits.call(attempt), return_exceptions=True)
        note()

    asyncio.run(work())
    return seen


def test_limits_say_what_calls_wait_for_until_the_next_answer() -> None:
    busy = RetryableError("429: slow down", kind="busy", pause=0.0, status=429)
    assert seen_delays(busy, busy) == [None, (429, 0, 1), (429, 0, 2), None]


@pytest.mark.parametrize("last", [PromptTooLong("too long"), CallFailed("no"), RetryableError("tomorrow", pause=9e9)])
def test_a_call_that_is_given_up_waits_no_longer(last: Exception) -> None:
    assert seen_delays(RetryableError("broken"), last) == [None, (0, 0, 1), None]


def test_a_delay_says_how_many_seconds_are_left() -> None:
    time = FakeTime()
    limits, seen = make_limits(time), list[Backoff | None]()

    async def sleep(seconds: float) -> None:
        seen.append(limits.backoff)
        time.now += seconds

    async def attempt() -> None:
        if len(seen) < 2:
            raise RetryableError("nothing listens", kind="unreachable")

    limits = Limits("m", clock=time.clock, sleep=sleep, chance=lambda: 1.0)
    asyncio.run(limits.call(attempt))
    assert [delay and (delay.seconds, delay.times) for delay in seen] == [(1, 1), (1, 2)]


def test_statuses_reach_the_delay_of_a_model() -> None:
    async def work(url: str) -> Backoff | None:
        seen: list[Backoff | None] = []

        async def sleep(seconds: float) -> None:
            seen.append(model.backoff)

        model = EndpointModel(endpoint_at(url, "m", name="openai/m"), limits=Limits("openai/m", sleep=sleep))
        await model.reply((), Sampling())
        await model.close()
        assert model.backoff is None
        return seen[0]

    with faulty_server("503") as server:
        delay = asyncio.run(work(server.url))
    assert delay is not None and (delay.status, delay.reason) == (503, "503: overloaded")


class Late(CustomModel):
    """A student that is waited for until it is let go on."""

    name, width = "late", 1

    def __init__(self) -> None:
        self.backoff: Backoff | None = BUSY
        self.let_go = asyncio.Event()

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        await self.let_go.wait()
        return await student().reply(messages, sampling, n)


def test_a_run_tells_of_a_delay_while_nothing_else_happens(tmp_path: Path) -> None:
    async def work(store: Store) -> list[Backoff | None]:
        model, told = Late(), list[Backoff | None]()

        def follow(counts: LiveCounts) -> None:
            told.append(counts.backoff)
            if counts.backoff is not None:
                model.backoff = None
                model.let_go.set()

        await run_task(Task(problems=sums(1), method=DIRECT, student=model, grader=LastWord()), store, progress=follow)
        return told

    with Store(tmp_path / "s.sqlite") as store:
        assert asyncio.run(work(store)) == [None, BUSY, None]


def said_lines(capsys: pytest.CaptureFixture[str], *delays: Backoff | None) -> list[str]:
    """Return the lines that a run's progress writes for these delays, after its first."""
    task = Task(problems=sums(9), method=DIRECT, student=student(), grader=LastWord())
    follow = screen(SpendingMeter(Budget(Prices())), {"run": Entry(task, 9)}).update
    for delay in (None, *delays):
        follow(LiveCounts("run", 9, backoff=delay))
    return capsys.readouterr().err.splitlines()[1:]


def test_a_terminal_without_bars_gets_a_line_as_a_delay_grows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "BETWEEN_DELAYS", 0.0)
    sooner = msgspec.structs.replace(BUSY, seconds=7)
    longer = msgspec.structs.replace(BUSY, times=4)
    lines = said_lines(capsys, BUSY, sooner, longer, None, BUSY)
    assert [line.partition("; ")[2].partition(" ·")[0] for line in lines] == [
        "retry 3 in 8 s", "retry 4 in 8 s", "retry 3 in 8 s"
    ]  # fmt: skip


def test_delays_are_said_no_more_often_than_every_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    assert said_lines(capsys, BUSY, None, BUSY, None, BUSY) == []


def test_a_server_is_sent_a_line_where_a_backoff_begins_or_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Task(problems=sums(9), method=DIRECT, student=student(), grader=LastWord()).settings()
    with Store(tmp_path / "s.sqlite") as store:
        run = store.open_run(settings)
        lines = ProgressLines(store, settings, Prices())
        for backoff in (None, BUSY, BUSY, None):
            lines.update(LiveCounts(run.id, 9, backoff=backoff))
    sent = [msgspec.json.decode(line, type=Event).progress for line in capsys.readouterr().out.splitlines()]
    assert [one and (one.run, one.total, one.backoff) for one in sent] == [
        (run.id, 9, None), (run.id, 9, BUSY), (run.id, 9, None)
    ]  # fmt: skip
