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
    requests waiting, None where nothing does; `evidence` how the comparison stands that is to end it.
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
    evidence: str = ""

    @property
    def left(self) -> float | None:
        """Seconds until it is done at this rate; None while there is no rate."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line that is no result: `{"error": ...}`, or `{"progress": ...}`, which only a server is sent."""

    error: Failure | None = None
    progress: RunProgress | None = None


class CostingConstant(msgspec.Struct, frozen=True):
    """A number that an estimate rests on, from so many `measured` requests of the store, assumed where that is 0."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    measured: int
    note: str


class Costing(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would take: a line of `run --estimate --json`; costs are None where a price is unknown.

    `calls_low` to `calls_high` are to be sent, in `requests`; `width` of these are in flight on `servers`. `seconds` is
    wall time of the run alone, `grid_seconds` that of all runs of the command at once. `corpus_bytes` is None where no
    corpus is written, `within_budget`, the share of its cost or tokens that the budget allows, where there is no limit.
    `left_out` says what is not in it, `unset` names the variables of keys that the run wants and this machine lacks.
    """

    run: str
    method: str
    student: str
    teacher: str
    calls: int
    cached: int
    tokens: dict[Role, int]
    cost: float | None
    most: float | None
    calls_low: int
    calls_high: int
    requests: int
    tokens_low: int
    tokens_high: int
    cost_low: float | None
    cost_high: float | None
    seconds: float
    seconds_low: float
    seconds_high: float
    grid_seconds: float
    grid_seconds_low: float
    grid_seconds_high: float
    store_bytes: int
    store_bytes_low: int
    store_bytes_high: int
    corpus_bytes: int | None
    corpus_bytes_low: int | None
    corpus_bytes_high: int | None
    width: int
    servers: int
    within_budget: float | None
    constants: list[CostingConstant]
    left_out: list[str]
    unset: list[str]


def failure_of(error: StepdownError, code: int | None = None) -> Failure:
    """Return an error as a line of JSON says it, with the exit code of the command where it is not the error's own."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()
    return Failure(kind, error.what, error.hint, error.exit_code if code is None else code, error.option)
