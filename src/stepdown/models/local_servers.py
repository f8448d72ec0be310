"""What servers of models on this machine offer: those whose address needs no key, at their usual ports."""

import asyncio

from stepdown.errors import StepdownError
from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.endpoints import LOCAL, find_endpoint

SECONDS = 1.0


async def offered_here(seconds: float = SECONDS) -> list[str]:
    """Return the model strings that such servers list within some seconds; none of those that do not answer."""
    found = await asyncio.gather(*(_listed(provider, seconds) for provider in sorted(LOCAL)))
    return [name for names in found for name in names]


async def _listed(provider: str, seconds: float) -> list[str]:
    try:
        model = EndpointModel(find_endpoint(f"{provider}/any"), timeout=seconds)
    except StepdownError:  # an address in the environment that is none, or a fleet's
        return []
    try:
        async with asyncio.timeout(seconds):
            return [f"{provider}/{name}" for name in await model.models()]
    except (StepdownError, TimeoutError):
        return []
    finally:
        await model.close()
