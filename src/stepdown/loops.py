"""The event loop that work runs in: uvloop's where it is installed, which takes less of a processor, else Python's."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, as `asyncio.run` does."""
    try:
        import uvloop
    except ImportError:  # an optional speed-up, which Windows has not
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
