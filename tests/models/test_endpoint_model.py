"""Chat models: what is sent, what is read, and what each fault leads to, against a real server."""

import asyncio
import json
import socket
import traceback
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from chat_calls import ASK, KEY, ask, ask_stream, chat_model
from faulty_server import Body, faulty_server
from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models import EndpointModel
from stepdown.models.http.api_errors import read_api_error
from stepdown.models.http.dialects.openai_chat import OPENAI_CHAT
from stepdown.models.http.dialects.openai_completions import OPENAI_COMPLETIONS
from stepdown.models.http.endpoints import endpoint_at
from stepdown.models.http.streaming import StreamedReply
from stepdown.types import HiddenProgress, Reply, Sampling, ToolCallPiece, Usage


def ask_server(*faults: str | Body, **sampling: Any) -> Reply:
    with faulty_server(*faults) as server:
        return ask(chat_model(server.url), **sampling)[0]


def test_a_stream_tells_of_thoughts_that_it_does_not_show() -> None:
    parts: list[Body] = [
        {"reasoning_content": "Two."},
        {"content": "<think>four"},
        {"content": "</think>"},
        {"content": "4"},
    ]
    reply, decode = StreamedReply(), OPENAI_CHAT.event_decoder()
    shown = "".join(reply.add(decode("", json.dumps({"choices": [{"delta": part}]}).encode())) for part in parts)
    assert (shown, reply.hidden) == ("4", len("Two.<think>four</think>"))


def test_a_stream_says_when_it_is_opened() -> None:
    async def main(model: EndpointModel) -> str | HiddenProgress | ToolCallPiece | Reply:
        async with aclosing(model.stream(ASK, Sampling())) as pieces:
            first = await anext(pieces)
        await model.close()
        return first

    with faulty_server() as server:
        assert asyncio.run(main(chat_model(server.url))) == HiddenProgress()


def said(content: object, **more: object) -> Body:
    return {"choices": [{"message": {"content": content, **more}, "finish_reason": "stop"}]}


def test_a_reply_has_text_model_usage_and_time() -> None:
    reply = ask_server()
    assert reply.text == "The answer is 4."
    assert (reply.model, reply.usage, reply.finish) == ("m", Usage(input=10, output=3), "stop")
    assert reply.seconds > 0 and not reply.cached


def test_a_request_says_what_was_asked_and_nothing_else() -> None:
    with faulty_server() as server:
        ask(chat_model(server.url), temperature=0.5, max_tokens=7)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    assert server.bodies == [{"model": "m", "messages": messages, "temperature": 0.5, "max_tokens": 7}]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_seed_stop_and_top_p_are_sent_when_set() -> None:
    with faulty_server() as server:
        ask(chat_model(server.url), seed=3, stop=("END",), top_p=0.9)
    assert {name: server.bodies[0][name] for name in ("seed", "stop", "top_p")} == {
        "seed": 3,
        "stop": ["END"],
        "top_p": 0.9,
    }


def test_plain_completions_get_the_messages_as_one_prompt() -> None:
    with faulty_server() as server:
        reply = ask(chat_model(server.url, dialect=OPENAI_COMPLETIONS))[0]
    assert reply.text == "The answer is 4."
    assert server.bodies[0]["prompt"] == "Be brief.\n\n2 + 2?"
    assert "messages" not in server.bodies[0]


def test_n_replies_come_from_one_request_and_their_usage_adds_up() -> None:
    with faulty_server() as server:
        replies = ask(chat_model(server.url), n=4)
    assert len(server.bodies) == 1 and server.bodies[0]["n"] == 4
    assert [reply.usage and reply.usage.input for reply in replies] == [10, 0, 0, 0]
    assert sum(reply.usage.output for reply in replies if reply.usage) == 12


def test_an_endpoint_that_ignores_n_is_asked_for_one_from_then_on() -> None:
    with faulty_server(one_choice=True) as server:
        model = chat_model(server.url)
        assert len(ask(model, n=3)) == len(ask(model, n=3)) == 1
    assert [body.get("n", 1) for body in server.bodies] == [3, 1]


def test_an_endpoint_that_refuses_n_is_asked_for_one() -> None:
    with faulty_server("no-n") as server:
        assert len(ask(chat_model(server.url), n=3)) == 1
    assert [body.get("n", 1) for body in server.bodies] == [3, 1]


