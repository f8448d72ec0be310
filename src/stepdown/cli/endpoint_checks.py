"""Which endpoints are set up, and whether they answer."""

import asyncio
import os
from contextlib import suppress

import msgspec

from stepdown.errors import StepdownError
from stepdown.models import ADDRESSES, FleetModel, ServerLook, configured_fleets, find_setting, load_endpoint
from stepdown.models.http import LOCAL
from stepdown.text import counted

SECONDS = 2.0
_WORDS = ("_API_KEY", "_BASE_URL")


class Reached(msgspec.Struct, frozen=True):
    """What is known of one endpoint; `models` is None where it did not answer, and `why` says why.

    `key` names the variable that holds its key, "" if it is not set; the key itself is nowhere. `servers` are those of
    a fleet, whose `models` are what all that answer offer.
    """

    name: str
    address: str
    key: str
    models: tuple[str, ...] | None = None
    why: str = ""
    servers: tuple[ServerLook, ...] = ()


def reach() -> list[Reached]:
    """Ask every endpoint that a variable configures, and the local servers' usual ports, for its models."""
    return asyncio.run(_reach())


async def _reach() -> list[Reached]:
    named = [name for name in ADDRESSES if name in LOCAL or _is_set(name)] + others()
    with suppress(StepdownError):  # a file that cannot be read is said by each endpoint that it could name
        named += [name if name in ADDRESSES else f"openai-api/{name}" for name in configured_fleets()]
    return list(await asyncio.gather(*map(_ask, dict.fromkeys(named))))


def _is_set(name: str) -> bool:
    more = ("OLLAMA_HOST",) if name == "ollama" else ("AZURE_OPENAI_API_KEY",) if name == "azure" else ()
    return bool(find_setting(*(name.upper() + word for word in _WORDS), *more))


def others() -> list[str]:
    """Return the names of `openai-api/<name>` endpoints whose `<NAME>_BASE_URL` is in the environment."""
    ends = (name.removesuffix("_BASE_URL").lower() for name in os.environ if name.endswith("_BASE_URL"))
    return sorted(f"openai-api/{name}" for name in ends if name and name not in ADDRESSES and name != "azure_openai")


async def _ask(name: str) -> Reached:
    variable = name.rpartition("/")[2].upper() + "_API_KEY"
    key = variable if find_setting(variable) else ""
    try:
        model = load_endpoint(f"{name}/any", timeout=SECONDS)
    except StepdownError as error:
        return Reached(name, ADDRESSES.get(name, ""), key, why=error.what)
    if isinstance(model, FleetModel):
        return await _look(name, key, model)
    try:
        async with asyncio.timeout(SECONDS):
            models = tuple(await model.models())
        return Reached(name, model.endpoint.source, key, models)
    except StepdownError as error:
        return Reached(name, model.endpoint.source, key, why=error.what)
    except TimeoutError:
        return Reached(name, model.endpoint.source, key, why=f"no answer within {SECONDS:g} s")
    finally:
        await model.close()


async def _look(name: str, key: str, fleet: FleetModel) -> Reached:
    """Return what is known of a fleet's servers."""
    try:
        looks = tuple(await fleet.look(SECONDS))
    finally:
        await fleet.close()
    answered = [one for one in looks if one.models is not None]
    shared = set.intersection(*(set(one.models or ()) for one in answered)) if answered else set()
    at = f"{len(answered)} of {counted(len(looks), 'server')}"
    if not answered:
        return Reached(name, at, key, why=f"none of {counted(len(looks), 'server')} answers", servers=looks)
    return Reached(name, at, key, tuple(sorted(shared)), servers=looks)
