"""The lines of JSON that a command writes beside its results: its error, and progress to the server that started it."""

import re

import msgspec

from stepdown.errors import StepdownError
from stepdown.types import Backoff, Role


class Failure(msgspec.Struct, frozen=True):
    """The error that a command ended with.

    `code` is its kind, such as `usage_error` or `unknown_name`; `exit` the exit code of the command, `option` the
    option that is at fault, "" where it is none or not known.
    """

    code: str
    message: str
    hint: str
    exit: int
    option: str = ""


class RunProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is: `done` of `total` traces, `right` of the `graded`, `rate` in traces per second.

    `tokens` and `cost` (US dollars) are of all its traces; None where they are unknown. `backoff` says what keeps its
    requests waiting, None where nothing does.
    """

    run: str
    total: int
    done: int = 0
    graded: int = 0
    right: int = 0
    rate: float = 0.0
    tokens: int | None = 0
    cost: float | None = None
    backoff: Backoff | None = None

    @property
    def left(self) -> float | None:
        """Seconds until it is done at this rate; None while there is no rate."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line that is no result: `{"error": ...}`, or `{"progress": ...}`, which only a server is sent."""

    error: Failure | None = None
    progress: RunProgress | None = None


class Costing(msgspec.Struct, frozen=True):
    """What a run would take: a line of `run --estimate --json`; costs are None where a price is unknown."""

    run: str
    method: str
    student: str
    teacher: str
    calls: int
    cached: int
    tokens: dict[Role, int]
    cost: float | None
    most: float | None


def failure_of(error: StepdownError, code: int | None = None) -> Failure:
    """Return an error as a line of JSON says it, with the exit code of the command where it is not the error's own."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    return Failure(kind, error.what, error.hint, error.exit_code if code is None else code, error.option)
