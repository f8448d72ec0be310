"""What is read of a sample in a log of Inspect: question, target, scores, and every call of a model as an event.

Source of the form: inspect_ai 0.3.285, `log/_log.py`, `event/_model.py` and `log/_condense.py`.
"""

from contextlib import suppress
from itertools import chain
from typing import Any, Literal, get_args

import msgspec

from stepdown.errors import BadRow
from stepdown.exchange.inspect_tools import (
    InspectToolCall,
    ReadTurn,
    calling,
    read_calls,
    read_form,
    read_tools,
    size_of,
)
from stepdown.problems import Columns, read_problem
from stepdown.tabular import Row
from stepdown.types import (
    LETTERS,
    MOST_TOKENS,
    AnswerForm,
    Call,
    Effort,
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
    ToolCall,
    Usage,
)

# How a reply ended, in Inspect's word; where two mean the same, the first is written.
ENDS: dict[str, Finish] = {
    "stop": "stop", "tool_calls": "stop", "max_tokens": "length", "model_length": "length", "content_filter": "filter",
    "unknown": "unknown",
}  # fmt: skip
Speaker = Literal["system", "user", "assistant"]
_ROLES: dict[str | None, Role] = {"teacher": "teacher", "judge": "judge", "grader": "judge"}
# The very objects, as a default that is equal but another object is written out, and counts in a fingerprint.
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_EFFORTS: dict[str | None, Effort] = {effort: effort for effort in get_args(Effort)}
_SPEAKERS: dict[str, Speaker] = {role: role for role in get_args(Speaker)}
_SEEDS = 1 << 63
_ATTACHED = "attachment://"
_TURN = len('{"role":"user","content":""}')  # what a turn counts beside its text, so that empty ones count too


class InspectPart(msgspec.Struct, frozen=True):
    """A part of what a turn says."""

    type: str = "text"
    text: str = ""
    reasoning: str = ""


class InspectTurn(msgspec.Struct, frozen=True):
    """A turn of a conversation."""

    role: str
    content: str | list[InspectPart] = ""
    tool_calls: list[InspectToolCall] | None = None
    tool_call_id: str | None = None


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

    model: str = ""
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
    top_p: float | None = None
    seed: int | None = None
    stop_seqs: list[str] | None = None
    reasoning_effort: str | None = None


class InspectEvent(msgspec.Struct, frozen=True):
    """Something that happened; of a `model` event, what was asked and answered. `input_refs` are places in the pool.

    `error` is why nothing was answered, whatever the output says.
    """

    event: str = ""
    model: str = ""
    role: str | None = None
    input: list[InspectTurn] = []
    input_refs: list[tuple[int, int]] | None = None
    output: InspectOutput | None = None
    config: InspectConfig = InspectConfig()
    cache: str | None = None
    error: Any = None
    tools: list[Any] = []
    tool_choice: Any = None


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


class SampleTexts:
    """The texts of a sample, with what they refer to in its attachments and its pool put in their place.

    A reference costs a few bytes and may be repeated, so that all texts together are counted. Raises `BadRow` beyond
    `most` characters.
    """

    def __init__(self, sample: InspectSample, file: object, number: int, most: int) -> None:
        self.sample, self.spent = sample, 0
        self._at, self._most = (file, number), most
        self._pool = sample.events_data.messages if sample.events_data else []
        self._read: dict[int, ReadTurn] = {}

    def text(self, content: str | list[InspectPart]) -> str:
        """Return what a turn says."""
        if isinstance(content, str):
            return self._resolved(content)
        return "".join(self._resolved(part.text) for part in content if part.type == "text")

    def thoughts(self, content: str | list[InspectPart]) -> str:
        """Return what a model thought before it said this."""
        return "" if isinstance(content, str) else "".join(self._resolved(part.reasoning) for part in content)

    def turns(self, given: list[InspectTurn]) -> tuple[Messages, AnswerForm | None]:
        """Return turns, those that call tools and bring results as the form of what answers them."""
        return read_form(map(self._turn, given), "", None)

    def asked(self, event: InspectEvent) -> tuple[Messages, AnswerForm | None]:
        """Return what a model was asked, and the tools that it could call."""
        tools = read_tools(event.tools)
        self._spend(len(tools))
        if not event.input_refs:
            return read_form(map(self._turn, event.input), tools, event.tool_choice)
        places = (range(max(0, first), min(last, len(self._pool))) for first, last in event.input_refs)
        return read_form(map(self._pooled, chain.from_iterable(places)), tools, event.tool_choice)

    def called(self, turn: InspectTurn) -> tuple[ToolCall, ...]:
        """Return the calls of tools in a turn."""
        calls = read_calls(turn.tool_calls or (), self._resolved)
        self._spend(sum(len(one.arguments) for one in calls))
        return calls

    def _pooled(self, place: int) -> ReadTurn:
        if place not in self._read:
            self._read[place] = self._turn(self._pool[place])
            return self._read[place]
        turn = self._read[place]
        self._spend(_TURN + size_of(turn))
        return turn

    def _turn(self, turn: InspectTurn) -> ReadTurn:
        self._spend(_TURN)
        if turn.role == "tool":
            return {"role": "tool", "tool_call_id": turn.tool_call_id, "content": self.text(turn.content)}
        role = _SPEAKERS.get(turn.role)
        if turn.role == "assistant" and turn.tool_calls:
            return calling(self.text(turn.content), self.called(turn))
        return Message(role, self.text(turn.content)) if role else None

    def _resolved(self, text: str) -> str:
        if text.startswith(_ATTACHED):
            text = self.sample.attachments.get(text.removeprefix(_ATTACHED), text)
        self._spend(len(text))
        return text

    def _spend(self, characters: int) -> None:
        self.spent += characters
        if self.spent > self._most:
            expected = f"at most {self._most:,} characters when every reference to a text is followed"
            raise BadRow(*self._at, "events", expected, "remove the sample, or give a log that Inspect wrote")


