"""A command that several processes do on one store: each sends, grades and stores a part of the problems.

Claims and bookings in the store are all they share, as commands do that run beside one another: no call is sent twice,
and a budget counts what all of them spend. This process asks no model: it tells how far all are, and ends them.
"""

import asyncio
import os
import pickle
import signal
import struct
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from msgspec import structs

from stepdown.cli.console.terminal import say
from stepdown.cli.grid import Players
from stepdown.cli.part_news import PartEnd, PartOrder, PartProgress, frame_of
from stepdown.errors import StepdownError, UsageError, WorkerLost
from stepdown.runner import Budget, LiveCounts, ProgressCallback, Stop
from stepdown.shards import Part
from stepdown.workers import HEAD, result_of

_PROGRAM = "from stepdown.cli.part_process import main; main()"
# Problems whose traces the store summarizes together, and of how many to a process whole blocks are even parts.
_BLOCK, _MANY = 512, 512 * 32
_LOOK = 0.1  # seconds between two looks whether all are to stop
_GRACE = 5.0
# A line that several of them say within so many seconds is said once.
_ONCE = 10.0
_PIECE = 1 << 16
_SUMMED = ("total", "solved", "right", "graded", "truncated", "errors", "calls", "cached")


class Parts:
    """The processes of one command: `orders` is what each is to do."""

    def __init__(self, orders: Sequence[PartOrder]) -> None:
        self.orders = orders
        self._processes: list[Process] = []
        self._counts: dict[str, dict[int, PartProgress]] = {}
        self._lines: dict[str, float] = {}

    async def work(self, stop: Stop, budget: Budget, follow: ProgressCallback) -> None:
        """Let all work until they are done, or are to stop; what they spend is counted in the budget.

        `follow` is told the counts of a run over all of them. The first error of one stops the others.
        """
        following: list[asyncio.Task[None]] = []
        try:
            for place, order in enumerate(self.orders):
                self._processes.append(await _start(order))
                following.append(asyncio.create_task(self._follow(place, stop, budget, follow)))
                following.append(asyncio.create_task(self._repeat(self._processes[-1])))
            stopping = False
            while (await asyncio.wait(following, timeout=_LOOK))[1]:
                if stop.why is not None and not stopping:
                    stopping = True
                    self._signal()
            for run, known in self._counts.items():
                if len(known) < len(self.orders):
                    follow(self._sum(run))
        finally:
            await self._end(following)

    async def _follow(self, place: int, stop: Stop, budget: Budget, follow: ProgressCallback) -> None:
        """Listen to a process until its end."""
        process, ended = self._processes[place], False
        assert process.stdout is not None, "it is a pipe"
        with suppress(asyncio.IncompleteReadError):
            while True:
                (length,) = struct.unpack(HEAD, await process.stdout.readexactly(struct.calcsize(HEAD)))
                news: PartProgress | PartEnd = pickle.loads(await process.stdout.readexactly(length))
                if isinstance(news, PartEnd):
                    ended = True
                    _raise_in(stop, news)
                else:
                    self._count(place, news, budget)
                    sums = self._sum(news.counts.run)
                    begun = len(self._counts[news.counts.run]) == len(self.orders)
                    # Of the end each process tells twice: that all is solved, and when it ended.
                    if begun and (sums.solved < sums.total or sums.ended is not None):
                        follow(sums)
        await process.wait()
        if not ended and stop.why is None:
            stop(WorkerLost(f"part {place + 1} of {len(self.orders)}", 1))

    def _count(self, place: int, news: PartProgress, budget: Budget) -> None:
        known = self._counts.setdefault(news.counts.run, {})
        before = known.get(place)
        budget.count(
            news.money - (before.money if before else 0.0),
            news.tokens - (before.tokens if before else 0),
            news.counts.run,
        )
        known[place] = news

    def _sum(self, run: str) -> LiveCounts:
        """Return the counts of a run over all processes."""
        every = [one.counts for one in self._counts[run].values()]
        sums = LiveCounts(run, *(sum(getattr(one, name) for one in every) for name in _SUMMED))
        sums.started = min(one.started for one in every)
        sums.backoff = min((one.backoff for one in every if one.backoff), key=lambda one: one.seconds, default=None)
        ends = [one.ended for one in every if one.ended is not None]
        sums.ended = max(ends) if len(ends) == len(every) else None
        return sums

    async def _repeat(self, process: Process) -> None:
        """Say what a process says to people, but once where others say it too."""
        assert process.stderr is not None, "it is a pipe"
        async for line in _lines(process.stderr):
            text, now = line.decode(errors="replace").rstrip(), time.monotonic()
            if now - self._lines.get(text, -_ONCE) > _ONCE:
                self._lines[text] = now
                say(text)

    def _signal(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)

    async def _end(self, following: Sequence[asyncio.Task[None]]) -> None:
        """End at once what still works: it keeps what was answered."""
        for process in self._processes:
            # Its end is a first signal, and after some seconds the second one.
            assert process.stdin is not None, "it is a pipe"
            process.stdin.close()
        if any(not one.done() for one in following):
            self._signal()
            self._signal()
            await asyncio.wait(following, timeout=_GRACE)
        for process in self._processes:
            if process.returncode is None:
                process.kill()
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for process in self._processes:
            await process.wait()


async def _lines(pipe: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Stream the lines of a pipe; of one that does not end (code of a person's own prints what it likes) its pieces."""
    rest = b""
    while piece := await pipe.read(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _PIECE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            yield line
    if rest:
        yield rest


def _raise_in(stop: Stop, end: PartEnd) -> None:
    """Stop all for the error of one."""
    try:
        if end.error is not None:
            result_of(end.error)
    except StepdownError as error:
        stop(error)


async def _start(order: PartOrder) -> Process:
    # -P: a file in the working folder must not stand in for a library.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", _PROGRAM, stdin=PIPE, stdout=PIPE, stderr=PIPE,
        # A Ctrl-C at the terminal is for this process, which hands it on.
        start_new_session=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdin is not None, "it is a pipe"
    process.stdin.write(frame_of(sys.path) + frame_of(order))
    with suppress(ConnectionError):
        await process.stdin.drain()
    return process


def cut(order: PartOrder, jobs: int, players: Players) -> Parts:
    """Return a command's work in so many parts, which divide the calls in flight. Raises `UsageError`."""
    _check(jobs, players)
    many = order.known is not None and order.known.count >= jobs * _MANY
    width, parts = order.endpoint.concurrency, []
    for number in range(jobs):
        share = None if width is None else width // jobs + (number < width % jobs)
        endpoint = structs.replace(order.endpoint, concurrency=share)
        parts.append(structs.replace(order, part=Part(number, jobs, _BLOCK if many else 1), endpoint=endpoint))
    return Parts(parts)


def _check(jobs: int, players: Players) -> None:
    width = players.endpoint.concurrency
    if width is not None and width < jobs:
        raise UsageError(
            f"`{jobs}` processes cannot share {width} calls in flight", f"give --jobs {width}", option="--jobs"
        )
    for name, model in players.loaded.items():
        if not (model.capabilities.connects or model.capabilities.recorded):
            raise UsageError(
                f"`{name}` would be loaded by each of `{jobs}` processes",
                "leave `--jobs` out: it divides calls to servers; `--on ray` holds a model on each node",
                option="--jobs",
            )
