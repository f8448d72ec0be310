"""What a command and the processes that share its work tell one another: pickles in frames, from and to those alone."""

import pickle
import struct
from pathlib import Path
from typing import IO, Any

import msgspec

from stepdown.problems import ProblemSetSummary
from stepdown.runner import LiveCounts
from stepdown.settings import BudgetSettings, EndpointSettings, GridSettings, ProblemSettings, RunSampling
from stepdown.shards import Part, Shard
from stepdown.workers import HEAD, WorkError


class PartOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to do: all that the command was given, its part, and its own share of the endpoint's calls.

    `known` is what the command found in the problems.
    """

    store: Path
    dataset: str
    problems: ProblemSettings
    grid: GridSettings
    sampling: RunSampling
    shard: Shard | None
    money: BudgetSettings
    endpoint: EndpointSettings
    known: ProblemSetSummary | None
    part: Part = Part(0, 1)


class PartProgress(msgspec.Struct, frozen=True):
    """How far a run is in one process: what it counts there, and the US dollars and tokens that it took there."""

    counts: LiveCounts
    money: float
    tokens: int


class PartEnd(msgspec.Struct, frozen=True):
    """The last word of a process: the error that stopped it, None where it did all."""

    error: WorkError | None


PartNews = PartProgress | PartEnd


def frame_of(value: Any) -> bytes:
    """Return a value as a frame."""
    body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return struct.pack(HEAD, len(body)) + body


def send(pipe: IO[bytes], value: Any) -> None:
    """Write a value as a frame."""
    pipe.write(frame_of(value))
    pipe.flush()
