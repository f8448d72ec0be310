"""Event streams by the standard and beside it: cut anywhere, without ends, with errors, pings and everything odd."""

import gzip
import json
import zlib
from typing import Any

import pytest

from chat_calls import COUNTS, ask_stream, ask_url, chat_model
from raw_server import END, as_json, events, http, raw_server, said
from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong, StepdownError
from stepdown.models.http import endpoint_model
from stepdown.models.http.bodies import MOST_BYTES
from stepdown.models.http.dialects.openai_chat import OPENAI_CHAT
from stepdown.models.http.streaming import Events, StreamedReply
from stepdown.types import Reply, Usage


def delta(content: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]} | more


PARTS: tuple[dict[str, Any] | str, ...] = (
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}, delta("It "), delta("is 4."),
    delta(None, "stop"), {"choices": [], "usage": COUNTS}, "[DONE]",
)  # fmt: skip
FINE = events(*PARTS)
LINES = [f"data: {part if isinstance(part, str) else json.dumps(part)}" for part in PARTS]
SPLIT = FINE.replace(b'"delta": ', b'\ndata: "delta": \ndata: ')

GOOD: dict[str, bytes] = {
    "the standard": FINE,
    "a byte order mark": b"\xef\xbb\xbf" + FINE,
    "lines that end in CR": FINE.replace(b"\n", b"\r"),
    "lines that end in CR LF": FINE.replace(b"\n", b"\r\n"),
    "no blank after the colon": FINE.replace(b"data: ", b"data:"),
    "no blank lines": "\n".join(LINES).encode() + b"\n",
    "no line end at all behind": "\n\n".join(LINES).encode(),
    "several data lines": SPLIT,
    "several data lines with CR": SPLIT.replace(b"\n", b"\r"),
    "comments and pings": FINE.replace(b"data:", b": ping\n\nevent: ping\ndata: {}\n\ndata:"),
    "a ping of words": b"data: ping\n\n" + FINE,
    "names, numbers and times": FINE.replace(b"data:", b"id: 7\nretry: 3\nevent: message\ndata:"),
    "fields nobody knows": FINE.replace(b"data:", b"data\nx\n: \ndatum: 3\ndata:"),
    "choices null": events({"choices": None}, *PARTS),
    "choices missing": events({"object": "ping"}, *PARTS),
    "a delta of null": events({"choices": [{"delta": None}]}, *PARTS),
    "a null among choices": events({"choices": [None]}, *PARTS),
    "the role again and again": events(*(PARTS[0] for _ in range(5)), *PARTS),
    "another choice between": events(*PARTS[:2], {"choices": [{"index": 1, "delta": {"content": "No"}}]}, *PARTS[2:]),
    "index null later on": events(*PARTS[:2], {"choices": [{"index": None, "delta": {"content": ""}}]}, *PARTS[2:]),
    "content in parts": events(delta([{"type": "text", "text": "It "}]), *PARTS[2:]),
    "null as a text": events(delta("It ", "null"), *PARTS[2:]),
    "no last word": events(*PARTS[:-1]),
    "words behind the last": FINE + b'data: {"choices": [{"delta": {"content": "more"}}]}\n\n',
    "nonsense behind the end": events(*PARTS[:5]) + b"data: {nonsense\n\n",
    "an error behind the end": events(*PARTS[:5], {"error": {"message": "late", "code": 500}}),
    "usage with every event": events(*(part if isinstance(part, str) else part | {"usage": COUNTS} for part in PARTS)),
    "usage in a choice": events(*PARTS[:3], {"choices": [{"delta": {}, "finish_reason": "stop", "usage": COUNTS}]}),
    "usage in x_groq": events(*PARTS[:3], delta(None, "stop", x_groq={"id": 3, "usage": COUNTS}), "[DONE]"),
    "NaN in it": FINE.replace(b'"index": 0', b'"index": NaN'),
    "nested without end": events('{"a":' + "[" * 3000 + "]" * 3000 + "}", *PARTS),
    "one object that is no stream": json.dumps(said(usage=COUNTS)).encode(),
    "one object with NULs in front": b"\x00\n" + json.dumps(said(usage=COUNTS), indent=1).encode(),
}  # fmt: skip


