"""What answers at a web address that a person names: its base URL, its provider and its models."""

import os
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from stepdown.errors import EndpointRefused, StepdownError, UsageError, closest
from stepdown.models.environment import read_env_file
from stepdown.models.http.addresses import bare_address, clean_address, join_address
from stepdown.models.http.endpoint_model import TIMEOUT, EndpointModel
from stepdown.models.http.endpoints import ADDRESSES, Endpoint, find_address, find_endpoint
from stepdown.models.http.limits import RetryableError

SECONDS = 10.0
_VERSION, _ENDING = "/v1", "_BASE_URL"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Offer(msgspec.Struct, frozen=True):
    """An address that answers: its `base` URL, the `provider` its models are named by, and the models it lists.

    `models` is None where it does not say which it has.
    """

    base: str
    provider: str
    models: tuple[str, ...] | None

    def choose(self, name: str, option: str) -> str:
        """Return the name of a model there, "" meaning the only one. Raises `UsageError`, which lists them."""
        where, known = bare_address(self.base), self.models
        if known is None:
            if not name:
                raise UsageError(f"`{where}` does not list its models", f"name one with {option}", option=option)
            return name
        listed = ", ".join(f"`{one}`" for one in known)
        if not known:
            raise UsageError(f"`{where}` has no model", "load one there, and run the same command again")
        if not name and len(known) > 1:
            raise UsageError(f"`{where}` has {len(known)} models", f"choose one with {option}: {listed}", option=option)
        # Ollama takes a name without its tag for that of the latest.
        if name and not {name, f"{name}:latest"} & {*known}:
            meant = f"did you mean `{close[0]}`? " if (close := closest(name, known)) else ""
            raise UsageError(f"there is no model `{name}` at `{where}`", f"{meant}it has {listed}", option=option)
        return name or known[0]

    def load(self, model: str, *, concurrency: int | None = None, timeout: float = TIMEOUT) -> EndpointModel:
        """Return one of its models; nothing is sent yet. Raises `UsageError` where a key is missing."""
        return EndpointModel(
            find_endpoint(f"{self.provider}/{model}", self.base), concurrency=concurrency, timeout=timeout
        )


async def look_at(address: str, *, option: str = "--at", seconds: float = SECONDS) -> Offer:
    """Return what answers at an address, which may lack its scheme and its `/v1`.

    That of a provider, by the table or by a `<NAME>_BASE_URL`, is asked with that provider's key, and its models go by
    the provider's names; any other is `openai-api/HOST`, its key `<HOST>_API_KEY`. Raises `UsageError` for what is no
    web address or lacks a key, `EndpointRefused` where nothing answers.
    """
    base = _read(address, option)
    provider, known = _provider_at(base)
    tries = [known] if known else _bases(base)
    for one in tries:
        models = await _list(find_endpoint(f"{provider}/any", one), seconds)
        if models is not None:
            return Offer(one, provider, models)
    return Offer(tries[0], provider, None)


async def _list(endpoint: Endpoint, seconds: float) -> tuple[str, ...] | None:
    model = EndpointModel(endpoint, timeout=seconds)
    try:
        found = await model.probe()
    except RetryableError as fault:
        raise EndpointRefused(fault.reason, fault.hint or "see whether the server is up, and try again") from None
    finally:
        await model.close()
    return None if found is None else tuple(found)


def _read(address: str, option: str) -> str:
    """Return an address with its scheme, without a dialect's path at its end."""
    given = address.strip()
    if "://" not in given:
        host = urlsplit(f"//{given}").hostname if given.isprintable() else ""
        given = f"{'http' if host in _HERE else 'https'}://{given}"
    try:
        return clean_address(given, option)
    except UsageError as error:
        raise UsageError(error.what, "give one such as http://localhost:8000/v1", option=option) from None


def _bases(base: str) -> list[str]:
    """Return the base URLs that an address may mean, the likelier one first."""
    path = urlsplit(base).path
    more = [] if path.endswith(_VERSION) else [join_address(base, _VERSION)]
    return [*more, base] if not path else [base, *more]


def _provider_at(base: str) -> tuple[str, str]:
    """Return the provider whose address this is, and its base URL; `openai-api/HOST` and "" where it is nobody's."""
    parts = urlsplit(base)
    for provider in [*_configured(), *ADDRESSES]:
        with suppress(StepdownError):
            known = find_address(f"{provider}/any", provider)
            if known and _is_same(parts, urlsplit(known)):
                name = provider if provider in ADDRESSES else f"openai-api/{provider}"
                return name, urlunsplit((*urlsplit(known)[:3], parts.query or urlsplit(known).query, ""))
    return f"openai-api/{parts.hostname}", ""


def _configured() -> list[str]:
    """Return the names whose address a variable holds."""
    names = sorted(name for name in {*os.environ, *read_env_file()} if name.endswith(_ENDING))
    return [one for name in names if (one := name.removesuffix(_ENDING).lower()) and not one.startswith("azure")]


def _is_same(given: SplitResult, known: SplitResult) -> bool:
    """Whether an address is a provider's, which is known with its version."""
    return _server(given) == _server(known) and given.path in {"", known.path, known.path.removesuffix(_VERSION)}


def _server(parts: SplitResult) -> tuple[str, str, int | None]:
    host = parts.hostname or ""
    return parts.scheme, "localhost" if host in _HERE else host, parts.port
