"""What the store keeps, as values, and how values become columns and back."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import uuid4

import msgspec

from stepdown.errors import CallFailed, StoreError
from stepdown.identity import digest, encoded, hash_of, ways
from stepdown.store.connection import MEND
from stepdown.store.schema import MOST_COUNTED
from stepdown.types import Call, Grade, Message, Messages, Plan, Problem, Reply, Role, Sampling, Settings, Trace, Usage

encode = msgspec.json.encode
_MOST_WAYS = 64
_WAYS: dict[tuple[type, bytes], list[bytes]] = {}
Struct = TypeVar("Struct")
Answered = TypeVar("Answered", bound="Reply | AbandonedReply")


def damage_checked(decode: Callable[[bytes], Struct]) -> Callable[[bytes], Struct]:
    """Return a decoder that says of what it cannot read that the store is damaged."""

    def read(body: bytes) -> Struct:
        try:
            return decode(body)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise StoreError(f"a row of the store is damaged: {error}", MEND) from error

    return read


decode_plan = damage_checked(msgspec.json.Decoder(Plan).decode)
decode_settings = damage_checked(msgspec.json.Decoder(Settings).decode)
decode_call_entries = damage_checked(msgspec.json.Decoder(list[tuple[Role, int, str, bool]]).decode)
decode_request = damage_checked(msgspec.json.Decoder(tuple[Messages, Sampling]).decode)
decode_problem = damage_checked(msgspec.json.Decoder(Problem).decode)
_decode_reply = damage_checked(msgspec.json.Decoder(Reply).decode)
_decode_usage = damage_checked(msgspec.json.Decoder(dict[str, dict[str, int] | None]).decode)


def decode_reply(body: bytes) -> Reply:
    """Return a stored reply; token counts that cannot be true, which 0.1.0 wrote down, are unknown."""
    reply = _decode_reply(body)
    if reply.usage is None or reply.usage.possible:
        return reply
    return msgspec.structs.replace(reply, usage=None)


class AbandonedReply(msgspec.Struct, frozen=True, tag_field="finish", tag="left"):
    """What came of a stream that was left or broke before its end: the text until then; `usage` is an estimate."""

    text: str
    model: str
    usage: Usage


def unsigned(reply: Answered) -> Answered:
    """Return a reply without the server that it is from, which the store keeps beside it."""
    if isinstance(reply, Reply) and reply.server:
        return msgspec.structs.replace(reply, server="")
    return reply


def signed_reply(reply: Reply | AbandonedReply, run: str, created: float) -> tuple[bytes, str, float, str | None]:
    """Return the last columns of a call: its reply, run and moment, and the server that the reply is from."""
    return encode(unsigned(reply)), run, created, (reply.server or None) if isinstance(reply, Reply) else None


class StoredCall(msgspec.Struct, frozen=True):
    """An answered call with the key it is found by, the source that answered and the run that paid.

    One that was left or broke has a key of its own, by which nobody finds it: it is paid for, and answers nothing.
    """

    key: bytes
    model: str
    source: str
    messages: Messages
    sampling: Sampling
    sample: int
    reply: Reply | AbandonedReply
    run: str


class StoredTrace(msgspec.Struct, frozen=True):
    """A trace at its place in a run, with its calls' keys; `extra` is what an imported file said beyond it.

    `failure` is the error behind the trace's where it has just been made; it is not kept.
    """

    ordinal: int
    trace: Trace
    keys: tuple[bytes, ...]
    extra: bytes | None = None
    failure: CallFailed | None = None


class Summary(msgspec.Struct, frozen=True):
    """Counts over a run's traces and their calls; `tokens` by role is None where any reply's usage is unknown."""

    right: int
    graded: int
    total: int
    truncated: int
    errors: int
    calls: int
    tokens: dict[Role, Usage | None]


class Edit(msgspec.Struct, frozen=True):
    """A person's new plan for one problem of a run, with when (unix seconds); who, why and from what are the plan's.

    `seconds` is how long the person had the plan before them, None where nobody measured it.
    """

    problem: str
    plan: Plan
    created: float
    seconds: float | None = None


def call_key(model: str, source: str, messages: Messages, sampling: Sampling, sample: int) -> bytes:
    """Return the 16 bytes a call is known by: who was asked, where, what, how, and which draw."""
    asked = _prompt(model, source, messages)
    return digest(b"%b,%b,%b]" % (asked, _ways(sampling)[0], encoded(sample)))


def _prompt(model: str, source: str, messages: Messages) -> bytes:
    """Return what is the same of all draws, as their identity says it, less the bracket that closes it."""
    # A message's identity is what msgspec writes of it: thousands of calls need not ask each field about that.
    plain = {Message}.issuperset(map(type, messages))
    asked = (model, source, messages)
    return (encode(asked) if plain else encoded(asked))[:-1]


def call_keys(model: str, source: str, messages: Messages, sampling: Sampling, sample: int) -> list[bytes]:
    """Return every key that 0.1.0 may have kept this call under, by how its sampling was said; `call_key` first."""
    before, draw = hash_of(_prompt(model, source, messages) + b","), encoded(sample)
    keys = []
    for way in _ways(sampling):
        whole = before.copy()
        whole.update(b"%b,%b]" % (way, draw))
        keys.append(whole.digest())
    return keys


def _ways(sampling: Sampling) -> list[bytes]:
    """Return `ways` of a sampling, kept by its exact words: a run asks thousands of calls in one or two."""
    words = type(sampling), encode(sampling)
    found = _WAYS.get(words)
    if found is None:
        if len(_WAYS) >= _MOST_WAYS:
            _WAYS.clear()
        found = _WAYS[words] = ways(sampling)
    return found


def unfindable_key() -> bytes:
    """Return a key by which nobody finds a call: it is in the books, and answers nothing."""
    return uuid4().bytes


def problem_key(problem: Problem) -> bytes:
    """Return the 16 bytes a problem is known by; any changed letter is another problem."""
    return key_of_body(encode(problem))


def key_of_body(body: bytes) -> bytes:
    """Return the key of a problem that is stored as these bytes."""
    return digest(body)


def trace_of(row: Any, calls: dict[str, Any], method: str) -> Trace:
    """Return the trace of a selected row; `calls` maps hexadecimal keys to (model, request, reply)."""
    _, sample, problem, plan, places, solution, error, *_ = row
    missing = next((entry[2] for entry in decode_call_entries(places) if entry[2] not in calls), "")
    if missing:
        raise StoreError(f"the store is damaged: call `{missing}` of a trace is not there", MEND)
    return Trace(
        problem=decode_problem(problem),
        method=method,
        plan=decode_plan(plan) if plan else None,
        calls=tuple(_call(*entry, *calls[entry[2]]) for entry in decode_call_entries(places)),
        solution=solution,
        error=error,
        sample=sample,
    )


def _call(role: Role, sample: int, _: str, counted: bool, model: str, request: bytes, reply: bytes) -> Call:
    messages, sampling = decode_request(request)
    answer = decode_reply(reply)
    answer = answer if counted else msgspec.structs.replace(answer, cached=True)
    return Call(role=role, model=model, messages=messages, sampling=sampling, reply=answer, sample=sample)


def trace_columns(row: StoredTrace, problem: bytes) -> tuple[object, ...]:
    """Return the columns of a trace after its run, with the key of its problem."""
    trace = row.trace
    # An earlier sample of the same problem has counted a call that this sample shares with it: its own have its number
    # or a multiple of it.
    counted = [call.sample >= trace.sample for call in trace.calls]
    places = [
        (call.role, call.sample, key.hex(), fresh)
        for call, key, fresh in zip(trace.calls, row.keys, counted, strict=True)
    ]
    fresh = Trace(trace.problem, "", calls=tuple(c for c, new in zip(trace.calls, counted, strict=True) if new))
    usage = {role: fresh.tokens(role) for role in {call.role for call in fresh.calls}}
    plan = encode(trace.plan) if trace.plan else None
    return (
        row.ordinal, trace.sample, problem, plan, encode(places), trace.solution,
        trace.error, trace.truncated, encode(usage), row.extra,
    )  # fmt: skip


def tokens_of(usage: bytes) -> int | None:
    """Return input and output tokens of a trace's `usage` column, of all roles together; None where any is unknown."""
    roles = _decode_usage(usage)
    counts = [one.get("input", 0) + one.get("output", 0) for one in roles.values() if one is not None]
    known = [count for count in counts if 0 <= count <= 2 * MOST_COUNTED]
    return sum(known) if len(known) == len(roles) else None


def grade_of(row: Any, grader: str) -> Grade:
    """Return the grade of a selected row; ungraded where none is stored."""
    verdict, found, why = row[7:10]
    if verdict is None:
        return Grade("ungraded", why=row[6] or "not graded yet", grader=grader)
    return Grade(cast(Any, verdict), found, why, grader)
