"""What comes of attempts beside replies: texts broken off and paid for, silence, and which server of a fleet failed."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from stepdown.models.http.limits import RetryableError
from stepdown.types import Usage


class LostReply(msgspec.Struct, frozen=True):
    """One answer that was paid for and gave no reply; `usage` is None where the endpoint did not say."""

    text: str
    usage: Usage | None


_NOTED: ContextVar[Callable[[LostReply], None] | None] = ContextVar("stepdown_spent", default=None)


def report_loss(text: str, usage: Usage | None) -> None:
    """Note an answer that gave no reply, for whoever counts in this task; one without text and usage cost nothing.

    Raises what the counting raises: a budget that allows no further attempt.
    """
    note = _NOTED.get()
    if note is not None and (text or usage is not None):
        note(LostReply(text, usage))


_SILENCES: ContextVar[Callable[[int, bool], None] | None] = ContextVar("stepdown_silences", default=None)


def report_break(failure: BaseException, draws: int) -> None:
    """Note an attempt for so many draws that was sent and of which nothing came back, for whoever counts in this task.

    Nobody on this side can tell whether it is billed. Raises what the counting raises, as `report_loss` does.
    """
    note = _SILENCES.get()
    if note is None:
        return
    if isinstance(failure, asyncio.CancelledError):
        note(draws, False)
    elif isinstance(failure, RetryableError) and failure.kind in ("silent", "broken"):
        note(draws, failure.kind == "silent")


class ServerFault(msgspec.Struct, frozen=True):
    """One attempt that failed at a server of a fleet, by its address, and why."""

    server: str
    reason: str


_FAULTS: ContextVar[Callable[[ServerFault], None] | None] = ContextVar("stepdown_server_faults", default=None)


def report_server_fault(server: str, reason: str) -> None:
    """Note that an attempt failed at a server, for whoever counts in this task."""
    note = _FAULTS.get()
    if note is not None:
        note(ServerFault(server, reason))


@contextmanager
def losses_to(
    loss: Callable[[LostReply], None],
    fault: Callable[[ServerFault], None] | None = None,
    silence: Callable[[int, bool], None] | None = None,
) -> Iterator[None]:
    """Tell what models spend on no reply in this task while the `with` lasts, and which servers fail.

    `silence` is called for an attempt that was sent and of which nothing came back: with the draws it was to bring, and
    True where the time ran out.
    """
    before = _NOTED.set(loss), _FAULTS.set(fault), _SILENCES.set(silence)
    try:
        yield
    finally:
        _NOTED.reset(before[0])
        _FAULTS.reset(before[1])
        _SILENCES.reset(before[2])
