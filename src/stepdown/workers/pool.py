"""What a pool of workers promises, and the one that works in this process."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

from stepdown.workers.outcomes import WorkItem, name_of, perform, result_of

Item = TypeVar("Item")
Result = TypeVar("Result")
# How often one item is begun before its worker's death is taken for the item's fault.
TRIES = 3


class WorkerPool(Protocol):
    """Workers that share no state: what they are asked must depend on the item alone, as it may be asked again.

    `width` is how many items are worked on at once now; on a cluster it changes.
    """

    @property
    def width(self) -> int:
        """How many items are worked on at once now."""
        ...

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, name: Callable[[Item], str] = str
    ) -> Iterator[Result]:
        """Yield `function(item)` in the order of the items, which are read at most twice `width` ahead.

        The function is one of a module (`functools.partial` of one too); it, items and results are pickled unless the
        width is 1 here. What it raises is raised here in the item's turn and says the item by `name`. An item whose
        worker died is begun again elsewhere; `WorkerLost` at the third death. Closing the iterator ends what is begun.
        """
        ...

    def close(self) -> None:
        """End all workers."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Closing:
    """A pool that a `with` closes."""

    def close(self) -> None:
        """End all workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class SerialPool(Closing):
    """No worker but this thread: one item after another, nothing pickled, errors as everywhere."""

    width = 1

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, name: Callable[[Item], str] = str
    ) -> Iterator[Result]:
        """Yield `function(item)` item by item, each when it is asked for."""
        for item in items:
            yield result_of(perform(WorkItem(function, item, name_of(item, name))))
