"""A real server that answers as Anthropic's messages, OpenAI's responses and Gemini's generateContent do.

The shapes are those of the official documentation; the official clients' types parse them.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from faulty_server import Body, Fault, FaultyServer, say_fine, serving

THOUGHT, WORDS = "Two and two.", ("The answer ", "is 4.")
TEXT = "".join(WORDS)
Event = tuple[str, Body]


def message(stop: str = "end_turn") -> Body:
    """A message of Anthropic's with a block of thinking; 35 tokens of input, 20 of them from the cache."""
    thinking = {"type": "thinking", "thinking": THOUGHT, "signature": "EqQBCgIYAhIM"}
    usage = {
        "input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 20, "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    }  # fmt: skip
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message", "role": "assistant", "model": "claude-large",
        "content": [thinking, {"type": "text", "text": TEXT}], "stop_reason": stop, "stop_sequence": None,
        "usage": usage,
    }  # fmt: skip


def message_events() -> list[Event]:
    whole = message()
    begun = whole | {
        "content": [],
        "stop_reason": None,
        "usage": whole["usage"] | {"output_tokens": 1, "output_tokens_details": None},
    }
    blocks: list[tuple[Body, list[Body]]] = [
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            [{"type": "thinking_delta", "thinking": THOUGHT}, {"type": "signature_delta", "signature": "EqQBCgIYAhIM"}],
        ),
        ({"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in WORDS]),
    ]
    events: list[Body] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    counted = {"output_tokens": 7, "output_tokens_details": {"thinking_tokens": 3}}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": end, "usage": counted}, {"type": "message_stop"}]
    return [(str(event["type"]), event) for event in events]


def response(status: str = "completed", reason: str = "") -> Body:
    """A response of OpenAI's with a summary of its reasoning; 35 tokens of input, 20 of them from the cache."""
    summary = [{"type": "summary_text", "text": THOUGHT}]
    content = [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]
    return {
        "id": "resp_67ccd2bed1ec8190", "object": "response", "created_at": 1741476542, "status": status, "error": None,
        "incomplete_details": {"reason": reason} if reason else None, "instructions": None, "metadata": {},
        "model": "gpt-large", "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto",
        "tools": [],
        "output": [
            {"type": "reasoning", "id": "rs_67ccd2bed1ec", "summary": summary},
            {"type": "message", "id": "msg_67ccd2bf17f0", "status": status, "role": "assistant", "content": content},
        ],
        "usage": {
            "input_tokens": 35, "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 0},
            "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 42,
        },
    }  # fmt: skip


def response_events() -> list[Event]:
    place = {"item_id": "msg_67ccd2bf17f0", "output_index": 1, "content_index": 0, "logprobs": []}
    begun = response("in_progress") | {"output": [], "usage": None}
    events: list[Body] = [
        {"type": "response.created", "response": begun},
        {"type": "response.reasoning_summary_text.delta", "item_id": "rs_67ccd2bed1ec", "output_index": 0,
         "summary_index": 0, "delta": THOUGHT},
        *({"type": "response.output_text.delta", "delta": word} | place for word in WORDS),
        {"type": "response.output_text.done", "text": TEXT} | place,
        {"type": "response.completed", "response": response()},
    ]  # fmt: skip
    return [(str(event["type"]), event | {"sequence_number": number}) for number, event in enumerate(events)]


def candidates(*parts: Body, finish: str | None = "STOP", counted: bool = True) -> Body:
    """A response of Gemini's; 35 tokens of input, 20 of them from the cache, 4 written and 3 thought."""
    candidate: Body = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    usage = {"promptTokenCount": 35, "cachedContentTokenCount": 20, "candidatesTokenCount": 4, "thoughtsTokenCount": 3,
             "totalTokenCount": 42}  # fmt: skip
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})], "modelVersion": "gemini-large",
        "responseId": "mKyVaPTLFeSnz7IP", "usageMetadata": usage if counted else {"promptTokenCount": 35},
    }  # fmt: skip


def generated() -> Body:
    return candidates({"text": THOUGHT, "thought": True}, {"text": TEXT})


def generated_events() -> list[Event]:
    parts: list[Body] = [{"text": THOUGHT, "thought": True}, *({"text": word} for word in WORDS)]
    *first, last = parts
    return [("", candidates(part, finish=None, counted=False)) for part in first] + [("", candidates(last))]


class DialectServer(FaultyServer):
    """Answers each request with the next fault, and well once they are used up, in the dialect of its path."""

    async def _speak(self, request: web.Request, body: Body) -> web.StreamResponse:
        path, streamed = request.path, bool(body.get("stream")) or "stream" in request.path
        if path.endswith("/messages"):
            return await _send(request, message_events()) if streamed else web.json_response(message())
        if path.endswith("/responses"):
            return await _send(request, response_events()) if streamed else web.json_response(response())
        assert path.endswith(("generateContent", "GenerateContent")), path
        return await _send(request, generated_events()) if streamed else web.json_response(generated())

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if isinstance(fault, dict) and "events" in fault:
            return await _send(request, fault["events"])
        return await super()._fail(request, fault)


async def _send(request: web.Request, events: Sequence[Event]) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    for name, event in events:
        head = f"event: {name}\n" if name else ""
        await stream.write(f"{head}data: {json.dumps(event)}\n\n".encode())
    return stream


@contextmanager
def dialect_server(*faults: Any) -> Iterator[DialectServer]:
    """Serve in a thread of its own."""
    with serving(DialectServer(faults, say_fine)) as server:
        yield server