def prompt_of(texts: SampleTexts) -> tuple[Messages, AnswerForm | None]:
    """Return what a sample asks, as turns, and the calls of tools among them."""
    asked = texts.sample.input
    if isinstance(asked, str):
        return (Message("user", texts.text(asked)),) if asked else (), None
    return texts.turns(asked)


def answer_of(texts: SampleTexts) -> str | None:
    """Return a sample's solution, None where it has none."""
    choices = texts.sample.output.choices if texts.sample.output else []
    return texts.text(choices[0].message.content) if choices else None


def calls_of(
    texts: SampleTexts,
    settings: Settings,
    place: int,
    prompt: tuple[Messages, AnswerForm | None],
    answer: str | None,
) -> tuple[Call, ...]:
    """Return a sample's calls by its events; where it has none that were answered, its question and answer as one."""
    answered = [one for one in texts.sample.events if one.event == "model" and not one.error]
    events = [(one, one.output) for one in answered if one.output]
    if calls := tuple(_call(event, output, texts, place) for event, output in events if output.choices):
        return calls
    reply = _reply(texts.sample.output or InspectOutput(), settings.student, texts, answer or "")
    sampling = msgspec.structs.replace(settings.sampling, form=prompt[1])
    return (Call("student", settings.student, prompt[0], sampling, reply, place),)


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
    warm, share, most, seed = config.temperature, config.top_p, config.max_tokens, config.seed
    return Sampling(
        temperature=warm if warm is not None and 0 <= warm <= 100 else Sampling().temperature,
        top_p=share if share is not None and 0 < share <= 1 else Sampling().top_p,
        max_tokens=most if most and 0 < most <= MOST_TOKENS else Sampling().max_tokens,
        seed=seed if seed is not None and -_SEEDS < seed < _SEEDS else None,
        stop=tuple(config.stop_seqs or ())[:64],
        reasoning_effort=_EFFORTS.get(config.reasoning_effort),
    )


def _call(event: InspectEvent, output: InspectOutput, texts: SampleTexts, place: int) -> Call:
    model = event.model[:200] or "unknown"
    answer = texts.text(output.choices[0].message.content)
    reply = _reply(output, model, texts, answer, cached=event.cache == "read")
    messages, form = texts.asked(event)
    sampling = msgspec.structs.replace(sampling_of(event.config), form=form)
    return Call(_ROLES.get(event.role, "student"), model, messages, sampling, reply, place)


def _reply(output: InspectOutput, asked: str, texts: SampleTexts, answer: str, *, cached: bool = False) -> Reply:
    first = output.choices[0] if output.choices else None
    return Reply(
        answer,
        output.model[:200] or asked,
        usage=_usage(output.usage),
        finish=ENDS.get(first.stop_reason, "unknown") if first else "stop",
        seconds=output.time if output.time and 0 <= output.time < 1e9 else 0.0,
        cached=cached,
        reasoning=texts.thoughts(first.message.content) if first else "",
        tool_calls=texts.called(first.message) if first else (),
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else ""


def _usage(given: InspectUsage | None) -> Usage | None:
    if given is None:
        return None
    cached = given.input_tokens_cache_read or 0
    usage = Usage(given.input_tokens + cached, given.output_tokens, cached, given.reasoning_tokens or 0)
    return usage if usage.possible and usage.reasoning >= 0 else None
