"""What comes of attempts beside replies: texts broken off and paid for, silence, and which server of a fleet failed."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

import msgspec

from stepdown.models.http.limits import RetryableError
from stepdown.types import Usage


class LostReply(msgspec.Struct, frozen=True):
    """One answer that was paid for and gave no reply; `usage` is None where the endpoint did not say."""

    text: str
    usage: Usage | None


class _Listener:
    """Who is told in a task, while it is entered: one for all that may be told, as every call has one."""

    def __init__(
        self,
        lose: Callable[[LostReply], None],
        fault: "Callable[[ServerFault], None] | None",
        miss: Callable[[int, bool], None] | None,
    ) -> None:
        self.lose, self.fault, self.miss = lose, fault, miss

    def __enter__(self) -> None:
        self._before = _LISTENER.set(self)

    def __exit__(self, *_: object) -> None:
        _LISTENER.reset(self._before)


_LISTENER: ContextVar[_Listener | None] = ContextVar("stepdown_losses", default=None)


def report_loss(text: str, usage: Usage | None) -> None:
    """Note an answer that gave no reply, for whoever counts in this task; one without text and usage cost nothing.

    Raises what the counting raises: a budget that allows no further attempt.
    """
    listener = _LISTENER.get()
    if listener is not None and (text or usage is not None):
        listener.lose(LostReply(text, usage))


def report_break(failure: BaseException, draws: int) -> None:
    """Note an attempt for so many draws that was sent and of which nothing came back, for whoever counts in this task.

    Nobody on this side can tell whether it is billed. Raises what the counting raises, as `report_loss` does.
    """
    listener = _LISTENER.get()
    if listener is None or listener.miss is None:
        return
    if isinstance(failure, asyncio.CancelledError):
        listener.miss(draws, False)
    elif isinstance(failure, RetryableError) and failure.kind in ("silent", "broken"):
        listener.miss(draws, failure.kind == "silent")


class ServerFault(msgspec.Struct, frozen=True):
    """One attempt that failed at a server of a fleet, by its address, and why."""

    server: str
    reason: str


def report_server_fault(server: str, reason: str) -> None:
    """Note that an attempt failed at a server, for whoever counts in this task."""
    listener = _LISTENER.get()
    if listener is not None and listener.fault is not None:
        listener.fault(ServerFault(server, reason))


def losses_to(
    loss: Callable[[LostReply], None],
    fault: Callable[[ServerFault], None] | None = None,
    silence: Callable[[int, bool], None] | None = None,
) -> "_Listener":
    """Tell what models spend on no reply in this task while the `with` lasts, and which servers fail.

    `silence` is called for an attempt that was sent and of which nothing came back: with the draws it was to bring, and
    True where the time ran out.
    """
    return _Listener(loss, fault, silence)
