"""What goes to a worker and what comes back: a function with its item, and a result or an error that names it."""

import pickle
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from stepdown.errors import StepdownError, UsageError
from stepdown.text import clipped

_LONGEST_NAME = 120


class WorkItem(NamedTuple):
    """A function of a module, what it is called with, and what the item is called in errors."""

    function: Callable[[Any], Any]
    item: Any
    name: str


class WorkResult(NamedTuple):
    """What the function returned."""

    value: Any


class WorkError(NamedTuple):
    """What the function raised, without what cannot be pickled; `where` is its traceback in words, for a fault."""

    kind: type[BaseException]
    args: tuple[Any, ...]
    state: dict[str, Any]
    item: str
    where: str


def name_of(item: Any, name: Callable[[Any], str]) -> str:
    """Return what an item is called in errors, on one line of bounded length."""
    return clipped(name(item), _LONGEST_NAME)


def check_function(function: Callable[[Any], Any]) -> None:
    """Raise `UsageError` for a function that another process could not find by its name."""
    plain = function
    while isinstance(plain, partial):
        plain = plain.func
    name = getattr(plain, "__qualname__", type(plain).__qualname__)
    if "<" in name or getattr(plain, "__module__", "") in ("__main__", "__mp_main__"):
        raise UsageError(f"workers cannot import `{name}`", "put the function at the top of a module of its own")


def perform(work: WorkItem) -> WorkResult | WorkError:
    """Call the function; what it raises is a value, but for what stops the program."""
    try:
        return WorkResult(work.function(work.item))
    except Exception as error:
        return work_error(error, work.name)


def work_error(error: BaseException, name: str = "") -> WorkError:
    """Return an error as it is told to another process; `name` is what its item is called."""
    return WorkError(type(error), error.args, dict(vars(error)), name, traceback.format_exc())


def perform_pickled(pickled: bytes) -> bytes:
    """Do what `perform` does from pickle to pickle; what cannot be read or written is an error too."""
    try:
        work = pickle.loads(pickled)
    except Exception as error:
        return _portable(WorkError(ImportError, (f"a worker cannot read what it is sent: {error}",), {}, "", ""))
    return _portable(perform(work))


def _portable(outcome: WorkResult | WorkError) -> bytes:
    try:
        return pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        item = outcome.item if isinstance(outcome, WorkError) else ""
        where = outcome.where if isinstance(outcome, WorkError) else traceback.format_exc()
        return pickle.dumps(WorkError(RuntimeError, (f"not to be pickled: {error}",), {}, item, where))


def result_of(outcome: WorkResult | WorkError) -> Any:
    """Return the value, or raise the error with the item's name: in what a user reads, or as a note of a fault."""
    if isinstance(outcome, WorkResult):
        return outcome.value
    error = outcome.kind.__new__(outcome.kind, *outcome.args)
    error.args = outcome.args
    vars(error).update(outcome.state)
    if not isinstance(error, StepdownError):
        error.add_note(f"in a worker, on `{outcome.item}`:\n{outcome.where}")
    elif outcome.item not in error.what:
        error.what = f"{error.what} (on `{outcome.item}`)"
        error.args = (f"{error.what}\n\nhint: {error.hint}" if error.hint else error.what,)
    raise error
