"""What a report counts of a block of traces, column by column, so that it is read without a look at any text."""

import sys
from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from stepdown.errors import StoreError
from stepdown.questions import pairing_key
from stepdown.store.connection import MEND
from stepdown.store.database import Database
from stepdown.store.records import decode_call_entries, decode_plan, decode_problem, decode_reply
from stepdown.store.schema import BLOCK_BITS
from stepdown.types import GREEDY, Call, Kind, Role, Trace

_UNKNOWN = -1  # input tokens of a reply whose usage nobody knows


class Shape(msgspec.Struct, frozen=True, array_like=True):
    """What many traces of a block share; `steps` and `author` are its plan's, None without one.

    The tokens known of the calls that a trace counts are at most `1 << size`.
    """

    steps: int | None
    author: str | None
    size: int
    edited: bool
    truncated: bool
    cut: bool
    failed: bool
    kind: Kind


class RoleCalls(msgspec.Struct, array_like=True):
    """The calls of one role that its traces count, in their order, as columns; `model` holds places in `models`.

    `batched` says which of them batches brought, and is empty where none did.
    """

    role: Role
    models: list[str]
    model: bytes
    input: bytes
    output: bytes
    cached: bytes
    reasoning: bytes
    batched: bytes = b""


class TraceBlock(msgspec.Struct, array_like=True):
    """The traces of a block by ordinal and sample, as columns of little-endian numbers.

    `ids` and `problems` stand for a problem's id and its content, `questions` for what a report pairs by. `tokens` are
    the known ones of the calls that a trace counts, `seconds` are those calls' one by one.
    """

    ordinals: bytes
    samples: bytes
    ids: bytes
    problems: bytes
    questions: bytes
    tokens: bytes
    shapes: list[Shape]
    shape: bytes
    seconds: bytes
    roles: list[RoleCalls]


encode_block = msgspec.msgpack.Encoder().encode
decode_block = msgspec.msgpack.Decoder(TraceBlock).decode


def packed(kind: str, values: Iterable[Any]) -> bytes:
    """Return numbers as bytes; `kind` is a type code of `array`."""
    column = array(kind, values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def unpacked(kind: str, column: bytes) -> list[Any]:
    """Return the numbers that `packed` made bytes of."""
    values = array(kind)
    values.frombytes(column)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def block_of_traces(store: Database, run: str, block: int) -> TraceBlock:
    """Return the columns of a block, read from its rows."""
    rows = store.db.execute(
        """select ordinal, sample, problem, body, plan, calls, solution, error
           from traces join problems on problems.key = traces.problem
           where run = ? and ordinal between ? and ? order by ordinal, sample""",
        (run, block << BLOCK_BITS, (block + 1 << BLOCK_BITS) - 1),
    ).fetchall()
    entries = [decode_call_entries(row[5]) for row in rows]
    keys = list({bytes.fromhex(entry[2]) for some in entries for entry in some})
    replies = {key.hex(): (model, decode_reply(body)) for key, model, body in store.calls("key, model, reply", keys)}
    traces = [_trace(row, some, replies) for row, some in zip(rows, entries, strict=True)]
    return _columns(rows, traces)


def _trace(row: Any, entries: Sequence[tuple[Role, int, str, bool]], replies: dict[str, Any]) -> Trace:
    """Return a trace without what its calls were asked."""
    calls = []
    for role, sample, key, counted in entries:
        if key not in replies:
            raise StoreError(f"the store is damaged: call `{key}` of a trace is not there", MEND)
        model, reply = replies[key]
        reply = reply if counted else msgspec.structs.replace(reply, cached=True)
        calls.append(Call(role, model, (), GREEDY, reply, sample))
    plan = decode_plan(row[4]) if row[4] else None
    return Trace(decode_problem(row[3]), "", plan, tuple(calls), row[6], row[7], row[1])


def _columns(rows: Sequence[Any], traces: Sequence[Trace]) -> TraceBlock:
    shapes: dict[Shape, int] = {}
    own = [[call for call in trace.calls if not call.reply.cached] for trace in traces]
    tokens = [sum(map(_tokens, calls)) for calls in own]
    return TraceBlock(
        ordinals=packed("q", (row[0] for row in rows)),
        samples=packed("q", (row[1] for row in rows)),
        ids=packed("q", (_hash(trace.problem.id) for trace in traces)),
        problems=packed("q", (int.from_bytes(row[2][:8], "little", signed=True) for row in rows)),
        questions=packed("q", (pairing_key(trace.problem) for trace in traces)),
        tokens=packed("q", tokens),
        shape=packed(
            "I",
            [shapes.setdefault(_shape(*one), len(shapes)) for one in zip(traces, tokens, strict=True)],
        ),
        shapes=list(shapes),
        seconds=packed("d", (call.reply.seconds for calls in own for call in calls)),
        roles=[*_by_role(call for calls in own for call in calls)],
    )


def _by_role(calls: Iterable[Call]) -> Iterable[RoleCalls]:
    roles: dict[Role, list[Call]] = {}
    for call in calls:
        roles.setdefault(call.role, []).append(call)
    for role, some in roles.items():
        models: dict[str, int] = {}
        usages = [call.reply.usage for call in some]
        batched = any(one.batched for one in usages if one is not None)
        yield RoleCalls(
            role,
            model=packed("I", [models.setdefault(call.model, len(models)) for call in some]),
            models=list(models),
            input=packed("i", (_UNKNOWN if one is None else one.input for one in usages)),
            output=packed("i", (0 if one is None else one.output for one in usages)),
            cached=packed("i", (0 if one is None else one.cached for one in usages)),
            reasoning=packed("q", (0 if one is None else one.reasoning for one in usages)),
            batched=packed("b", (0 if one is None else one.batched for one in usages)) if batched else b"",
        )


def _shape(trace: Trace, tokens: int) -> Shape:
    plan = trace.plan
    return Shape(
        steps=len(plan.steps) if plan else None,
        author=plan.author if plan else None,
        size=max(0, tokens - 1).bit_length(),
        edited=plan is not None and plan.edited_from is not None,
        truncated=trace.truncated,
        cut=trace.cut,
        failed=trace.error is not None,
        kind=trace.problem.kind,
    )


def _tokens(call: Call) -> int:
    usage = call.reply.usage
    return usage.input + usage.output if usage else 0


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little", signed=True)
