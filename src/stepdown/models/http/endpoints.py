"""Where a model string leads: address, key and dialect of an endpoint."""

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.models.environment import Secret, find_setting
from stepdown.models.http.addresses import bare_address, clean_address, join_address
from stepdown.models.http.dialects import DIALECTS, Dialect, dialect_of
from stepdown.models.http.dialects.openai_chat import OPENAI_CHAT
from stepdown.models.suggestions import suggest

ADDRESSES = {
    "anthropic": "https://api.anthropic.com/v1",
    "azure": "",
    "cerebras": "https://api.cerebras.ai/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "groq": "https://api.groq.com/openai/v1",
    "llamacpp": "http://localhost:8080/v1",
    "lmstudio": "http://localhost:1234/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshot": "https://api.moonshot.ai/v1",
    "nebius": "https://api.studio.nebius.com/v1",
    "nvidia": "https://integrate.api.nvidia.com/v1",
    "ollama": "http://localhost:11434/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "sambanova": "https://api.sambanova.ai/v1",
    "sglang": "http://localhost:30000/v1",
    "together": "https://api.together.xyz/v1",
    "vllm": "http://localhost:8000/v1",
    "xai": "https://api.x.ai/v1",
}
LOCAL = frozenset({"llamacpp", "lmstudio", "ollama", "sglang", "vllm"})
ANY = frozenset(DIALECTS)

_START = {
    "ollama": "start it with `ollama serve`, or set `OLLAMA_HOST`",
    "vllm": "start it with `vllm serve MODEL`, or set `VLLM_BASE_URL`",
    "llamacpp": "start it with `llama-server -m MODEL.gguf`, or set `LLAMACPP_BASE_URL`",
}
_AZURE_VERSION = "2024-10-21"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one address.

    `name` is the model string, `model` what the endpoint calls it, `base` the address to which
    a dialect adds its paths, `dialect` how it is asked. `variable` names the key's environment variable and `start`
    says how to start the server, both for hints. `key_header` is where its key goes if not where the dialect puts it.
    `local` means that calls cost nothing. `unset` names the variable of a key that it wants and lacks.
    """

    name: str
    model: str
    base: str
    dialect: Dialect = OPENAI_CHAT
    key: Secret = Secret("")
    key_header: str = ""
    variable: str = ""
    start: str = ""
    local: bool = False
    unset: str = ""

    @property
    def url(self) -> str:
        """Where requests go that are not streamed."""
        return self.dialect.address(self.base, self.model)

    @property
    def source(self) -> str:
        """The address without credentials and query, as part of a call's identity.

        What the endpoint calls the model, and its dialect, are added where the name does not have them.
        """
        provider = self.name.partition("/")[0]
        added = [f"model={self.model}"] * (not self.name.endswith(f"/{self.model}"))
        if self.dialect.mark and DIALECTS.get(provider, dialect_of(provider)) is not self.dialect:
            added.append(self.dialect.mark)
        return bare_address(self.base) + "".join(f"#{one}" for one in added)


def endpoint_at(address: str, model: str, *, name: str = "", key: str = "", dialect: Dialect = OPENAI_CHAT) -> Endpoint:
    """Return the endpoint of a model at a base URL given in the program, such as `http://localhost:8000/v1`."""
    base = clean_address(address, "address")
    return Endpoint(
        name=name or f"openai-api/{urlsplit(base).hostname}/{model}",
        model=model,
        base=base,
        dialect=dialect,
        key=Secret(key),
    )


def find_endpoint(name: str, address: str = "", *, keyless: bool = False) -> Endpoint:
    """Return the endpoint of a model string such as `openai/gpt-4o`, at another `address` where one is given.

    `<provider>/<model>` for a provider of the table, whose address `<PROVIDER>_BASE_URL` replaces;
    `openai-api/<name>/<model>` for any other, with `<NAME>_BASE_URL` and, if it wants one,
    `<NAME>_API_KEY`; `<dialect>/<name>/<model>` for another dialect of either, such as `openai-completions`.
    With `keyless` the key may be missing, since nothing is to be sent: the endpoint's `unset` names it.
    Raises `UnknownName` for another provider and `UsageError` for a missing model, address or key.
    """
    provider, model, dialect = _split_name(name)
    if provider == "azure" and not address:
        return _find_azure(name, model, dialect, keyless=keyless)
    base = address or find_address(name, provider)
    variable = f"{_variable(provider)}_API_KEY"
    key = Secret(find_setting(variable))
    missing = not key and provider not in LOCAL and base == ADDRESSES.get(provider)
    if missing and not keyless:
        raise missing_key(name, variable)
    return Endpoint(
        name=name,
        model=model,
        base=base,
        dialect=dialect,
        key=checked_key(key, variable),
        variable=variable,
        start=_START.get(provider, ""),
        local=provider in LOCAL,
        unset=variable if missing else "",
    )


def _split_name(name: str) -> tuple[str, str, Dialect]:
    """Return the provider, the model and the dialect of a model string; raises as `find_endpoint` does."""
    provider, _, model = name.partition("/")
    dialect = DIALECTS.get(provider) or dialect_of(provider)
    if provider in ANY:
        provider, _, model = model.partition("/")
    elif provider not in ADDRESSES:
        if meant := suggest(name):
            raise UsageError(f"there is no model `{name}`: its provider is not said", f"did you mean `{meant}`?")
        more = f"and there is no folder `{name}`" if model else "write `provider/model`, or the path of a student"
        raise UnknownName("provider", provider, [*ADDRESSES, *ANY, "embedded"], more=more)
    if not provider or not model:
        raise UsageError(f"`{name}` names no model", "write `provider/model`, such as `ollama/llama3.2:1b`")
    return provider, model, dialect


def provider_of(name: str) -> str:
    """Return the provider of a model string, `lab` of `openai-api/lab/model`; raises as `find_endpoint` does."""
    return _split_name(name)[0]


@lru_cache(maxsize=256)
def provider_and_model(name: str) -> tuple[str, str]:
    """Return the provider of a model string and what that calls the model; no provider for a name that has none."""
    try:
        return _split_name(name)[:2]
    except UsageError:
        return "", name


def address_of(provider: str) -> tuple[str, str]:
    """Return the variable that names a provider's address, and what it says, "" where it is not set."""
    variable = f"{_variable(provider)}_BASE_URL"
    return variable, find_setting(variable)


