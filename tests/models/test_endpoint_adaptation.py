"""What an endpoint refuses to be told is left out or said otherwise, from then on."""

import json
from typing import Any

import pytest

from chat_calls import ask as ask_with
from chat_calls import ask_stream, chat_model
from raw_server import RawServer, as_json, http, raw_server, said
from stepdown.errors import CallFailed
from stepdown.models.system_messages import fold_system
from stepdown.types import Message, Sampling

WHOLE = as_json(said("It is 4. END of it"))
FOLDED = [{"role": "user", "content": "Be brief.\n\n2 + 2?"}]
GIVEN: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ("END",), "max_tokens": 7}


def refusal(message: str, status: str = "400 Bad", **more: object) -> bytes:
    return http(json.dumps({"error": {"message": message} | more}).encode(), status=status)


def asked_twice(server: RawServer, **sampling: Any) -> list[dict[str, Any]]:
    """Return the bodies of two calls to an endpoint that refuses the first request."""
    model = chat_model(server.url)
    texts = [ask_with(model, **sampling)[0].text for _ in range(2)]
    assert texts == ["It is 4. "] * 2 if "stop" in sampling else ["It is 4. END of it"] * 2
    return server.bodies


SYSTEM = {
    "Gemma in vLLM": refusal("System role not supported"),
    "vLLM flat": http(b'{"object":"error","message":"System role not supported","code":400}', status="400 Bad"),
    "TGI": refusal("Template error: template error: System role not supported", "422 Bad"),
    "llama.cpp": refusal("Jinja Exception: System role not supported", "500 Oops", code=500, type="server_error"),
    "o1": refusal(
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        param="messages[0].role",
        code="unsupported_value",
    ),
    "Gemma in Gemini": refusal("Developer instruction is not enabled for models/gemma-3-27b-it"),
    "Mistral": refusal("Conversation roles must alternate user/assistant/user/assistant/..."),
    "Mistral again": refusal("Only user and assistant roles are supported!"),
    "inside a 200": as_json({"error": {"code": 400, "message": "System role not supported"}}),
}


@pytest.mark.parametrize("server_says", SYSTEM)
def test_a_system_line_that_is_refused_is_said_by_the_user(server_says: str) -> None:
    with raw_server(SYSTEM[server_says], WHOLE) as server:
        bodies = asked_twice(server)
    assert [body["messages"][0]["role"] for body in bodies] == ["system", "user", "user"]
    assert bodies[1]["messages"] == bodies[2]["messages"] == FOLDED


FIELDS = {
    "stop": refusal("Unsupported parameter: 'stop' is not supported with this model.", param="stop"),
    "top_p": refusal("`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    "temperature": refusal("Unsupported value: 'temperature' does not support 0.5 with this model."),
    "seed": http(b'{"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "x"}]}', status="422 No"),
    "max_tokens": refusal("'max_tokens' is not supported. Use 'max_completion_tokens' instead.", param="max_tokens"),
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_refused_is_left_out_and_no_other(field: str) -> None:
    with raw_server(FIELDS[field], WHOLE) as server:
        first, *later = asked_twice(server, **GIVEN)
    assert [first.keys() - body.keys() for body in later] == [{field}] * 2


def test_a_stop_string_cuts_the_text_where_the_endpoint_does_not() -> None:
    with raw_server(FIELDS["stop"], as_json(said("It is 4. END of it", "length"))) as server:
        [reply] = ask_with(chat_model(server.url), stop=("END",))
    assert (reply.text, reply.finish) == ("It is 4. ", "stop")


def test_streams_adapt_too_and_end_before_a_stop_string() -> None:
    with raw_server(SYSTEM["llama.cpp"], WHOLE) as server:
        model = chat_model(server.url)
        *pieces, _ = ask_stream(model, Sampling(stop=("END",)))
    assert "".join(map(str, pieces)) == "It is 4. " and model.refused == {"system"}


@pytest.mark.parametrize("message", ["the prompt is bad", "system overload", "max_tokens is too large: 7", "stop it"])
def test_other_refusals_are_adapted_to_by_nothing(message: str) -> None:
    with raw_server(refusal(message)) as server:
        model = chat_model(server.url)
        with pytest.raises(CallFailed, match=message):
            ask_with(model, **GIVEN)
    assert len(server.bodies) == 1 and not model.refused


def test_an_endpoint_that_refuses_everything_is_asked_a_bounded_number_of_times() -> None:
    refusals = [refusal(f"'{name}' is not supported") for name in ("seed", "stop", "temperature", "top_p")]
    with raw_server(*refusals, refusal("'seed' is not supported")) as server, pytest.raises(CallFailed):
        ask_with(chat_model(server.url), **GIVEN)
    assert len(server.bodies) == 5


def test_system_lines_are_folded_into_the_first_turn_of_the_user() -> None:
    lines = (Message("system", "a"), Message("assistant", "b"), Message("user", "c"), Message("system", "d"))
    assert fold_system(lines) == (Message("assistant", "b"), Message("user", "a\n\nd\n\nc"))
    assert fold_system(lines[:1]) == (Message("user", "a"),)
    assert fold_system(lines[1:3]) == lines[1:3]
