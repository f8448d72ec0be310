"""A model of this kind of machine on every node of a cluster, as one model here."""

import asyncio
import itertools
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stepdown.custom import CustomModel
from stepdown.models.cluster.dispatch import Dispatcher
from stepdown.models.cluster.engine_actor import EngineSpec
from stepdown.models.cluster.engine_workers import EngineWorkers, cards, places
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.places import place_of
from stepdown.models.local.worker import ERRORS, Failed, Generate
from stepdown.types import Backoff, Messages, Reply, Sampling
from stepdown.workers import connect, nodes

T = TypeVar("T")
_LOOK = 0.1


class ClusterModel(CustomModel):
    """The workers of a cluster that hold one model's engine: same name and source as the one it stands for.

    This process alone writes the store; workers only compute. A prompt is sent once; one whose worker died is asked
    again, at most three times, as it cost nothing and nobody has its answer. Workers start at the first use. `width` is
    the sum of theirs. Any event loop may ask it: it works in a thread of its own.
    """

    def __init__(self, model: EmbeddedModel) -> None:
        self._ray = connect()
        self.name, self.engine = model.name, model.engine
        source = _source(model)
        self.capabilities = msgspec.structs.replace(model.capabilities, source=source, streams=False)
        path = None if self.name.startswith("embedded/") else Path(self.name).expanduser().resolve()
        self._spec, self._path = (
            EngineSpec(str(path or self.name), model.engine_elsewhere, source, model.logprobs),
            path,
        )
        self._each, self._numbers = model.width, itertools.count(1)
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return f"ClusterModel(name={self.name!r}, source={self.capabilities.source!r})"

    @property
    def width(self) -> int:  # type: ignore[override]
        """The sum of the workers' widths; before the first is ready, what the nodes promise."""
        ready = sum(worker.width for worker in self._running.workers.ready) if self._running else 0
        return ready or self._each * max(1, len(list(places(nodes(), self._spec.source))))

    @property
    def backoff(self) -> Backoff | None:  # type: ignore[override]
        """That no worker is ready, where one is waited for."""
        if self._running is None or self._running.workers.ready:
            return None
        return Backoff(self.name, "no worker of the cluster is ready")

    @property
    def in_flight(self) -> dict[int, int]:
        """How many prompts are with each worker that is ready, by its process on its node."""
        return {one.process: one.in_flight for one in self._running.workers.ready} if self._running else {}

    @property
    def nodes(self) -> dict[int, str]:
        """The name of the node that each worker that is ready is on, by its process there."""
        return {one.process: one.node.name for one in self._running.workers.ready} if self._running else {}

    @property
    def refused(self) -> dict[str, str]:
        """The nodes that were left out, by name, and why."""
        return {node.name: why for node, why in self._running.workers.refused.items()} if self._running else {}

    @property
    def repeated(self) -> int:
        """How many prompts were sent again because their worker died."""
        return self._running.dispatcher.repeated if self._running else 0

    async def prepare(self) -> None:
        """Have one worker's engine loaded; the others follow."""
        await self._start().call(self._start().first_ready())

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies; raises what the model raises, by class and words, and `EndpointRefused`."""
        running = self._start()
        command = Generate(next(self._numbers), messages, sampling, n)
        answer = await running.call(running.dispatcher.ask(command))
        if isinstance(answer, Failed):
            raise ERRORS[answer.kind](answer.what, answer.hint)
        # A worker may know it by a path of its own.
        return [msgspec.structs.replace(reply, model=self.name) for reply in answer.replies]

    async def close(self) -> None:
        """End the workers; a later call starts others."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            await asyncio.to_thread(running.close)

    def _start(self) -> "_Running":
        with self._lock:
            if self._running is None:
                self._running = _Running(self._ray, self._spec, self._path)
            return self._running


class _Running:
    """The thread whose event loop holds the workers and what is asked of them."""

    def __init__(self, ray: Any, spec: EngineSpec, path: Path | None) -> None:
        self.dispatcher = Dispatcher(ray)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._work, name=f"cluster {spec.name}", daemon=True).start()
        self.workers = asyncio.run_coroutine_threadsafe(self._open(ray, spec, path), self._loop).result()

    def _work(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    async def _open(self, ray: Any, spec: EngineSpec, path: Path | None) -> EngineWorkers:
        workers = self.dispatcher.workers = EngineWorkers(ray, spec, path, changed=self.dispatcher.schedule)
        return workers

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what some work in the thread returns, awaited in the caller's own loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def first_ready(self) -> None:
        """Wait for a worker; raises `EndpointRefused` where there will be none."""
        while not self.workers.ready:
            if (lost := self.workers.lost) is not None:
                raise lost
            await asyncio.sleep(_LOOK)

    def close(self) -> None:
        """End the workers and the thread."""
        with suppress(RuntimeError):
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)

    async def _close(self) -> None:
        self.workers.close()
        own = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not own]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _source(model: EmbeddedModel) -> str:
    """Return where the cluster's workers answer from: on graphics cards where it has any, whatever this machine has."""
    here = model.capabilities.source or ""
    if model.engine != "transformers":
        return here
    digest, engine = here.split("/")[:2]
    place = place_of(Path(model.name).expanduser(), on="cuda").source if cards(nodes()) else ""
    return "/".join(filter(None, (digest, engine, place)))
