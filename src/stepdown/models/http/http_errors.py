"""What an endpoint's refusal means: ask again, give up this call, or stop the run."""

import re
from collections.abc import Mapping

from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong, StepdownError
from stepdown.models.http.api_errors import ApiError, api_error_of
from stepdown.models.http.context_length import is_overflow
from stepdown.models.http.endpoints import Endpoint
from stepdown.models.http.limits import RetryableError
from stepdown.models.http.retry_after import read_retry_after

_QUOTE = 200
_BUSY = {429, 503, 529}
_PASSING = {408, 409, 425}
_NO_MODEL = re.compile(r"model.{0,200}(not found|does not exist|not exist|unknown)|(unknown|invalid) model", re.S)
_UNWELCOME = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra inputs|must be 1\b"
    r"|cannot both|can't both|mutually exclusive|only one of|not both|not enabled|not available|not accepted"
    r"|not valid|does not accept|is not implemented|forbidden|deprecated"
)
_NAMED = {
    "max_tokens": re.compile(r"max_completion_tokens"),
    "temperature": re.compile(r"\btemperature\b"),
    "top_p": re.compile(r"\btop_p\b|\btopp\b"),
    "seed": re.compile(r"\bseed\b"),
    "stop": re.compile(r"\bstop(_sequences?|sequences)?\b"),
    "logprobs": re.compile(r"\blog_?probs\b"),
    "stream_options": re.compile(r"\bstream_options\b|\binclude_usage\b"),
    "n": re.compile(r"['\"`]n['\"`]|\bn\b ?(>|=|must|is not|not)|candidatecount|multiple (choices|candidates)"),
    "system": re.compile(
        r"\bsystem['\"`]? (role|message|prompt|instruction)|role['\"`:. ].{0,40}\bsystem\b|['\"`]system['\"`]"
        r"|developer instruction"
    ),
}
# What templates say of a system line without the words above: Mistral's and those made after it.
_ALTERNATE = re.compile(r"roles? must alternate|only user(,| and| or).{0,20}assistant|must start with (a|the) user")
_BOTH = re.compile(r"\bboth\b|only one|mutually exclusive|either")
_ROLE = re.compile(r"messages?\b.{0,9}\brole\b")
# Servers that apply a template answer what it raises as an error of theirs: llama.cpp's 500, TGI's 422.
_TEMPLATE_STATUSES = {400, 422, 500, 501}


def read_failure(endpoint: Endpoint, status: int, headers: Mapping[str, str], error: ApiError) -> Exception:
    """Return the `RetryableError`, `CallFailed` or `EndpointRefused` of a status that is not 200."""
    text = quote(endpoint, error.message)
    reason = f"{status}: {text}" if text else f"{status}"
    if is_overflow(status, error):
        return too_long(endpoint, reason)
    if status in _BUSY and not _is_spent(status, error):
        pause = read_retry_after(headers)
        mark = reason if status >= 500 and pause is None else ""
        return RetryableError(reason, kind="busy", pause=pause, mark=mark, status=status)
    if status >= 500:
        return RetryableError(reason, mark=reason, status=status)
    if status in _PASSING:
        return RetryableError(reason, status=status)
    return _refusal(endpoint, status, error, reason)


def read_error(endpoint: Endpoint, error: object, headers: Mapping[str, str]) -> Exception:
    """Return what an error inside a response of status 200 means: its code counts as the status."""
    found = api_error_of(error)
    if is_overflow(400, found):
        return too_long(endpoint, quote(endpoint, found.message))
    if found.status:
        return read_failure(endpoint, found.status, headers, found)
    return RetryableError(f"200 with an error: {quote(endpoint, found.message)}")


def too_long(endpoint: Endpoint, reason: str) -> PromptTooLong:
    """Return the error of a call that does not fit the context of an endpoint's model."""
    return PromptTooLong(f"`{endpoint.name}` refused this call: {reason}", "shorten the prompt, or lower max_tokens")


def _is_spent(status: int, error: ApiError) -> bool:
    return status == 429 and not {"insufficient_quota", "insufficient_balance"}.isdisjoint(error.names)


def _refusal(endpoint: Endpoint, status: int, error: ApiError, reason: str) -> StepdownError:
    words = error.message[:2000].lower()
    name, at = f"`{endpoint.name}`", f"at `{endpoint.source}`"
    if status == 403 and ("moderation" in words or "flagged" in words):
        return CallFailed(f"{name} refused to answer this prompt: {reason}", "look at the prompt")
    if status in {401, 403} or (status == 400 and "api key" in words):
        return EndpointRefused(f"the key for {name} was refused {at}: {reason}", _key_hint(endpoint))
    if status in {402, 429}:
        return EndpointRefused(f"the account for {name} has no credit left: {reason}", "top it up, then run again")
    if status == 404 or "model_not_found" in error.names or _NO_MODEL.search(words):
        return EndpointRefused(f"there is no model `{endpoint.model}` {at}: {reason}", _model_hint(endpoint))
    if status < 400 or status == 405:
        return EndpointRefused(f"{at[3:]} does not answer chat requests for {name}: {reason}", _address_hint())
    return CallFailed(f"{name} refused this call: {reason}", "look at the prompt's length and the settings")


def _key_hint(endpoint: Endpoint) -> str:
    variable = f"`{endpoint.variable}`" if endpoint.variable else "the key"
    return f"set {variable} to a key that may use this model; `stepdown models` tries it"


def _model_hint(endpoint: Endpoint) -> str:
    if endpoint.name.startswith("ollama/"):
        return f"`ollama pull {endpoint.model}`, or see `stepdown models`"
    return f"`stepdown models` lists what is there; {_address_hint()}"


def _address_hint() -> str:
    return "most base URLs end in `/v1`"


def quote(endpoint: Endpoint, text: str) -> str:
    """Return at most 200 characters of a text on one line, without the key and control characters."""
    text = endpoint.key.scrub(text[:4000])
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= _QUOTE else text[: _QUOTE - 1] + "…"


def find_refused_field(status: int, error: ApiError, sent: frozenset[str]) -> str:
    """Return which of the sent fields the endpoint does not know or take, "" if it names none.

    Newer OpenAI models want `max_completion_tokens` and refuse `temperature` or `stop`; Anthropic's refuse
    `temperature` beside `top_p`; some servers refuse `n`, `seed`, `stream_options`, some models a `system` line.
    """
    if status not in _TEMPLATE_STATUSES:
        return ""
    words, codes = error.message[:2000].lower(), {"unsupported_parameter", "unsupported_value", "extra_forbidden"}
    refused = bool(_UNWELCOME.search(words)) or not codes.isdisjoint(error.names)
    if "system" in sent and (_ALTERNATE.search(words) or (refused and _is_of_system(error, words))):
        return "system"
    if not refused or status not in {400, 422}:
        return ""
    named = [field for field in _NAMED if field in sent and field != "system" and _NAMED[field].search(words)]
    if {"temperature", "top_p"} <= {*named} and _BOTH.search(words):
        return "top_p"
    field = error.param.rpartition(".")[2]
    if field in sent and (field != "max_tokens" or not codes.isdisjoint(error.names)):
        return field
    return named[0] if named else ""


def _is_of_system(error: ApiError, words: str) -> bool:
    return bool(_NAMED["system"].search(words)) or bool(_ROLE.search(error.param))