def test_an_error_in_another_encoding_is_read() -> None:
    raw = '{"error": "modèle inconnu"}'.encode("latin-1")
    assert "inconnu" in read_api_error(raw).message


def test_a_reply_nested_without_end_is_malformed() -> None:
    with pytest.raises(msgspec.DecodeError):
        OPENAI_CHAT.decode(b'{"x": ' + b"[" * 200_000)


def test_a_refused_field_is_left_out_from_then_on() -> None:
    with faulty_server("no-max-tokens", "no-temperature") as server:
        model = chat_model(server.url)
        ask(model, max_tokens=9)
        ask(model, max_tokens=9)
    assert model.refused == {"max_tokens", "temperature"}
    assert [sorted(body.keys() - {"model", "messages"}) for body in server.bodies[2:]] == [
        ["max_completion_tokens"]
    ] * 2


def test_reasoning_is_kept_apart_from_the_text() -> None:
    assert ask_server(said("4", reasoning_content="2 + 2")).reasoning == "2 + 2"
    assert ask_server(said("4", reasoning="2 + 2")).reasoning == "2 + 2"
    reply = ask_server(said("<think>\n2 + 2\n</think>\n\nIt is 4."))
    assert (reply.text, reply.reasoning) == ("It is 4.", "2 + 2")


def test_a_thought_cut_short_is_all_reasoning() -> None:
    reply = ask_server(said("<think> so 2 and"))
    assert (reply.text, reply.reasoning) == ("", "so 2 and")


def test_thinking_aloud_later_in_the_text_stays_there() -> None:
    assert ask_server(said("I <think>so</think>.")).text == "I <think>so</think>."


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), ([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}], "ab")],
)
def test_odd_contents_are_read(content: object, text: str) -> None:
    assert ask_server(said(content, tool_calls=[{"id": "x"}])).text == text


def test_a_refusal_is_the_text() -> None:
    assert ask_server(said(None, refusal="I cannot.")).text == "I cannot."


@pytest.mark.parametrize(("theirs", "ours"), [("length", "length"), ("content_filter", "filter"), (None, "stop")])
def test_finish_reasons_are_translated(theirs: str | None, ours: str) -> None:
    assert ask_server({"choices": [{"message": {"content": "4"}, "finish_reason": theirs}]}).finish == ours


def test_cached_and_reasoning_tokens_are_counted() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    assert ask_server(said("4") | {"usage": usage}).usage == Usage(input=9, output=5, cached=8, reasoning=4)


def test_usage_that_is_not_given_is_none() -> None:
    assert ask_server(said("4")).usage is None
    assert ask_server(said("4") | {"usage": None}).usage is None


def test_log_probabilities_are_asked_for_on_request_and_averaged() -> None:
    tokens = {"content": [{"token": "4", "logprob": -1.0}, {"token": ".", "logprob": -3.0}]}
    with faulty_server({"choices": [{"message": {"content": "4."}, "logprobs": tokens}]}) as server:
        reply = ask(chat_model(server.url, logprobs=True))[0]
    assert server.bodies[0]["logprobs"] is True
    assert reply.logprob == -2.0


@pytest.mark.parametrize("fault", ["429-now", "500", "503", "drop", "cut", "malformed", "html", "empty"])
def test_a_passing_fault_is_asked_again(fault: str) -> None:
    with faulty_server(fault, fault) as server:
        assert ask(chat_model(server.url))[0].text == "The answer is 4."
    assert len(server.bodies) == 3


def test_a_hang_is_asked_again_after_the_time_out() -> None:
    with faulty_server("hang") as server:
        assert ask(chat_model(server.url, timeout=0.2))[0].text == "The answer is 4."


@pytest.mark.parametrize(
    ("fault", "attempts", "reason"),
    [
        ("500", 5, "500: the server had an error"),
        ("503", 5, "503: overloaded"),
        ("drop", 10, "the connection was dropped"),
        ("cut", 10, "the body of the reply was cut off"),
        ("malformed", 10, "malformed JSON in the reply"),
        ("empty", 10, "a reply with no choices"),
        ("html", 5, "a web page in place of JSON"),
    ],
)
def test_a_fault_that_persists_fails_the_call_with_its_reason(fault: str, attempts: int, reason: str) -> None:
    with faulty_server(*[fault] * 30) as server, pytest.raises(CallFailed, match=reason):
        ask(chat_model(server.url))
    assert len(server.bodies) == attempts


