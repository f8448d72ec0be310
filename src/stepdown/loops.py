"""The event loop that work runs in: uvloop's where it is installed, which takes less of a processor, else Python's."""

import asyncio
from collections.abc import Coroutine
from importlib import import_module
from typing import Any, TypeVar

from stepdown.extras import has

T = TypeVar("T")


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, as `asyncio.run` does."""
    factory = import_module("uvloop").new_event_loop if has("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
