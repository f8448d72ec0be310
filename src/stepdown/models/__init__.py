"""Who can answer: models behind endpoints, in this process, recorded or scripted."""

from pathlib import Path
from typing import TYPE_CHECKING

from stepdown.errors import UsageError
from stepdown.models.chat import TIMEOUT, ChatModel
from stepdown.models.connections import find_proxy
from stepdown.models.endpoints import ADDRESSES, ANY, find_endpoint
from stepdown.models.prices import Prices, Rate
from stepdown.models.recorded import RecordedModel, index_replies
from stepdown.models.scripted import ScriptedModel

if TYPE_CHECKING:
    from stepdown.models.embedded import EmbeddedModel
    from stepdown.types import Model

__all__ = [
    "ADDRESSES",
    "ChatModel",
    "Prices",
    "Rate",
    "RecordedModel",
    "ScriptedModel",
    "index_replies",
    "load_endpoint",
    "load_model",
]


def load_model(
    name: str,
    *,
    concurrency: int | None = None,
    timeout: float = TIMEOUT,
    logprobs: bool = False,
    apart: bool = False,
) -> "Model":
    """Return the model of a model string; nothing is sent yet.

    `openai/gpt-4o`, `ollama/llama3.2:1b` and so on for the providers in `ADDRESSES`;
    `openai-api/<name>/<model>` for any OpenAI-compatible endpoint at `<NAME>_BASE_URL`;
    `openai-completions/<name>/<model>` for its plain completions; `embedded/<name>` or a path to a
    `.gguf` file, a student folder or any model folder for a model in this process. `concurrency` fixes how
    many calls are under way at once, which is found by trying otherwise. `timeout` is in seconds per
    request. `logprobs` asks for log-probabilities. `apart` runs a model of this machine in a process of its own, so
    that its engine holds nobody here up. Load a model once per name: its limits are its own.

    Raises `UsageError` for a name that leads nowhere and `MissingExtra` for an engine not installed.
    """
    if concurrency is not None and concurrency < 1:
        raise UsageError(f"a concurrency of `{concurrency}` would send nothing", "give 1 or more")
    model = _load_here(name)
    if model is not None:
        return _set_apart(model) if apart else model
    return load_endpoint(name, concurrency=concurrency, timeout=timeout, logprobs=logprobs)


def load_endpoint(
    name: str, *, concurrency: int | None = None, timeout: float = TIMEOUT, logprobs: bool = False
) -> ChatModel:
    """Return the model of a model string that an endpoint answers; options and errors are those of `load_model`."""
    endpoint = find_endpoint(name)
    find_proxy(endpoint.url)  # one that cannot be used is refused before any call
    return ChatModel(endpoint, concurrency=concurrency, timeout=timeout, logprobs=logprobs)


def _load_here(name: str) -> "EmbeddedModel | None":
    """Return the model of this machine that a name means, None for a name of an endpoint's."""
    if name.startswith("embedded/") or name.endswith(".gguf"):
        from stepdown.models.embedded import load_embedded

        return load_embedded(name)
    if name and name.partition("/")[0] not in {*ADDRESSES, *ANY} and _is_folder(name):
        from stepdown.models.students import load_student

        return load_student(name)
    return None


def _set_apart(model: "EmbeddedModel") -> "Model":
    from stepdown.models.apart import ApartModel

    return ApartModel(model)


def _is_folder(name: str) -> bool:
    """Whether a name is a folder's path; raises `UsageError` for a path that cannot be anything else."""
    path = Path(name).expanduser()
    inside = len(path.parts) > 1 and path.parent.is_dir()
    if not path.is_dir() and (inside or name[0] in "./~"):
        raise UsageError(f"there is no student folder `{name}`", "give the path of a folder that `train` wrote")
    return path.is_dir()
