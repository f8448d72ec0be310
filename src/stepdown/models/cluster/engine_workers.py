"""The workers that hold a model's engine: one in each place of the cluster, started, revived and left out."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stepdown.errors import EndpointRefused
from stepdown.models.cluster.engine_actor import EngineActor, EngineSpec, Loaded
from stepdown.models.cluster.weight_files import SentFile, send
from stepdown.models.local.places import on_card
from stepdown.text import clipped
from stepdown.workers import TRIES, ClusterNode, nodes, versions

# Seconds between two looks at who joined the cluster, and for cores or a card to become free on a node.
LOOK = 2.0
PATIENCE = 300.0
_LONGEST = 200


@dataclass(eq=False)
class EngineWorker:
    """An actor as the driver knows it: `in_flight` prompts are with it; it is asked only while `ready`."""

    node: ClusterNode
    actor: Any
    width: int = 0
    in_flight: int = 0
    ready: bool = False
    deaths: int = 0
    process: int = 0
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)


class EngineWorkers:
    """One worker per node, or per graphics card where the engine uses them; nodes that join later get theirs.

    A node of other versions or weights is said on stderr and left out. `changed` is called whenever a worker became
    ready or none is left to wait for. All methods are called in one event loop.
    """

    def __init__(self, ray: Any, spec: EngineSpec, path: Path | None, *, changed: Callable[[], None]) -> None:
        self.spec, self.refused = spec, dict[ClusterNode, str]()
        self.workers: list[EngineWorker] = []
        self._ray, self._path, self._changed = ray, path, changed
        self._actor = ray.remote(EngineActor)
        self._sent: asyncio.Task[list[SentFile]] | None = None
        self._watching = asyncio.ensure_future(self._watch())

    @property
    def ready(self) -> list[EngineWorker]:
        """The workers that can be asked."""
        return [worker for worker in self.workers if worker.ready]

    @property
    def lost(self) -> EndpointRefused | None:
        """Why no worker will ever be ready; None while there is one, or may be."""
        if self._watching.done() and not self._watching.cancelled():
            error = self._watching.exception()
            return error if isinstance(error, EndpointRefused) else EndpointRefused(f"the cluster is gone: {error}")
        if self.workers or not self.refused:
            return None
        reasons = "; ".join(f"`{node.name}`: {why}" for node, why in self.refused.items())
        return EndpointRefused(f"no node can hold `{self.spec.name}`: {reasons}", "mend one of them, then run it again")

    def revive(self, worker: EngineWorker) -> None:
        """Take a worker that lost a message for dead until it has loaded its engine again."""
        if worker.ready:
            worker.ready = False
            self._open(worker)

    def close(self) -> None:
        """End all workers."""
        self._watching.cancel()
        for worker in self.workers:
            self._drop(worker)
        self.workers = []

    async def _watch(self) -> None:
        try:
            while True:
                self._look(await asyncio.to_thread(nodes))
                await asyncio.sleep(LOOK)
        finally:
            asyncio.get_running_loop().call_soon(self._changed)

    def _look(self, alive: list[ClusterNode]) -> None:
        there = {node.id for node in alive}
        for worker in [one for one in self.workers if one.node.id not in there]:
            self._drop(worker)
            self.workers.remove(worker)
        held = [worker.node.id for worker in self.workers]
        for node in alive:
            if node not in self.refused:
                for _ in range(held.count(node.id), self._places(node)):
                    self._start(node)

    def _places(self, node: ClusterNode) -> int:
        return node.gpus if on_card(self.spec.source) else int(node.cpus > 0)

    def _start(self, node: ClusterNode) -> None:
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=False)
        actor = self._actor.options(
            # In Ray's books a model takes no core, so that teacher, student and judge fit beside each other.
            num_cpus=0,
            num_gpus=int(on_card(self.spec.source)),
            # Started again by Ray as often as it dies; what it was asked is asked again by us, or never.
            max_restarts=-1,
            max_task_retries=0,
            scheduling_strategy=strategy,
        ).remote(max(1, node.cpus // max(1, node.gpus)))
        worker = EngineWorker(node, actor)
        self.workers.append(worker)
        self._open(worker)

    def _open(self, worker: EngineWorker) -> None:
        task = asyncio.ensure_future(self._load(worker))
        worker.tasks.add(task)
        task.add_done_callback(worker.tasks.discard)

    async def _load(self, worker: EngineWorker) -> None:
        """Bring a worker to where it can be asked, through as many deaths as an item may cause."""
        while worker in self.workers:
            try:
                loaded = await self._loaded(worker)
            except TimeoutError:
                loaded = Loaded(refused=f"no cores or card became free in {PATIENCE:.0f} s")
            except self._ray.exceptions.RayError:
                worker.deaths += 1
                if worker.deaths < TRIES:
                    await asyncio.sleep(LOOK / 2)
                    continue
                loaded = Loaded(refused=f"its worker died {TRIES} times while loading, most likely for its memory")
            if loaded.refused:
                self._refuse(worker, loaded.refused)
            else:
                worker.width, worker.process, worker.ready, worker.deaths = loaded.width, loaded.process, True, 0
            self._changed()
            return

    async def _loaded(self, worker: EngineWorker) -> Loaded:
        async with asyncio.timeout(PATIENCE):
            found = await self._differing(worker)
        if found:
            return Loaded(refused=found)
        loaded: Loaded = await worker.actor.load.remote(self.spec)
        if loaded.missing:
            loaded = await worker.actor.load.remote(self.spec, await self._send())
        return loaded

    async def _differing(self, worker: EngineWorker) -> str:
        """Return in what a node differs, once its process is there: Ray may be starting it again."""
        while True:
            try:
                found: str = await worker.actor.versions_differ.remote(tuple(versions()))
                return found
            except self._ray.exceptions.RayActorError as error:
                if getattr(error, "actor_init_failed", False):
                    # Ray starts again what died, not what could not begin: most likely stepdown is not installed.
                    return f"a worker that does not start: {clipped(str(error).splitlines()[-1], _LONGEST)}"
                await asyncio.sleep(LOOK / 4)

    async def _send(self) -> list[SentFile]:
        """Return the files in the object store, put there once."""
        assert self._path is not None, "only a path's files can be missing"
        if self._sent is None:
            self._sent = asyncio.ensure_future(asyncio.to_thread(send, self._path, self._ray))
        return await self._sent

    def _refuse(self, worker: EngineWorker, why: str) -> None:
        self.refused[worker.node] = why
        print(f"the node `{worker.node.name}` is left out: {why}", file=sys.stderr)
        for one in [other for other in self.workers if other.node.id == worker.node.id]:
            self._drop(one)
            self.workers.remove(one)

    def _drop(self, worker: EngineWorker) -> None:
        worker.ready = False
        for task in worker.tasks - {asyncio.current_task()}:
            task.cancel()
        self._ray.kill(worker.actor)


def cards(found: list[ClusterNode]) -> int:
    """Return how many graphics cards nodes have."""
    return sum(node.gpus for node in found)


def places(found: list[ClusterNode], source: str) -> Iterator[ClusterNode]:
    """Stream the nodes that can hold a model of this source."""
    return (node for node in found if (node.gpus if on_card(source) else node.cpus))
