"""What an endpoint is paid for beside the replies it gives: texts it broke off, answers that cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from stepdown.types import Usage


class Spent(msgspec.Struct, frozen=True):
    """One answer that was paid for and gave no reply; `usage` is None where the endpoint did not say."""

    text: str
    usage: Usage | None


_NOTED: ContextVar[list[Spent] | None] = ContextVar("stepdown_spent", default=None)


def spend(text: str, usage: Usage | None) -> None:
    """Note an answer that gave no reply, for whoever counts in this task; one without text and usage cost nothing."""
    noted = _NOTED.get()
    if noted is not None and (text or usage is not None):
        noted.append(Spent(text, usage))


@contextmanager
def noting() -> Iterator[list[Spent]]:
    """Gather what models note while the `with` lasts, in this task."""
    noted: list[Spent] = []
    before = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(before)
