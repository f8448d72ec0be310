"""Responses: the plan as an item of reasoning, the solution as a message, calls of tools as items of their own.

Source: https://platform.openai.com/docs/api-reference/responses/object and .../responses-streaming
"""

import time
from collections.abc import Iterator
from typing import Any

from stepdown.runner import Delta
from stepdown.text import event, json_line
from stepdown.types import ToolCall
from stepdown.web.openai.call_parts import CallPart, StreamedCalls
from stepdown.web.openai.completions import Exchange
from stepdown.web.openai.errors import Refusal
from stepdown.web.openai.response_requests import read_response_request

Item = dict[str, Any]
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


def head_of(exchange: Exchange, identity: str, created: int) -> Item:
    """Return what every form of a response says, its answer still missing; it repeats what was asked."""
    sampling = exchange.wanted.sampling(exchange.model.task.sampling)
    return {
        "id": f"resp_{identity}", "object": "response", "created_at": created, "status": "in_progress",
        "background": False, "error": None, "incomplete_details": None, "instructions": None,
        "max_output_tokens": None, "model": exchange.wanted.model, "output": [], "parallel_tool_calls": True,
        "previous_response_id": None, "reasoning": {"effort": sampling.reasoning_effort, "summary": None},
        "service_tier": "default", "store": True, "temperature": sampling.temperature,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": sampling.top_p,
        "truncation": "disabled", "usage": None, "user": None, "metadata": {}, **exchange.wanted.asked,
    }  # fmt: skip


def reasoning_item(identity: str, plan: str | None) -> Item:
    """Return a plan as an item; None is one that is still to be written."""
    summary = [] if plan is None else [{"type": "summary_text", "text": plan}]
    return {"id": f"rs_{identity}", "type": "reasoning", "summary": summary}


