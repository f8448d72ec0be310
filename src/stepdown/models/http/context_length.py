"""How servers say that a prompt, or a prompt and its reply, do not fit the model's context."""

import re

from stepdown.models.http.api_errors import ApiError

# OpenAI's code, which llama-cpp-python gives too, and the type llama.cpp's server gives since its pull request 15780.
_NAMES = {"context_length_exceeded", "exceed_context_size_error"}
# Servers that say it in words only: OpenAI's sentence, which vLLM and DeepSeek share; vLLM's of a prompt that fills the
# context alone (its issue 12165 has the older one); SGLang's (its issue 4048) and LM Studio's (its issue 546) two each;
# llama.cpp's of before that type; Ollama's two; Anthropic's two; Gemini's.
_WORDS = re.compile(
    r"maximum context length"
    r"|longer than the maximum model length|too long to fit into the model"
    r"|longer than the model's context length|input length .{0,40}exceeds the maximum allowed length"
    r"|loaded with (a )?context length of only|greater than the context length"
    r"|exceeds? the available context size"
    r"|input length exceeds the context length|prompt too long; exceeded (max )?context length"
    r"|prompt is too long: \d+ tokens|exceed context limit: |token count .{0,20}exceeds the maximum number of tokens"
)
_STATUSES = {400, 413, 422}


def is_overflow(status: int, error: ApiError) -> bool:
    """Whether an error means that the call is too long; words count only where the status blames the request."""
    if _NAMES.intersection(error.names):
        return True
    return status in _STATUSES and bool(_WORDS.search(error.message[:2000].lower()))
