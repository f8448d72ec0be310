"""What is read of a sample in a log of Inspect: question, target, scores, and every call of a model as an event.

Source of the form: inspect_ai 0.3.285, `log/_log.py`, `event/_model.py` and `log/_condense.py`.
"""

from contextlib import suppress
from typing import Any, get_args

import msgspec

from stepdown.errors import BadRow
from stepdown.problems import Columns, read_problem
from stepdown.tabular import Row
from stepdown.types import (
    LETTERS,
    MOST_TOKENS,
    Call,
    Finish,
    Kind,
    Message,
    Messages,
    Plan,
    Problem,
    Reply,
    Role,
    Sampling,
    Settings,
    Usage,
)

_ENDS: dict[str, Finish] = {"stop": "stop", "max_tokens": "length", "model_length": "length"}
_ROLES: dict[str | None, Role] = {"teacher": "teacher", "judge": "judge", "grader": "judge"}
# The very objects, as a default that is equal but another object is written out, and counts in a fingerprint.
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}


class InspectPart(msgspec.Struct, frozen=True):
    """A part of what a turn says."""

    type: str = "text"
    text: str = ""
    reasoning: str = ""


class InspectTurn(msgspec.Struct, frozen=True):
    """A turn of a conversation."""

    role: str
    content: str | list[InspectPart] = ""


class InspectChoice(msgspec.Struct, frozen=True):
    """What a model answered."""

    message: InspectTurn
    stop_reason: str = "unknown"


class InspectUsage(msgspec.Struct, frozen=True):
    """Tokens of an answer."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_cache_read: int | None = None
    reasoning_tokens: int | None = None


class InspectOutput(msgspec.Struct, frozen=True):
    """The answers of a call, of which the first is read."""

    choices: list[InspectChoice] = []
    usage: InspectUsage | None = None
    time: float | None = None


class InspectScore(msgspec.Struct, frozen=True):
    """What a scorer found."""

    value: Any
    answer: str | None = None
    explanation: str | None = None


class InspectError(msgspec.Struct, frozen=True):
    """Why a sample has no answer."""

    message: str = ""


class InspectConfig(msgspec.Struct, frozen=True):
    """How a text is drawn."""

    temperature: float | None = None
    max_tokens: int | None = None
    stop_seqs: list[str] | None = None


class InspectEvent(msgspec.Struct, frozen=True):
    """Something that happened; of a `model` event, what was asked and answered. `input_refs` are places in the pool."""

    event: str = ""
    model: str = ""
    role: str | None = None
    input: list[InspectTurn] = []
    input_refs: list[tuple[int, int]] | None = None
    output: InspectOutput | None = None
    config: InspectConfig = InspectConfig()
    cache: str | None = None


class InspectPool(msgspec.Struct, frozen=True):
    """Turns that events have in common."""

    messages: list[InspectTurn] = []


class InspectSample(msgspec.Struct, frozen=True):
    """One sample in one epoch. `attachments` are texts by what stands for them."""

    input: str | list[InspectTurn]
    target: str | list[str]
    id: str | int = ""
    choices: list[str] | None = None
    output: InspectOutput | None = None
    scores: dict[str, InspectScore] | None = None
    error: InspectError | None = None
    attachments: dict[str, str] = {}
    events: list[InspectEvent] = []
    events_data: InspectPool | None = None
    metadata: dict[str, Any] | None = None


def prompt_of(sample: InspectSample) -> Messages:
    """Return what a sample asks, as turns."""
    if isinstance(sample.input, str):
        return (Message("user", _text(sample.input, sample)),) if sample.input else ()
    return _turns(sample.input, sample)


def answer_of(sample: InspectSample) -> tuple[str | None, Finish]:
    """Return a sample's solution, None where it has none, and how it ended."""
    choices = sample.output.choices if sample.output else []
    if not choices:
        return None, "stop"
    return _text(choices[0].message.content, sample), _ENDS.get(choices[0].stop_reason, "unknown")


