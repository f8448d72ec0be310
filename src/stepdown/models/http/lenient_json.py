"""JSON as servers send it: with byte order marks, NULs, NaN, broken Unicode, nesting without end, words around it."""

import json
import re
from typing import Any

import msgspec

MOST_DEPTH = 64
_AROUND = "\ufeff\x00 \t\r\n"
_LONGEST_NUMBER = 30
# A text that does not end counts to the end, so that no quotation mark is looked at twice.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.S)


def _whole(digits: str) -> float:
    """Return a whole number; one of thousands of digits takes Python quadratic time, or is refused."""
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float("inf")


# Not strict: line breaks inside a text are wrong JSON, and readable.
_DECODER = json.JSONDecoder(strict=False, parse_int=_whole)


def read_json(raw: bytes) -> Any:
    """Return the first JSON object or list in the bytes, what is nested over 64 deep as None.

    UTF-8, UTF-16 and UTF-32 are known by their first bytes; broken Unicode becomes U+FFFD or `?`. Raises
    `msgspec.DecodeError`, and nothing else.
    """
    text = read_text(raw)
    start = min((at for mark in "{[" if (at := text.find(mark)) >= 0), default=-1)
    if start < 0:
        raise msgspec.DecodeError("no JSON object in it")
    text = text[start:]
    try:
        try:
            return _DECODER.raw_decode(text)[0]
        except RecursionError:
            return _DECODER.raw_decode(_shallow(text))[0]
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def write_json(value: object) -> bytes:
    """Return a value that was read as JSON that is read as the same again; null for one that is nested too deep."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"null"


def read_text(raw: bytes) -> str:
    """Return the bytes as text, without marks and blanks around it; broken Unicode is replaced."""
    text = raw.decode(json.detect_encoding(raw), errors="replace") if raw else ""
    return text.strip(_AROUND)


def unicode_of(text: str) -> str:
    """Return the text with halves of surrogate pairs joined, and `?` for one that is left alone."""
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return joined.encode(errors="replace").decode()
    return text


def _shallow(text: str) -> str:
    """Return JSON text with null for what is nested deeper than 64."""
    kept, depth, start = list[str](), 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == MOST_DEPTH + 1:
                kept += [text[start : token.start()], "null"]
        elif token[0] in "]}":
            if depth == MOST_DEPTH + 1:
                start = token.end()
            depth -= 1
    if depth <= MOST_DEPTH:
        kept.append(text[start:])
    return "".join(kept)


_DEEPEST_PART = 8


def text_of(value: Any, depth: int = 0) -> str:
    """Return the text in a value: itself, of parts one after another, of an object its `text` or `content`."""
    if isinstance(value, str):
        return value
    if value is None or depth > _DEEPEST_PART:
        return ""
    if isinstance(value, list):
        return "".join(text_of(part, depth + 1) for part in value)
    if isinstance(value, dict):
        named = (value.get(name) for name in ("text", "content", "value", "summary"))
        return next((text for one in named if (text := text_of(one, depth + 1))), "")
    return json.dumps(value)
