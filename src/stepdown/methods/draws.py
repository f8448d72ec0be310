"""Several draws of one prompt by one role, for methods that let their answers vote."""

import asyncio

import msgspec

from stepdown.types import Ask, Prompt, Role

# As many as the cascade of `serve` takes; the papers draw 5 to 40.
VOTES = 5


async def drawn(ask: Ask, role: Role, prompt: Prompt, count: int = VOTES) -> list[str]:
    """Return so many replies to a prompt, asked for at once; all are waited for before one's error is raised."""
    asking = (ask(role, msgspec.structs.replace(prompt, draw=number)) for number in range(count))
    replies: list[str] = []
    for reply in await asyncio.gather(*asking, return_exceptions=True):
        if isinstance(reply, BaseException):
            raise reply
        replies.append(reply)
    return replies