def calls_of(sample: InspectSample, settings: Settings, place: int) -> tuple[Call, ...]:
    """Return a sample's calls by its events; where it has none that were answered, its question and output as one."""
    events = [one for one in sample.events if one.event == "model" and one.output and one.output.choices]
    if events:
        return tuple(_call(event, sample, place) for event in events)
    text, _ = answer_of(sample)
    reply = _reply(sample.output or InspectOutput(), settings.student, sample, text or "")
    return (Call("student", settings.student, prompt_of(sample), settings.sampling, reply, place),)


def problem_of_sample(sample: InspectSample, prompt: Messages, file: str, number: int, *, ours: bool) -> Problem:
    """Return a sample's problem; of a log that we wrote with the id and kind that it had."""
    question = next((one.content for one in reversed(prompt) if one.role == "user"), prompt[-1].content).strip()
    target = sample.target if isinstance(sample.target, str) else (sample.target or [""])[0]
    texts, given = tuple(sample.choices or ()), sample.metadata or {}
    if ours and isinstance(sample.input, str):
        # What is not of its type becomes none.
        kind, worked, plan = (given.get(name) for name in ("kind", "worked", "gold_plan"))
        known = _KINDS.get(str(kind), "text")
        return Problem(str(sample.id), prompt[-1].content, target, texts, known, *map(_plain, (worked, plan)))
    if texts and target in LETTERS[: len(texts)]:
        return Problem("", question, target, texts, "choice")
    with suppress(BadRow):
        row = Row(file, number, {"question": question, "answer": target})
        return read_problem(row, Columns("question", "answer", "", ""))
    return Problem("", question, target, kind="text")


def plan_of(sample: InspectSample) -> Plan | None:
    """Return the plan in a sample of ours."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert((sample.metadata or {}).get("plan"), Plan | None)
    return None


def sampling_of(config: InspectConfig) -> Sampling:
    """Return how a log says that texts were drawn."""
    warm, most = config.temperature, config.max_tokens
    return Sampling(
        temperature=warm if warm is not None and 0 <= warm <= 100 else Sampling().temperature,
        max_tokens=most if most and 0 < most <= MOST_TOKENS else Sampling().max_tokens,
        stop=tuple(config.stop_seqs or ())[:64],
    )


def _call(event: InspectEvent, sample: InspectSample, place: int) -> Call:
    pool = sample.events_data.messages if sample.events_data else []
    given = event.input
    if event.input_refs:
        given = [one for first, last in event.input_refs for one in pool[max(0, first) : max(0, last)]]
    output = event.output or InspectOutput()
    text = _text(output.choices[0].message.content, sample) if output.choices else ""
    model = event.model[:200] or "unknown"
    reply = _reply(output, model, sample, text, cached=event.cache == "read")
    return Call(
        _ROLES.get(event.role, "student"), model, _turns(given, sample), sampling_of(event.config), reply, place
    )


def _reply(output: InspectOutput, model: str, sample: InspectSample, text: str, *, cached: bool = False) -> Reply:
    first = output.choices[0] if output.choices else None
    content = first.message.content if first else ""
    thoughts = "" if isinstance(content, str) else "".join(_text(one.reasoning, sample) for one in content)
    return Reply(
        text,
        model,
        usage=_usage(output.usage),
        finish=_ENDS.get(first.stop_reason, "unknown") if first else "stop",
        seconds=output.time if output.time and 0 <= output.time < 1e9 else 0.0,
        cached=cached,
        reasoning=thoughts,
    )


def _turns(given: list[InspectTurn], sample: InspectSample) -> Messages:
    kept = [one for one in given if one.role in ("system", "user", "assistant")]
    return tuple(msgspec.convert({"role": one.role, "content": _text(one.content, sample)}, Message) for one in kept)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(content: str | list[InspectPart], sample: InspectSample) -> str:
    if isinstance(content, str):
        return sample.attachments.get(content.removeprefix("attachment://"), content)
    return "".join(_text(part.text, sample) for part in content if part.type == "text")


def _usage(given: InspectUsage | None) -> Usage | None:
    if given is None:
        return None
    cached = given.input_tokens_cache_read or 0
    usage = Usage(given.input_tokens + cached, given.output_tokens, cached, given.reasoning_tokens or 0)
    return usage if usage.possible and usage.reasoning >= 0 else None
