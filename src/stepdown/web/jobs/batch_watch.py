"""Batches of the store, looked at while the server runs: what they bring is there when somebody asks."""

import asyncio
import sys

from stepdown.errors import StepdownError
from stepdown.runner import BatchClient
from stepdown.web.state import State

PAUSE = 60.0  # seconds between two looks


async def watch_batches(state: State) -> None:
    """Take up what the batches of the store bring, until it is cancelled; what fails is said and tried again."""
    while not state.read_only:
        client = BatchClient(state.store)
        try:
            if client.batches.all(only_open=True):
                await client.look()
        except StepdownError as error:
            print(f"batches: {error.what}", file=sys.stderr)
        finally:
            await client.close()
        await asyncio.sleep(PAUSE)
