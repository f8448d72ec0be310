"""Who can answer: models behind endpoints, in this process, recorded or scripted."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from stepdown.errors import UsageError
from stepdown.models.capacity import Capacity, capacity_of
from stepdown.models.cluster import ClusterModel
from stepdown.models.environment import Secret, find_setting, read_env_file
from stepdown.models.http.connections import find_proxy
from stepdown.models.http.endpoint_model import TIMEOUT, EndpointModel
from stepdown.models.http.endpoints import ADDRESSES, find_endpoint, provider_and_model
from stepdown.models.http.fleets.fleet_model import FleetModel, ServerLook
from stepdown.models.http.fleets.server_lists import ServerFiles, configured_fleets, find_in_config, find_servers
from stepdown.models.http.offers import Offer, look_at
from stepdown.models.http.scorer import Scorer, find_scorer
from stepdown.models.local.engine_file import EngineAddress, engine_folder, find_engine, read_address
from stepdown.models.local.engine_server import run_engine
from stepdown.models.local.loading import load_local
from stepdown.models.local.resident_model import ResidentModel
from stepdown.models.local.resident_model import answers as engine_answers
from stepdown.models.local.subprocess_model import SubprocessModel
from stepdown.models.local_servers import offered_here
from stepdown.models.own_code import TAKEN, as_model, load_own
from stepdown.models.prices import FREE, BatchPrices, Prices, Rate
from stepdown.models.recorded import RecordedModel, index_replies
from stepdown.models.scripted import ScriptedModel
from stepdown.types import Model
from stepdown.workers import check_place

__all__ = [
    "ADDRESSES",
    "FREE",
    "PROCESS",
    "TAKEN",
    "BatchPrices",
    "Capacity",
    "EndpointModel",
    "EngineAddress",
    "FleetModel",
    "Offer",
    "Prices",
    "Rate",
    "RecordedModel",
    "ResidentModel",
    "Scorer",
    "ScriptedModel",
    "Secret",
    "ServerFiles",
    "ServerLook",
    "Servers",
    "as_model",
    "capacity_of",
    "configured_fleets",
    "engine_answers",
    "engine_folder",
    "find_endpoint",
    "find_engine",
    "find_in_config",
    "find_scorer",
    "find_setting",
    "index_replies",
    "load_endpoint",
    "load_model",
    "look_at",
    "offered_here",
    "provider_and_model",
    "read_address",
    "read_env_file",
    "run_engine",
    "unset_keys",
]


# The base URLs of a fleet, a file of them, or the files that one command is given.
Servers = Sequence[str] | Path | ServerFiles | None
# Where a model of this machine runs that is to have a process of its own.
PROCESS = "process"


def load_model(
    name: str,
    *,
    concurrency: int | None = None,
    timeout: float = TIMEOUT,
    logprobs: bool = False,
    code: bool = False,
    servers: Servers = None,
    on: str = "",
    keyless: bool = False,
) -> Model:
    """Return the model of a model string; nothing is sent yet.

    `openai/gpt-4o`, `ollama/llama3.2:1b` and so on for the providers in `ADDRESSES`;
    `openai-api/<name>/<model>` for any OpenAI-compatible endpoint at `<NAME>_BASE_URL`;
    `openai-completions/<name>/<model>` for its plain completions; `embedded/<name>` or a path to a
    `.gguf` file, a student folder or any model folder for a model in this process. `concurrency` fixes how
    many calls are under way at once, which is found by trying otherwise. `timeout` is in seconds per
    request. `logprobs` asks for log-probabilities. `on="process"` runs a model of this machine in a process of
    its own, whose engine cannot hold this one up; `on="ray"` on every node of the Ray cluster.
    With `code` the name may also be a plugin's (`<plugin>/<model>`) or one of a file's (`my.py:model`), which runs
    that code: never for a name from elsewhere.
    `servers` makes an endpoint's model a fleet: the base URLs of servers that all serve it, or a file of them, an
    address a line, that is read again while it is used; several addresses with commas between in `<PROVIDER>_BASE_URL`,
    or `[models.PROVIDER]` in `stepdown.toml`, do so too. Load a model once per name: its limits are its own.
    `keyless` is for a model that is never asked, as in an estimate: the key that it wants may be missing.

    Raises `UsageError` for a name that leads nowhere and `MissingExtra` for an engine not installed.
    """
    if on != PROCESS:
        check_place(on)
    if concurrency is not None and concurrency < 1:
        raise UsageError(f"a concurrency of `{concurrency}` would send nothing", "give 1 or more")
    own = load_own(name) if code else None
    if own is not None:
        return own
    model = load_local(name, logprobs=logprobs)
    if model is None:
        return load_endpoint(
            name, concurrency=concurrency, timeout=timeout, logprobs=logprobs, servers=servers, keyless=keyless
        )
    if on:
        return SubprocessModel(model) if on == PROCESS else ClusterModel(model)
    return model


def unset_keys(models: Iterable[Model]) -> list[str]:
    """Return the variables of the keys that models want and lack, each once; see `keyless` of `load_model`."""
    unset = [model.endpoint.unset for model in models if isinstance(model, EndpointModel)]
    return list(dict.fromkeys(filter(None, unset)))


def load_endpoint(
    name: str,
    *,
    concurrency: int | None = None,
    timeout: float = TIMEOUT,
    logprobs: bool = False,
    servers: Servers = None,
    keyless: bool = False,
) -> EndpointModel | FleetModel:
    """Return the model of a model string that an endpoint or a fleet answers; options and errors: see `load_model`.

    With `keyless` the key of an endpoint may be missing.
    """
    listed = find_servers(name, servers)
    if listed is not None:
        find_proxy(listed.addresses[0])
        return FleetModel(name, listed, concurrency=concurrency, timeout=timeout, logprobs=logprobs)
    endpoint = find_endpoint(name, keyless=keyless)
    find_proxy(endpoint.url)  # one that cannot be used is refused before any call
    return EndpointModel(endpoint, concurrency=concurrency, timeout=timeout, logprobs=logprobs)
