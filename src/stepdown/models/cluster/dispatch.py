"""From requests to messages of many prompts: to the worker that has least to do, and again where one was lost."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

from stepdown.models.cluster.engine_actor import decode_answer, encode
from stepdown.models.cluster.engine_workers import EngineWorker, EngineWorkers
from stepdown.models.local.worker import Failed, Finished, Generate
from stepdown.workers import TRIES

# The most prompts of a message, and the seconds that a first one waits for others.
MOST = 64
GATHERING = 0.01


@dataclass(eq=False)
class SentRequest:
    """A request that waits for a worker or for its answer; `losses` counts the workers that died with it."""

    command: Generate
    answer: "asyncio.Future[Finished | Failed]"
    losses: int = 0


class Dispatcher:
    """The requests of one model; `sent` counts the prompts that went to a worker, repeats included."""

    def __init__(self, ray: Any) -> None:
        self.workers: EngineWorkers | None = None
        self.sent = self.repeated = 0
        self._ray = ray
        self._waiting: deque[SentRequest] = deque()
        self._due: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, command: Generate) -> Finished | Failed:
        """Return the response to a request; `EndpointRefused` as `Failed` where no worker is left."""
        waiting = SentRequest(command, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self.schedule()
        return await waiting.answer

    def schedule(self) -> None:
        """Send what waits, soon."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(GATHERING, self._dispatch)

    def _dispatch(self) -> None:
        self._due = None
        assert self.workers is not None, "they were started before"
        if (lost := self.workers.lost) is not None:
            self._fail_all(lost.what, lost.hint)
        while self._waiting and (free := [one for one in self.workers.ready if one.in_flight < 2 * one.width]):
            worker = min(free, key=lambda one: one.in_flight)
            share = -(-len(self._waiting) // len(free))
            batch = self._take(min(MOST, share, 2 * worker.width - worker.in_flight))
            if batch:
                worker.in_flight += len(batch)
                task = asyncio.ensure_future(self._send(worker, batch))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _take(self, most: int) -> list[SentRequest]:
        """Return the next requests that somebody still waits for; one whose worker died goes alone."""
        batch: list[SentRequest] = []
        while self._waiting and len(batch) < most:
            if batch and self._waiting[0].losses:
                break
            one = self._waiting.popleft()
            if not one.answer.done():
                batch.append(one)
                if one.losses:
                    break
        return batch

    async def _send(self, worker: EngineWorker, batch: list[SentRequest]) -> None:
        self.sent += len(batch)
        try:
            answers = decode_answer(await worker.actor.answer.remote(encode([one.command for one in batch])))
        except self._ray.exceptions.RayError:
            self._lose(worker, batch)
        else:
            for one, answer in zip(batch, answers, strict=True):
                if not one.answer.done():
                    one.answer.set_result(answer)
        finally:
            worker.in_flight -= len(batch)
            self.schedule()

    def _lose(self, worker: EngineWorker, batch: list[SentRequest]) -> None:
        """Ask again what was with a worker that died: nobody paid for it, and nobody has its answer."""
        for one in reversed(batch):
            one.losses += 1
            if one.losses < TRIES:
                self.repeated += 1
                self._waiting.appendleft(one)
            elif not one.answer.done():
                what = f"`{TRIES}` workers died of one call"
                one.answer.set_result(
                    Failed(one.command.number, "CallFailed", what, "a shorter prompt may fit their memory")
                )
        assert self.workers is not None, "they were started before"
        self.workers.revive(worker)

    def _fail_all(self, what: str, hint: str) -> None:
        while self._waiting:
            one = self._waiting.popleft()
            if not one.answer.done():
                one.answer.set_result(Failed(one.command.number, "EndpointRefused", what, hint))