def message_item(identity: str, text: str | None) -> Item:
    """Return a solution as an item; None is one that is still to be written."""
    content = [] if text is None else [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    status = "in_progress" if text is None else "completed"
    return {"id": f"msg_{identity}", "type": "message", "role": "assistant", "status": status, "content": content}


def call_items(exchange: Exchange, identity: str) -> list[Item]:
    """Return the calls of tools that an answer asks for."""
    calls = exchange.tool_calls(exchange.rows[0]) if exchange.rows else ()
    return [call_item(identity, at, one) for at, one in enumerate(calls)]


def call_item(identity: str, at: int, call: ToolCall, status: str = "completed") -> Item:
    """Return a call of a tool, the one of this number in the answer, as an item."""
    return {
        "id": f"fc_{identity}_{at}", "type": "function_call", "status": status, "call_id": call.id,
        "name": call.name, "arguments": call.arguments,
    }  # fmt: skip


def solved(exchange: Exchange, identity: str, created: int) -> Item:
    """Return the response of a solved exchange."""
    row = exchange.rows[0]
    text, calls = row.trace.solution or "", call_items(exchange, identity)
    reason = _REASONS.get(exchange.finish(row))
    plan = [reasoning_item(identity, exchange.plan)] if exchange.plan else []
    texts = [message_item(identity, text)] if text or not calls else []
    used = exchange.usage()
    usage = None if used is None else {
        "input_tokens": used.prompt_tokens, "output_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens, "input_tokens_details": used.prompt_tokens_details,
        "output_tokens_details": used.completion_tokens_details, "by_role": used.by_role,
    }  # fmt: skip
    return head_of(exchange, identity, created) | {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [*plan, *texts, *calls],
        "usage": usage,
    }


def whole_response(exchange: Exchange, identity: str) -> bytes:
    """Return a solved exchange as one object."""
    return json_line(solved(exchange, identity, int(time.time())))


class ResponseEvents:
    """The events of one stream: each item is added, written and done, the plan's before the solution's."""

    def __init__(self, exchange: Exchange, identity: str) -> None:
        self.exchange, self._identity, self._created = exchange, identity, int(time.time())
        self._numbers, self._place = iter(range(1 << 62)), 0
        self._open = ""
        self._texts: list[str] = []
        self._calls, self._called_at = StreamedCalls(), dict[int, int]()

    def _event(self, kind: str, **fields: Any) -> bytes:
        return event(json_line({"type": kind, "sequence_number": next(self._numbers), **fields}), kind)

    def opening(self) -> bytes:
        """Return that the response has been made, and is at work."""
        response = head_of(self.exchange, self._identity, self._created)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def text(self, delta: Delta) -> bytes:
        """Return a piece of the plan, of the solution or of a call, whose item is opened first."""
        if delta.called:
            return self._close() + b"".join(map(self._call, self._calls.add(delta.called)))
        kind = "reasoning" if delta.role == "teacher" else "message"
        before = b"" if self._open == kind else self._close() + self._begin(kind)
        self._texts.append(delta.text)
        return before + self._piece("delta", delta=delta.text)

    def _item(self, text: str | None) -> Item:
        return (reasoning_item if self._open == "reasoning" else message_item)(self._identity, text)

    def _piece(self, what: str, **fields: Any) -> bytes:
        """Return an event about the text of the open item."""
        place: Item = {"item_id": self._item(None)["id"], "output_index": self._place}
        if self._open == "reasoning":
            return self._event(f"response.reasoning_summary_text.{what}", **place, summary_index=0, **fields)
        return self._event(f"response.output_text.{what}", **place, content_index=0, logprobs=[], **fields)

    def _part(self, what: str, text: str) -> bytes:
        """Return an event about the one part that the open item has."""
        item = self._item(text)
        place: Item = {"item_id": item["id"], "output_index": self._place}
        if self._open == "reasoning":
            part = item["summary"][0]
            return self._event(f"response.reasoning_summary_part.{what}", **place, summary_index=0, part=part)
        return self._event(f"response.content_part.{what}", **place, content_index=0, part=item["content"][0])

    def _begin(self, kind: str) -> bytes:
        self._open, self._texts = kind, []
        added = self._event("response.output_item.added", output_index=self._place, item=self._item(None))
        return added + self._part("added", "")

    def _close(self) -> bytes:
        if not self._open:
            return b""
        text = "".join(self._texts)
        done = self._piece("done", text=text) + self._part("done", text)
        done += self._event("response.output_item.done", output_index=self._place, item=self._item(text))
        self._open, self._place = "", self._place + 1
        return done

    def _call(self, part: CallPart) -> bytes:
        """Return a piece of a call, whose item is added first."""
        begun = b""
        if part.at not in self._called_at:
            self._called_at[part.at], self._place = self._place, self._place + 1
            item = call_item(self._identity, part.at, ToolCall(part.id, part.name), "in_progress")
            begun = self._event("response.output_item.added", output_index=self._called_at[part.at], item=item)
        if not part.arguments:
            return begun
        place: Item = {"item_id": f"fc_{self._identity}_{part.at}", "output_index": self._called_at[part.at]}
        return begun + self._event("response.function_call_arguments.delta", **place, delta=part.arguments)

    def _called(self) -> Iterator[bytes]:
        """Give the ends of all calls, and the whole of those that did not come in pieces."""
        calls = self.exchange.tool_calls(self.exchange.rows[0]) if self.exchange.rows else ()
        for at, call in enumerate(calls):
            if at not in self._called_at:
                yield self._call(CallPart(at, call.id, call.name, call.arguments))
            place, item = self._called_at[at], call_item(self._identity, at, call)
            yield self._event(
                "response.function_call_arguments.done", item_id=item["id"], output_index=place, name=call.name,
                arguments=call.arguments,
            )  # fmt: skip
            yield self._event("response.output_item.done", output_index=place, item=item)

    def ending(self) -> bytes:
        """Return the end of the last item, calls of tools, and the whole response."""
        response = solved(self.exchange, self._identity, self._created)
        written = [self._close(), *self._called()]
        return b"".join(written) + self._event(f"response.{response['status']}", response=response)

    def broken(self, refusal: Refusal) -> bytes:
        """Return that the response failed, in the words that a refusal has."""
        error = {"code": refusal.wrong.code or refusal.wrong.type, "message": refusal.wrong.message}
        failed = head_of(self.exchange, self._identity, self._created) | {"status": "failed", "error": error}
        return self._event("response.failed", response=failed)


class ResponseShape:
    """`POST /responses`."""

    path = "/responses"
    read = staticmethod(read_response_request)
    whole = staticmethod(whole_response)
    events = staticmethod(ResponseEvents)
