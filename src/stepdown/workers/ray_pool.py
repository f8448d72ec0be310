"""Workers that are tasks of a Ray cluster."""

import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from stepdown.errors import EndpointRefused, WorkerLost
from stepdown.text import clipped
from stepdown.workers.outcomes import (
    WorkError,
    WorkItem,
    WorkResult,
    check_function,
    name_of,
    perform_pickled,
    result_of,
)
from stepdown.workers.pool import TRIES, Closing, Item, Result
from stepdown.workers.ray_cluster import (
    ClusterNode,
    Versions,
    connect,
    difference,
    node_here,
    nodes,
    other_versions,
    versions,
)

_LONGEST = 200


class Surroundings(NamedTuple):
    """What a task finds as in the driver's process: where modules are looked for, the working folder, its cores."""

    path: list[str]
    folder: str
    cores: int


class RayPool(Closing):
    """The cores of a cluster, those of nodes that join later too; `most` items at once at most, where it is not 0.

    A task takes a core; where `whole`, a node's cores, or a graphics card and its share of them. One that died with its
    worker or its node is begun again elsewhere, as Ray counts; its result is wanted once, so that a second beginning
    changes nothing.
    """

    def __init__(self, *, most: int = 0, whole: bool = False) -> None:
        self._ray = connect()
        self._most, (self._cores, self._cards) = most, _share(nodes()) if whole else (1, 0)
        self._task = self._ray.remote(perform_on_node).options(
            num_cpus=self._cores, num_gpus=self._cards, max_retries=TRIES - 1, scheduling_strategy="SPREAD"
        )

    @property
    def width(self) -> int:
        """How many items the nodes that are there now work on at once."""
        found = max(1, sum(self._places(node) for node in nodes()))
        return min(found, self._most) if self._most else found

    def _places(self, node: ClusterNode) -> int:
        cores = node.cpus // self._cores
        return min(cores, node.gpus // self._cards) if self._cards else cores

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, name: Callable[[Item], str] = str
    ) -> Iterator[Result]:
        """Yield `function(item)` in the order of the items; see `WorkerPool`."""
        check_function(function)
        begun: deque[tuple[Any, str]] = deque()
        source = iter(items)
        try:
            while True:
                # Ray begins what it is given: where only so many may run at once, no more are given.
                ahead = self._most or 2 * self.width
                for item in islice(source, max(0, ahead - len(begun))):
                    work = WorkItem(function, item, name_of(item, name))
                    pickled = pickle.dumps(work, pickle.HIGHEST_PROTOCOL)
                    begun.append(
                        (
                            self._task.remote(versions(), Surroundings(sys.path, os.getcwd(), self._cores), pickled),
                            work.name,
                        )
                    )
                if not begun:
                    return
                outcome = self._outcome(*begun[0])
                begun.popleft()
                yield result_of(outcome)
        finally:
            for reference, _ in begun:
                self._ray.cancel(reference, force=True)

    def _outcome(self, reference: Any, item: str) -> WorkResult | WorkError:
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(reference)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            raise WorkerLost(item, TRIES) from error
        except errors.RayError as error:
            raise EndpointRefused(
                f"Ray gave `{item}` up: {clipped(str(error), _LONGEST)}", "`ray status` says what the cluster has"
            ) from error
        if isinstance(answer, tuple):
            raise other_versions(*answer)
        outcome: WorkResult | WorkError = pickle.loads(answer)
        return outcome


def perform_on_node(driver: Versions, around: Surroundings, pickled: bytes) -> bytes | tuple[str, str]:
    """Do an item on a node of the driver's versions; on another return its id and in what it differs."""
    found = difference(versions(), Versions(*driver))
    if found:
        return node_here(), found
    # Last: a node's own installation, whose versions were compared, comes before what the driver has beside it.
    sys.path += [one for one in around.path if one not in sys.path]
    os.environ.setdefault("POLARS_MAX_THREADS", str(around.cores))
    # A path that was given as it is from the driver's folder means the same file on a disk that nodes share.
    with suppress(OSError):
        os.chdir(around.folder)
    return perform_pickled(pickled)


def _share(found: list[ClusterNode]) -> tuple[int, int]:
    """Return the cores and cards that a whole worker takes, so that it fits any of the nodes that work."""
    carded = [node for node in found if node.gpus]
    if carded:
        return max(1, min(node.cpus // node.gpus for node in carded)), 1
    return min((node.cpus for node in found if node.cpus), default=1), 0
