"""A clock that only sleeping moves, and limits that live by it."""

import asyncio

from stepdown.models.http.limits import Limits


class FakeTime:
    """A clock that only sleeping moves, or, where `others_move` it, that sleepers wait for."""

    def __init__(self, *, others_move: bool = False) -> None:
        self.now, self.others_move = 1000.0, others_move
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        end = self.now + seconds
        while self.others_move and self.now < end:
            await asyncio.sleep(0)
        self.now = max(self.now, end)
        await asyncio.sleep(0)


def make_limits(time: FakeTime, *, concurrency: int | None = None) -> Limits:
    return Limits("m", concurrency=concurrency, clock=time.clock, sleep=time.sleep, chance=lambda: 1.0)