def gathered(stream: bytes, size: int) -> tuple[str, StreamedReply]:
    """Return the text and the rest of a stream that comes in chunks of this size."""
    found, reply, text = Events(OPENAI_CHAT.event_decoder()), StreamedReply(), ""
    for at in range(0, len(stream), size):
        text += "".join(map(reply.add, list(found.add(stream[at : at + size]))))
    return text + "".join(map(reply.add, list(found.end()))), reply


@pytest.mark.parametrize("fault", GOOD)
def test_a_stream_is_heard_whatever_is_odd_about_it(fault: str) -> None:
    with raw_server(http(GOOD[fault], kind="text/event-stream")) as server:
        *pieces, reply = ask_stream(chat_model(server.url))
    assert isinstance(reply, Reply)
    assert "".join(map(str, pieces)) == reply.text == "It is 4."
    assert (reply.finish, reply.usage) == ("stop", Usage(9, 5))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "fault", ["the standard", "lines that end in CR LF", "several data lines with CR", "a byte order mark"]
)
def test_chunks_may_be_cut_anywhere(fault: str, size: int) -> None:
    text, reply = gathered(GOOD[fault], size)
    assert (text, reply.finished) == ("It is 4.", True)


WRONG: dict[str, tuple[bytes, type[StepdownError], str]] = {
    "nothing": (b"", CallFailed, "ended early"),
    "only pings": (b": ping\n\n" * 50, CallFailed, "ended early"),
    "only the last word": (b"data: [DONE]\n\n", CallFailed, "ended early"),
    "no end": (events(*PARTS[:3]), CallFailed, "ended early"),
    "nonsense": (b"data: {nonsense\n\n", CallFailed, "broke: DecodeError"),
    "an event that is cut": (FINE[:-120], CallFailed, "broke|ended early"),
    "a page": (b"<html><body>hello</body></html>", CallFailed, "broke: DecodeError"),
    "an error": (events(*PARTS[:2], {"error": {"message": "the disk is full"}}), CallFailed, "the disk is full"),
    "an error in words": (events(*PARTS[:2], {"error": "the disk is full"}), CallFailed, "the disk is full"),
    "an error in a choice": (events({"choices": [{"error": {"message": "upstream"}}]}), CallFailed, "upstream"),
    "an event of the kind error": (b'event: error\ndata: {"message": "full"}\n\n', CallFailed, "full"),
    "an event of the kind error in words": (b"event: error\ndata: out\ndata: of it\n\n", CallFailed, "out of it"),
    "an event of the kind error without data": (b"event: error\n\n", CallFailed, "kind `error`"),
    "an error without an end": (b"event: error\ndata: full", CallFailed, "full"),
    "no money": (events({"error": {"code": 402, "message": "no"}}), EndpointRefused, "no credit left"),
    "too long": (events({"error": {"code": "context_length_exceeded"}}), PromptTooLong, "refused this call"),
    "broken off": (events(*PARTS[:3], delta(None, "abort"), "[DONE]"), CallFailed, "broken off .`abort`"),
    "an error as the end": (events(*PARTS[:3], delta(None, "error")), CallFailed, "broken off"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_a_stream_that_brings_no_reply_says_why(fault: str) -> None:
    stream, kind, reason = WRONG[fault]
    with raw_server(http(stream, kind="text/event-stream")) as server, pytest.raises(kind, match=reason) as caught:
        ask_stream(chat_model(server.url))
    assert type(caught.value) is kind


@pytest.mark.parametrize(("finish", "ours"), [("MAX_TOKENS", "length"), ("SAFETY", "filter"), ("whatever", "unknown")])
def test_a_stream_says_how_it_ended(finish: str, ours: str) -> None:
    with raw_server(http(events(delta("It"), delta(None, finish)), kind="text/event-stream")) as server:
        *_, reply = ask_stream(chat_model(server.url))
    assert isinstance(reply, Reply) and (reply.text, reply.finish) == ("It", ours)


def test_pings_without_end_do_not_hold_a_reply_that_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_model, "_LINGER", 0.2)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with raw_server([head, events(*PARTS[:4]), b": ping\n\n", END]) as server:
        *_, reply = ask_stream(chat_model(server.url))
    assert isinstance(reply, Reply) and reply.text == "It is 4."


def test_a_connection_that_drops_after_the_end_is_nothing_to_the_reply() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
    with raw_server([head, events(*PARTS[:4])]) as server:
        *_, reply = ask_stream(chat_model(server.url))
    assert isinstance(reply, Reply) and reply.text == "It is 4."


# -- bounds


def packed(kind: str, size: int, start: bytes = b"") -> bytes:
    """Return `size` blanks, or so many lines of a stream, compressed."""
    made = zlib.compressobj(9, wbits=31 if kind == "gzip" else 15)
    block = b" " * (1 << 20)
    return made.compress(start) + b"".join(made.compress(block) for _ in range(size >> 20)) + made.flush()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_a_bomb_is_left_as_soon_as_it_is_too_large(kind: str) -> None:
    bomb = http(packed(kind, 40 << 20), f"Content-Encoding: {kind}")
    assert len(bomb) < 1 << 18
    with raw_server(bomb) as server, pytest.raises(CallFailed, match="over 32 MiB"):
        ask_url(server.url)


@pytest.mark.parametrize("start", [b"data: ", b'data: {"choices": []}\n\ndata: ', b"{"])
def test_an_event_without_end_is_left_too(start: bytes) -> None:
    bomb = http(packed("gzip", 40 << 20, start), "Content-Encoding: gzip", kind="text/event-stream")
    with raw_server(bomb) as server, pytest.raises(CallFailed, match=r"over 32 MiB"):
        ask_stream(chat_model(server.url))


def test_a_text_without_end_is_left_too() -> None:
    reply = StreamedReply()
    with pytest.raises(Exception, match="over 32 MiB"):
        for _ in range(MOST_BYTES // (1 << 20) + 1):
            found = Events(OPENAI_CHAT.event_decoder())
            for event in found.add(events(delta("x" * (1 << 20)))):
                reply.add(event)


def test_compressed_replies_are_read() -> None:
    body = gzip.compress(json.dumps(said()).encode())
    with raw_server(http(body, "Content-Encoding: gzip")) as server:
        assert ask_url(server.url)[0].text == "It is 4."


HEADS = {
    "a lie about compression": http(json.dumps(said()).encode(), "Content-Encoding: gzip"),
    "a compression nobody asked for": http(b"\x8b\x01", "Content-Encoding: klingon"),
    "no status": b"HELLO\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.0\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n{}",
    "a head of controls": b"HTTP/1.1 200 OK\r\nX: \x00\x01\x02\r\nContent-Length: 2\r\n\r\n{}",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "a length too short": http(json.dumps(said()).encode(), "Content-Length: 9"),
    "chunks of nonsense": http(b"zz\r\nabc", "Transfer-Encoding: chunked"),
    "a hang-up": b"",
}  # fmt: skip


@pytest.mark.parametrize("fault", HEADS)
def test_a_head_that_lies_is_a_passing_fault(fault: str) -> None:
    with raw_server(HEADS[fault], as_json(said())) as server:
        assert ask_url(server.url)[0].text == "It is 4."
        assert len(server.bodies) == 2


def test_a_reply_that_stands_before_a_hang_is_kept() -> None:
    body = json.dumps(said()).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 5}\r\n\r\n".encode()
    with raw_server([head + body, END]) as server:
        assert ask_url(server.url, timeout=0.3)[0].text == "It is 4."
    assert len(server.bodies) == 1
