"""A real server of chat completions whose model calls tools and answers by a schema, whole and streamed, for tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from faulty_server import Body, FaultyServer, serving

PLAN, ANSWER = "1. Add the numbers.", "The answer is 5."
TOOL: Body = {
    "type": "function",
    "function": {"name": "add", "description": "Add two numbers.", "parameters": {"type": "object"}},
}
ARGUMENTS = '{"a": 4, "b": 1}'
CALL: Body = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": ARGUMENTS}}
SCHEMA: Body = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}


def said(body: Body) -> Body:
    """Return the message that answers a request: a plan, a call of the first tool, an object, or a text."""
    if any("Do not calculate" in str(one["content"]) for one in body["messages"]):
        return {"content": PLAN}
    called = any(one["role"] == "tool" for one in body["messages"])
    if body.get("tools") and not called and body.get("tool_choice") != "none":
        return {"content": None, "tool_calls": [CALL]}
    return {"content": '{"answer": 5}' if body.get("response_format") else ANSWER}


class ToolServer(FaultyServer):
    """Answers as `said` says; `bodies` keeps what it was sent."""

    async def _speak(self, request: web.Request, body: Body) -> web.StreamResponse:
        message = {"role": "assistant", **said(body)}
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        usage = {"prompt_tokens": 10, "completion_tokens": 3}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return web.json_response({"model": body["model"], "choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in [*deltas(message), {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}]:
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        end = json.dumps({"choices": [], "usage": usage})
        await response.write(f"data: {end}\n\ndata: [DONE]\n\n".encode())
        return response


def deltas(message: Body) -> Iterator[Body]:
    """Give a message in pieces: its words, then each call's head and its arguments in two halves."""
    pieces: list[Body] = [{"content": f"{word} "} for word in (message["content"] or "").split()]
    for at, call in enumerate(message.get("tool_calls", ())):
        arguments: str = call["function"]["arguments"]
        head: dict[str, Any] = {"index": at, "id": call["id"], "type": "function"}
        pieces.append({"tool_calls": [head | {"function": {"name": call["function"]["name"], "arguments": ""}}]})
        pieces += [
            {"tool_calls": [{"index": at, "function": {"arguments": half}}]} for half in (arguments[:5], arguments[5:])
        ]
    return ({"choices": [{"index": 0, "delta": piece}]} for piece in pieces)


@contextmanager
def tool_server() -> Iterator[ToolServer]:
    """Serve in a thread of its own."""
    with serving(ToolServer([], lambda body: ANSWER)) as server:
        yield server
