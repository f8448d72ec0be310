"""What can be read of a reply that was paid for is kept, whatever is wrong beside it; nothing else passes for one."""

import json
from typing import Any

import pytest

from chat_calls import COUNTS, ask_url
from raw_server import as_json, events, http, raw_server, said
from stepdown.errors import CallFailed
from stepdown.models.http.lenient_json import read_json
from stepdown.models.http.lost_replies import LostReply, losses_to
from stepdown.types import Reply, ToolCall, Usage

FINE = Usage(9, 5)
DEEP = '{"a":' * 3000 + "1" + "}" * 3000


def one_reply(response: bytes) -> Reply:
    """Return the reply in a response that is sent once; a second request would be sent 500."""
    with raw_server(response, http(b"asked twice", status="500 Oops")) as server:
        [reply] = ask_url(server.url)
        assert len(server.bodies) == 1, "what was paid for is not asked again"
    return reply


def choice(**fields: Any) -> bytes:
    return as_json({"choices": [{"message": {"content": "It is 4."}, "finish_reason": "stop"} | fields]})


def message(**fields: Any) -> bytes:
    return as_json({"choices": [{"message": {"content": "It is 4."} | fields, "finish_reason": "stop"}]})


def raw(text: str, encoding: str = "utf-8") -> bytes:
    return http(text.encode(encoding))


