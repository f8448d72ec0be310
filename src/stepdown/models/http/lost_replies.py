"""What an endpoint is paid for beside the replies it gives: texts it broke off, answers that cannot be used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

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


@contextmanager
def losses_to(note: Callable[[LostReply], None]) -> Iterator[None]:
    """Tell what models spend in this task while the `with` lasts."""
    before = _NOTED.set(note)
    try:
        yield
    finally:
        _NOTED.reset(before)