def test_a_hang_that_persists_fails_the_call() -> None:
    with faulty_server(*["hang"] * 9) as server, pytest.raises(CallFailed, match=r"no reply within 0\.1 s"):
        ask(chat_model(server.url, timeout=0.1))
    assert len(server.bodies) == 3


def test_a_prompt_that_is_too_long_fails_its_call_at_once() -> None:
    with faulty_server("400-long") as server, pytest.raises(CallFailed, match="maximum context length"):
        ask(chat_model(server.url))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("fault", "reason", "hint"),
    [
        ("401", "the key .* was refused", "key"),
        ("403", "may not use the model", "key"),
        ("404", "there is no model `m`", "stepdown models"),
        ("quota", "no credit left", "top it up"),
        ("429-tomorrow", "a pause of 86400 s", "run again"),
        ("301", "does not answer chat requests", "/v1"),
    ],
)
def test_what_no_call_can_pass_is_refused_in_one_line_with_a_hint(fault: str, reason: str, hint: str) -> None:
    with faulty_server(fault) as server, pytest.raises(EndpointRefused, match=reason) as caught:
        ask(chat_model(server.url))
    assert len(server.bodies) == 1
    assert "\n" not in caught.value.what
    assert hint in caught.value.hint


def test_the_key_is_never_shown() -> None:
    with faulty_server("401") as server, pytest.raises(EndpointRefused) as caught:
        model = chat_model(server.url)
        ask(model)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(model)) + repr(caught.value)
    assert KEY not in shown and "***" in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(model.endpoint)


def test_hostile_error_text_is_one_short_line() -> None:
    trouble = {"error": {"message": "\x1b[2J" + "line\n" * 9999}}
    with pytest.raises(CallFailed) as caught:
        ask_server(*[trouble] * 10)
    assert caught.value.what.isprintable()
    assert len(caught.value.what) < 400


def test_a_closed_port_is_refused_with_the_address_and_a_way_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(EndpointRefused, match=f"nothing listens at `{url}`") as caught:
        ask(chat_model(url))
    assert "start the server" in caught.value.hint


def test_one_model_serves_several_event_loops() -> None:
    with faulty_server() as server:
        model = chat_model(server.url)
        assert [ask(model)[0].text, ask(model)[0].text] == ["The answer is 4."] * 2


def test_given_concurrency_holds_on_the_wire() -> None:
    async def main(url: str) -> None:
        model = EndpointModel(endpoint_at(url, "m"), concurrency=3)
        await asyncio.gather(*(model.reply(ASK, Sampling()) for _ in range(30)))
        await model.close()

    with faulty_server() as server:
        asyncio.run(main(server.url))
    assert len(server.bodies) == 30 and server.peak <= 3


def test_a_stream_brings_pieces_and_then_the_whole_reply() -> None:
    with faulty_server("500") as server:
        *pieces, whole = ask_stream(chat_model(server.url))
    assert "".join(str(piece) for piece in pieces) == "The answer is 4. "
    assert isinstance(whole, Reply)
    assert (whole.text, whole.finish, whole.usage) == ("The answer is 4. ", "length", Usage(input=10, output=3))


def test_a_stream_that_ends_early_fails_the_call() -> None:
    with faulty_server({"no": "stream"}) as server, pytest.raises(CallFailed, match="ended early"):
        ask_stream(chat_model(server.url))


def list_models(url: str) -> list[str]:
    async def main() -> list[str]:
        model = chat_model(url)
        try:
            return await model.models()
        finally:
            await model.close()

    return asyncio.run(main())


def test_an_endpoint_lists_its_models() -> None:
    with faulty_server() as server:
        assert list_models(server.url) == ["large", "small"]


@pytest.mark.parametrize("fault", ["401", "500"])
def test_an_endpoint_that_does_not_list_its_models_is_refused(fault: str) -> None:
    with faulty_server(fault) as server, pytest.raises(EndpointRefused, match=fault):
        list_models(server.url)
