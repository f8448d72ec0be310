"""Why a reply ended, in the words of many servers: only what is known to be whole is whole."""

import re
from typing import Literal

from stepdown.types import Finish

Ending = Finish | Literal["broken"]

# The model ended its turn or came to a stop string. Words of OpenAI, Anthropic, Gemini, Cohere, Hugging Face's TGI,
# Together, AI21, Bedrock's Titan and older llama.cpp servers. Calls of tools count: that turn is whole.
WHOLE = frozenset(
    {"stop", "stopped", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "stop_word", "word", "end"}
    | {"endoftext", "end_of_text", "complete", "completed", "finish", "finished", "done"}
    | {"tool_calls", "tool_call", "tool_use", "function_call"}
)
# The limit of tokens, or the model's context, was reached. Also words of Mistral, Anthropic, watsonx and llama.cpp.
LENGTH = frozenset(
    {"length", "max_tokens", "max_token", "max_length", "max_output_tokens", "max_new_tokens", "token_limit", "limit"}
    | {"model_length", "model_context_window_exceeded", "context_length", "context_length_exceeded", "error_limit"}
)
# Somebody's rules ended or withheld the text. Also Gemini's, Bedrock's, Zhipu's and Cohere's words.
FILTER = frozenset(
    {"content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"}
    | {"image_safety", "sensitive", "refusal", "guardrail_intervened", "guardrails", "error_toxic", "moderation"}
)
# The server says that it broke the reply off. DeepSeek's, vLLM's and SGLang's, Zhipu's, Cohere's, watsonx's words.
BROKEN = frozenset(
    {"error", "abort", "aborted", "insufficient_system_resource", "network_error", "cancel", "cancelled", "canceled"}
    | {
        "user_cancel",
        "timeout",
        "time_limit",
        "interrupted",
        "server_error",
        "internal_error",
        "malformed_model_output",
    }
)
_WORDS: dict[Ending, frozenset[str]] = {"stop": WHOLE, "length": LENGTH, "filter": FILTER, "broken": BROKEN}
_KNOWN = {word: ending for ending, words in _WORDS.items() for word in words}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-z_]*")


def is_given(reason: object) -> bool:
    """Whether a finish reason is one; some servers write null as a text."""
    return reason is not None and reason not in ("", "null", "none", "None")


def read_finish(reason: object) -> Ending:
    """Return how a reply ended; `unknown` for words nobody knows, `broken` where the server broke it off.

    Case, `camelCase`, hyphens, a class in front (`FinishReason.STOP`) and what follows a colon count nowhere. A
    reason that is not given is `stop`: the body that came is whole.
    """
    if isinstance(reason, str) and reason in _KNOWN:
        return _KNOWN[reason]
    if not is_given(reason):
        return "stop"
    if not isinstance(reason, str):
        return "unknown"
    word = _HUMP.sub("_", reason[:80].strip()).lower().replace("-", "_").replace(" ", "_").rpartition(".")[2]
    match = _WORD.match(word.removeprefix("finish_reason_"))
    return _KNOWN.get(match[0].strip("_") if match else "", "unknown")
