"""How a solution ends: at its token limit, in a loop, or with two different answers."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from stepdown.answers import numbers
from stepdown.types import Call, Trace

EndingKind = Literal["truncated", "runaway", "contradiction"]
KINDS: tuple[EndingKind, ...] = ("truncated", "runaway", "contradiction")

# Ollama's own stop for a model that does not stop: ten times its default window of 2,048 tokens.
RUNAWAY_TOKENS = 20_480
TAIL = 6_000
LONGEST_LOOP = 1_000
# The part of a text, in characters, where its conclusion stands.
ENDING = 400
_ANSWER = re.compile(
    r"####[ \t]{0,9}(?P<mark>[^\n]{1,80})"
    r"|\\boxed\{(?P<box>[^\n$]{1,80})"
    r"|\b(?:(?:the|your|my|our) (?:final |correct )?answer(?: to [^\n.:]{0,60})? ?(?:is|=)|final answer ?:)"
    r"[:*_ \t]{0,9}(?P<said>[^\n]{1,80})",
    re.IGNORECASE,
)


def termination_faults(trace: Trace) -> tuple[EndingKind, ...]:
    """Return what is wrong with how a trace ends; usually nothing."""
    text = trace.solution or ""
    kinds: list[EndingKind] = []
    if trace.truncated:
        kinds.append("truncated")
    if loops(text) or any(_output(call) >= RUNAWAY_TOKENS for call in trace.calls):
        kinds.append("runaway")
    if contradicts(text):
        kinds.append("contradiction")
    return tuple(kinds)


def loops(text: str) -> bool:
    """Whether a text ends in the same words four times or more, over at least 200 characters; digits may count up."""
    tail = re.sub(r"\s+", " ", re.sub(r"\d+", "0", text[-TAIL:]))
    for period in _periods(tail):
        times = max(4, 200 // period + 1)
        if times * period <= len(tail) and tail[-period:] * times == tail[-period * times :]:
            return True
    return False


def _periods(tail: str) -> Iterator[int]:
    """Stream the distances from a text's last 16 characters back to where they stand before, up to the longest loop."""
    end = len(tail) - 16
    at = tail.rfind(tail[-16:], 0, -1) if end > 0 else -1
    while at >= 0 and end - at <= LONGEST_LOOP:
        yield end - at
        at = tail.rfind(tail[-16:], 0, at + 15)


def contradicts(text: str) -> bool:
    """Whether a text's last 400 characters state two answers of different value."""
    ending = text[-ENDING:]
    shown = ending.lower()
    if ending.isascii() and sum(map(shown.count, ("answer", "boxed{", "####"))) < 2:
        return False
    values = {value for match in _ANSWER.finditer(ending) if (value := _value(match)) is not None}
    return len(values) > 1


def _value(match: re.Match[str]) -> Fraction | None:
    text = match["mark"] or match["box"] or match["said"]
    # A sentence after the answer, or the next box, is not part of it.
    values = numbers(re.split(r"\.\s|\\boxed", text)[0])
    return values[0].value if len(values) == 1 else None


def _output(call: Call) -> int:
    return call.reply.usage.output if call.reply.usage else 0
