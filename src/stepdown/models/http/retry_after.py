"""How long an endpoint asks its callers to wait, read from its headers."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_RESET = 60.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?")
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|[smhd])")


def read_retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds an endpoint asks to wait, None if it does not say.

    OpenAI's `Retry-After-Ms` goes first, then `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), then OpenAI's
    `x-ratelimit-reset-requests` and `-tokens`: the longest of those whose `remaining` is 0, else the
    shortest, and at most 60 s because they say when the whole allowance is back.
    """
    after = headers.get("Retry-After", "")
    pause = _milliseconds(headers.get("Retry-After-Ms", ""))
    if pause is None:
        pause = read_duration(after)
    if pause is None and after:
        pause = _until_date(after, now or datetime.now(UTC))
    return _shortest_reset(headers) if pause is None else pause


def _shortest_reset(headers: Mapping[str, str]) -> float | None:
    resets: list[float] = []
    spent: list[float] = []
    for what in ("requests", "tokens"):
        reset = read_duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        if reset is not None:
            resets.append(reset)
            spent += [reset] * (headers.get(f"x-ratelimit-remaining-{what}") == "0")
    return min(max(spent) if spent else min(resets), _LONGEST_RESET) if resets else None


def read_duration(text: str) -> float | None:
    """Return the seconds in texts such as `20`, `0.05`, `20ms`, `6m0s`; None where it is no duration."""
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text[:60])
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _milliseconds(text: str) -> float | None:
    return float(text) / 1000 if _NUMBER.fullmatch(text.strip()) else None


def _until_date(text: str, now: datetime) -> float | None:
    # Whatever the parser of dates raises (years without end overflow): it is no date.
    with suppress(Exception):
        date = parsedate_to_datetime(text[:80])
        return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())
    return None
