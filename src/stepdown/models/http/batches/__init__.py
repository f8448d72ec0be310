"""Batch APIs, one file for each provider's; a new one is such a file and a line here."""

from collections.abc import Callable
from pathlib import Path

from stepdown.errors import UsageError
from stepdown.models.http.batches.anthropic_batches import AnthropicBatches
from stepdown.models.http.batches.batch_api import BatchAnswer, BatchApi, BatchLimits, BatchLook, BatchRequest
from stepdown.models.http.batches.gemini_batches import GeminiBatches
from stepdown.models.http.batches.openai_batches import OpenAIBatches
from stepdown.models.http.batches.vllm_files import VllmFiles
from stepdown.models.http.dialects.openai_chat import OpenAIChat
from stepdown.models.http.dialects.openai_responses import OpenAIResponses
from stepdown.models.http.endpoints import LOCAL, Endpoint, provider_of

__all__ = ["BatchAnswer", "BatchApi", "BatchLimits", "BatchLook", "BatchRequest", "find_batch_api"]

_APIS: dict[str, Callable[[Endpoint], BatchApi]] = {
    "anthropic": AnthropicBatches,
    "azure": OpenAIBatches,
    "gemini": GeminiBatches,
    "openai": OpenAIBatches,
}
_BY_DIALECT: dict[str, Callable[[Endpoint], BatchApi]] = {
    "anthropic-messages": AnthropicBatches,
    "gemini-generate": GeminiBatches,
}


def find_batch_api(endpoint: Endpoint, folder: Path) -> BatchApi | None:
    """Return the batch API of an endpoint, None where none is known; `folder` is for files that nobody is sent.

    An address of one's own (`openai-api/NAME/MODEL`) is taken to have that of its dialect.
    """
    try:
        provider = provider_of(endpoint.name)
    except UsageError:
        provider = ""
    if provider == "vllm":
        return VllmFiles(endpoint, folder)
    if provider in _APIS:
        return _APIS[provider](endpoint)
    if provider in LOCAL:
        return None
    if endpoint.dialect.name in _BY_DIALECT:
        return _BY_DIALECT[endpoint.dialect.name](endpoint)
    return OpenAIBatches(endpoint) if isinstance(endpoint.dialect, OpenAIChat | OpenAIResponses) else None
