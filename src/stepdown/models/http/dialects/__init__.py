"""What endpoints are asked and answer, one file for each dialect; a new one is such a file and a line here."""

from stepdown.models.http.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from stepdown.models.http.dialects.dialect import Dialect
from stepdown.models.http.dialects.gemini_generate import GEMINI_GENERATE
from stepdown.models.http.dialects.openai_chat import OPENAI_CHAT
from stepdown.models.http.dialects.openai_completions import OPENAI_COMPLETIONS
from stepdown.models.http.dialects.openai_responses import OPENAI_RESPONSES

__all__ = ["DIALECTS", "Dialect", "dialect_of"]

_ALL: tuple[Dialect, ...] = (
    OPENAI_CHAT,
    OPENAI_COMPLETIONS,
    OPENAI_RESPONSES,
    ANTHROPIC_MESSAGES,
    GEMINI_GENERATE,
)
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
# Providers whose model strings mean another dialect than chat completions.
_OWN: dict[str, Dialect] = {"anthropic": ANTHROPIC_MESSAGES}


def dialect_of(provider: str) -> Dialect:
    """Return what the model strings of a provider mean: chat completions unless it has a dialect of its own."""
    return _OWN.get(provider, OPENAI_CHAT)