BODY = json.dumps(said())
KEPT: dict[str, bytes] = {
    "no usage": as_json(said()),
    "usage a list": as_json(said(usage=[1, 2])),
    "usage a text": as_json(said(usage="12 tokens")),
    "usage a number": as_json(said(usage=7)),
    "usage true": as_json(said(usage=True)),
    "usage NaN": raw(BODY.replace('"usage": null', '"usage": NaN')),
    "model a number": as_json(said() | {"model": 4}),
    "model a list": as_json(said() | {"model": ["m"]}),
    "model of a megabyte": as_json(said() | {"model": "m" * 1_000_000}),
    "id an object": as_json(said() | {"id": {}, "object": 5, "created": "yesterday"}),
    "created not finite": raw(BODY[:-1] + ', "created": Infinity}'),
    "created of 5,000 digits": raw(BODY[:-1] + ', "created": ' + "9" * 5000 + "}"),
    "created beyond floats": raw(BODY[:-1] + ', "created": 1e999}'),
    "a field nested 3,000 deep": raw(BODY[:-1] + ', "debug": ' + DEEP + "}"),
    "a list nested 3,000 deep": raw('{"debug": ' + "[" * 3000 + "]" * 3000 + "," + BODY[1:]),
    "an error of null": as_json(said() | {"error": None}),
    "an error that is empty": as_json(said() | {"error": {}}),
    "an error of success": as_json(said() | {"error": {"code": 0, "message": "success"}}),
    "choices an object": as_json({"choices": said()["choices"][0]}),
    "a null among choices": as_json({"choices": [None, said()["choices"][0]]}),
    "a body that is a list": as_json([said()]),
    "index null": choice(index=None),
    "index a text": choice(index="first"),
    "index huge": choice(index=2**80),
    "index negative": choice(index=-1),
    "finish reason missing": as_json({"choices": [{"message": {"content": "It is 4."}}]}),
    "finish reason the text null": choice(finish_reason="null"),
    "logprobs false": choice(logprobs=False),
    "logprobs a list": choice(logprobs=[-0.5]),
    "logprobs of null content": choice(logprobs={"content": None}),
    "a null log-probability": choice(logprobs={"content": [{"token": "a", "logprob": None}]}),
    "a token of null": choice(logprobs={"content": [None]}),
    "a log-probability in words": choice(logprobs={"content": [{"logprob": "low"}]}),
    "a log-probability that is NaN": raw(BODY.replace('"index"', '"logprobs": {"token_logprobs": [NaN]}, "index"')),
    "role missing": message(),
    "role an object": message(role={}),
    "tool calls beside": message(tool_calls=[{"id": "x", "function": None}]),
    "tool calls a text": message(tool_calls="none"),
    "annotations of any kind": message(annotations={"a": [[]]}, audio=3),
    "refusal false": message(refusal=False),
    "reasoning an object": message(reasoning={"content": "2 + 2"}),
    "reasoning a list": message(reasoning_content=[{"text": "2 + 2"}]),
    "reasoning a number": message(reasoning_content=7),
    "reasoning details": message(reasoning_details=[{"type": "reasoning.text", "text": "2 + 2"}]),
    "a message that is a text": as_json({"choices": [{"message": "It is 4.", "finish_reason": "stop"}]}),
    "a text in a choice": as_json({"choices": [{"text": "It is 4.", "finish_reason": "stop"}]}),
    "a delta in a choice": as_json({"choices": [{"delta": {"content": "It is 4."}, "finish_reason": "stop"}]}),
    "content a list": message(content=[{"type": "text", "text": "It "}, {"type": "text", "text": "is 4."}]),
    "content a list of texts": message(content=["It ", "is 4."]),
    "content a list with null": message(content=[None, {"type": "text", "text": "It is 4."}, {"type": "image_url"}]),
    "content an object": message(content={"type": "text", "text": "It is 4."}),
    "content inside a value": message(content=[{"type": "text", "text": {"value": "It is 4."}}]),
    "thinking among the parts": message(
        content=[{"type": "thinking", "thinking": [{"text": "2 + 2"}]}, {"type": "text", "text": "It is 4."}]
    ),
    "a byte order mark": http(b"\xef\xbb\xbf" + BODY.encode()),
    "UTF-16": raw(BODY, "utf-16"),
    "UTF-16 without a mark": raw(BODY, "utf-16-be"),
    "UTF-32": raw(BODY, "utf-32"),
    "NULs behind": raw(BODY + "\x00" * 40),
    "blanks in front": raw("\n" * 500 + BODY),
    "comments in front": raw(": still working\n\n" + BODY),
    "a second object behind": raw(BODY + BODY),
    "words behind": raw(BODY + "\nOK"),
    "bytes that are no text": http(BODY.encode()[:-1] + b', "note": "caf\xe9"}'),
    "line breaks inside a text": raw(BODY.replace('"m"', '"m\n\t"')),
    "another kind of content": http(BODY.encode(), kind="text/plain"),
    "a wrong character set": http(BODY.encode(), kind="application/json; charset=utf-16"),
    "a character set nobody knows": http(BODY.encode(), kind="application/json; charset=klingon"),
    "no kind of content": BODY.encode().join([f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode(), b""]),
    "status 201": http(BODY.encode(), status="201 Created"),
    "a length too long": http(BODY.encode(), "Content-Length: 5000"),
    "chunks that are cut after it": http(
        b"%x\r\n%b\r\n" % (len(BODY), BODY.encode()), "Transfer-Encoding: chunked"
    ),
    "no length at all": BODY.encode().join([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b""]),
    "a stream that nobody asked for": http(
        events({"choices": [{"delta": {"content": "It is 4."}, "finish_reason": "stop"}]}, "[DONE]"),
        kind="text/event-stream",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", KEPT)
def test_a_readable_reply_is_kept_whatever_is_wrong_beside_it(fault: str) -> None:
    reply = one_reply(KEPT[fault])
    assert (reply.text, reply.finish, reply.usage, reply.logprob) == ("It is 4.", "stop", None, None)
    assert len(reply.model) <= 200


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (4, "4"),
        (4.5, "4.5"),
        (True, "true"),
        ({"answer": 4}, '{"answer": 4}'),
        ("", ""),
        (None, ""),
        ([], ""),
        ("half \ud83d", "half ?"),
        ("a\x00b", "a\x00b"),
    ],
)
def test_contents_of_any_type_have_a_text(content: object, text: str) -> None:
    assert one_reply(message(content=content)).text == text