def find_address(name: str, provider: str) -> str:
    """Return the base URL of a provider, for the model of this name. Raises `UsageError` where none is known."""
    variable, address = address_of(provider)
    if address:
        return clean_address(address.strip(", "), variable)
    if provider == "ollama" and (host := find_setting("OLLAMA_HOST")):
        return _ollama_address(host)
    if provider not in ADDRESSES:
        raise UsageError(
            f"`{name}` has no address: `{variable}` is not set",
            f"export {variable}=http://HOST:PORT/v1, or write that line into `.env`",
        )
    return ADDRESSES[provider]


def _find_azure(name: str, model: str, dialect: Dialect, *, keyless: bool) -> Endpoint:
    variables = ("AZURE_OPENAI_BASE_URL", "AZURE_BASE_URL", "AZURE_OPENAI_ENDPOINT")
    address = find_setting(*variables)
    if not address:
        raise UsageError(
            f"`{name}` has no address: `{variables[0]}` is not set",
            f"export {variables[0]}=https://NAME.openai.azure.com",
        )
    base = clean_address(address, variables[0])
    if not urlsplit(base).path.endswith("/v1"):
        base = _deployment_address(base, model)
    key = Secret(find_setting("AZURE_OPENAI_API_KEY", "AZURE_API_KEY"))
    variable = "AZURE_OPENAI_API_KEY"
    if not key and not keyless:
        raise missing_key(name, variable)
    return Endpoint(
        name=name,
        model=model,
        base=base,
        dialect=dialect,
        key=checked_key(key, variable),
        key_header="api-key",
        variable=variable,
        unset="" if key else variable,
    )


def _deployment_address(base: str, model: str) -> str:
    """Return Azure's address of a deployment, with the version of the interface in the query."""
    if "/openai/deployments/" not in base:
        base = join_address(base, f"/openai/deployments/{model}")
    if "api-version=" in base:
        return base
    version = find_setting("AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION") or _AZURE_VERSION
    return f"{base}{'&' if '?' in base else '?'}api-version={version}"


def missing_key(name: str, variable: str) -> UsageError:
    """Return the error of a model whose key is not set."""
    return UsageError(
        f"`{name}` needs a key: `{variable}` is not set",
        f"export {variable}=..., or write that line into `.env`; `embedded/` models need no key",
    )


def checked_key(key: Secret, variable: str) -> Secret:
    """Return a key that a request's head can hold; raises `UsageError` for one with line ends or other controls."""
    if not key.reveal().isprintable():
        raise UsageError(f"`{variable}` holds a line end or another control character", "set it to the key alone")
    return key


def _variable(provider: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", provider.upper())


def _ollama_address(host: str) -> str:
    """Return Ollama's address from `OLLAMA_HOST`, which may lack scheme, host, port and path and may be `0.0.0.0`.

    Read as Ollama's own client does (`envconfig.Host`): `:11434`, `::1`, `[::1]:11434`, `box`, `https://box/path`.
    """
    scheme, marked, rest = host.partition("://") if "://" in host else ("http", "", host)
    index, slash, path = rest.partition("/")
    if not marked and _is_address(index):
        index = f"[{index}]" if ":" in index else index
    if index.startswith(":"):
        index = f"localhost{index}"
    where = index.replace("0.0.0.0", "localhost", 1).replace("[::]", "localhost", 1) or "localhost"
    if not marked and not re.search(r":\d+$", where):
        where += ":11434"
    address = f"{scheme}://{where}{slash}{path}"
    return clean_address(address if path.strip("/") else f"{scheme}://{where}/v1", "OLLAMA_HOST")


def _is_address(address: str) -> bool:
    try:
        return bool(ip_address(address))
    except ValueError:
        return False
