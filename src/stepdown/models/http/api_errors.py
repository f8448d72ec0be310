"""What an endpoint says when it refuses, in the forms of many servers."""

import re
from typing import Any

import msgspec

from stepdown.models.http.lenient_json import read_json, read_text

_MOST = 4000
_DEEPEST = 4
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.I)
# Names of errors that stand for a status where none is given: OpenAI's, Anthropic's, Google's, DeepSeek's.
_STATUS_OF = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "overloaded_error": 503,
    "overloaded": 503,
    "unavailable": 503,
    "insufficient_quota": 402,
    "insufficient_balance": 402,
    "billing_error": 402,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "server_error": 500,
    "api_error": 500,
    "internal_server_error": 500,
}


class ApiError(msgspec.Struct, frozen=True):
    """What an endpoint says when it refuses; `code` may be a status in digits, `param` the field at fault."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""

    @property
    def names(self) -> tuple[str, str]:
        """Code and type in small letters."""
        return self.code.lower(), self.type.lower()

    @property
    def status(self) -> int:
        """The HTTP status that code or type stand for, 0 for none."""
        if self.code.isdecimal() and 400 <= int(self.code[:4]) < 600:
            return int(self.code[:4])
        return next((_STATUS_OF[name] for name in self.names if name in _STATUS_OF), 0)


def read_api_error(raw: bytes) -> ApiError:
    """Return what an error body says: OpenAI's object, a bare `error` or `detail`, a page's title, or its text."""
    text = raw[:2000]
    if raw.lstrip()[:1] in {b"{", b"["} or raw[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\x00" in raw[:4]:
        try:
            return api_error_of(read_json(raw))
        except msgspec.DecodeError:
            pass
    words = read_text(text)
    title = _TITLE.search(words) if words.startswith("<") else None
    return ApiError(message=title[1].strip() if title else words)


def api_error_of(value: Any, depth: int = 0) -> ApiError:
    """Return what a decoded error says: an object, perhaps inside `error` or a list, or a text."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if isinstance(value, dict) and depth < _DEEPEST:
        inside = value.get("error") or value.get("errors") or value.get("detail")
        if isinstance(inside, dict | list) or (inside and not value.get("message")):
            return _completed(api_error_of(inside, depth + 1), value)
    if not isinstance(value, dict):
        return ApiError(message=_as_text(value))
    message = value.get("message") or value.get("msg") or value.get("reason")
    return _completed(ApiError(message=_as_text(message) if message else _as_text(value)), value)


def _completed(error: ApiError, value: dict[str, Any]) -> ApiError:
    """Return the error with what an object around or behind it says of code, type and field."""
    field = value.get("loc")
    param = ".".join(str(part) for part in field if part != "body") if isinstance(field, list) else value.get("param")
    return ApiError(
        message=error.message,
        code=error.code or _word(value.get("code")) or _word(value.get("status_code")),
        type=error.type or _word(value.get("type")) or _word(value.get("status")),
        param=error.param or _word(param),
    )


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return (value if isinstance(value, str) else str(value)[:_MOST])[:_MOST]


def _word(value: object) -> str:
    """Return a name or number as a word, "" for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:200] if isinstance(value, str | int) and not isinstance(value, bool) else ""