@pytest.mark.parametrize("arguments", ['{"x":"half \ud83d"}', {"x": "half \ud83d"}])
def test_calls_of_tools_hold_no_half_of_a_pair_of_surrogates(arguments: object) -> None:
    called = {"id": "c\ud83d", "function": {"name": "f\ud83d", "arguments": arguments}}
    reply = one_reply(message(content="", tool_calls=[called]))
    assert reply.tool_calls == (ToolCall("c?", "f?", '{"x":"half ?"}'),)


def test_thoughts_are_read_in_every_dress() -> None:
    dresses = ["reasoning an object", "reasoning a list", "thinking among the parts"]
    assert {one_reply(KEPT[dress]).reasoning for dress in dresses} == {"2 + 2"}


REFUSED = {
    "no choices": ({"choices": [], "usage": COUNTS}, "a reply with no choices"),
    "choices null": ({"choices": None, "usage": COUNTS}, "a reply with no choices"),
    "choices a text": ({"choices": "It is 4.", "usage": COUNTS}, "a reply with no choices"),
    "a choice without a message": ({"choices": [{"finish_reason": "stop"}], "usage": COUNTS}, "no choices"),
    "a message of null": (said(message=None) | {"usage": COUNTS}, "a reply with no choices"),
    "broken off": (said(finish="abort", usage=COUNTS), r"broke the reply off \(`abort`\)"),
    "an error as the end": (said(finish="error", usage=COUNTS), "broke the reply off"),
    "resources": (said(finish="insufficient_system_resource", usage=COUNTS), "broke the reply off"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_paid_answer_that_is_no_reply_is_asked_few_times_and_each_is_counted(fault: str) -> None:
    body, reason = REFUSED[fault]
    spent: list[LostReply] = []
    with raw_server(as_json(body)) as server, losses_to(spent.append), pytest.raises(CallFailed, match=reason):
        ask_url(server.url)
    assert [one.usage for one in spent] == [FINE] * len(server.bodies) == [FINE] * 3


def test_a_text_that_was_broken_off_is_kept_with_what_it_cost() -> None:
    spent: list[LostReply] = []
    with (
        raw_server(as_json(said("It is", "abort", COUNTS)), as_json(said(usage=COUNTS))) as server,
        losses_to(spent.append),
    ):
        [reply] = ask_url(server.url)
    assert (reply.text, spent) == ("It is 4.", [LostReply("It is", FINE)])


@pytest.mark.parametrize("given", [3, 1])
def test_surplus_choices_are_paid_for(given: int) -> None:
    choices = said()["choices"] * 3
    with raw_server(as_json({"choices": choices, "usage": {"prompt_tokens": 9, "completion_tokens": 12}})) as server:
        replies = ask_url(server.url, n=given, temperature=0.5)
    assert len(replies) == given
    assert sum(reply.usage.output for reply in replies if reply.usage) == 12


def test_draws_beside_one_that_was_broken_off_are_kept() -> None:
    choices = [said(text)["choices"][0] for text in "abc"]
    choices[1]["finish_reason"] = "abort"
    with raw_server(as_json({"choices": choices, "usage": COUNTS})) as server:
        replies = ask_url(server.url, n=3, temperature=0.5)
    assert [reply.text for reply in replies] == ["a", "c"]


def test_json_nested_without_end_is_read_in_linear_time() -> None:
    assert read_json(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b', "b": "[{\\"]"}')["b"] == '[{"]'


def test_a_limit_that_was_reached_in_silence_is_one() -> None:
    body = {"choices": [{"message": {"content": "It is"}}], "usage": {"prompt_tokens": 9, "completion_tokens": 7}}
    with raw_server(as_json(body)) as server:
        assert ask_url(server.url, max_tokens=7)[0].finish == "length"
