"""Dialects: each is asked as its official client asks, and its answers, streams and errors are read."""

import json
from contextlib import suppress
from typing import Any

import pytest

from chat_calls import KEY, ask, ask_stream, chat_model
from dialect_server import (
    TEXT,
    THOUGHT,
    candidates,
    dialect_server,
    generated,
    message,
    message_events,
    response,
    response_events,
)
from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong, StepdownError
from stepdown.models.http.dialects import DIALECTS
from stepdown.models.http.endpoints import endpoint_at, find_endpoint
from stepdown.types import Reply, Sampling, Usage

MESSAGES, RESPONSES, GEMINI = "anthropic-messages", "openai-responses", "gemini-generate"
ALL = (MESSAGES, RESPONSES, GEMINI)
WARM: dict[str, Any] = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 64, "seed": 3, "stop": ("Q:", "\n\n")}
BODIES: dict[str, Any] = {
    MESSAGES: {
        "model": "m", "max_tokens": 64, "system": "Be brief.", "messages": [{"role": "user", "content": "2 + 2?"}],
        "temperature": 0.7, "top_p": 0.9, "stop_sequences": ["Q:"],
    },
    RESPONSES: {
        "model": "m", "max_output_tokens": 64, "store": False, "temperature": 0.7, "top_p": 0.9,
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
    },
    GEMINI: {
        "contents": [{"role": "user", "parts": [{"text": "2 + 2?"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}], "role": "user"},
        "generationConfig": {
            "temperature": 0.7, "topP": 0.9, "maxOutputTokens": 64, "seed": 3, "stopSequences": ["Q:", "\n\n"],
        },
    },
}  # fmt: skip
PATHS = {
    MESSAGES: ("/v1/messages", "/v1/messages"),
    RESPONSES: ("/v1/responses", "/v1/responses"),
    GEMINI: ("/v1/models/m:generateContent", "/v1/models/m:streamGenerateContent?alt=sse"),
}
HEADERS = {
    MESSAGES: {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    RESPONSES: {"authorization": f"Bearer {KEY}"},
    GEMINI: {"x-goog-api-key": KEY},
}


def model(url: str, dialect: str) -> Any:
    return chat_model(url, dialect=DIALECTS[dialect])


@pytest.mark.parametrize("dialect", ALL)
def test_a_request_is_what_the_official_client_sends(dialect: str) -> None:
    with dialect_server() as server:
        ask(model(server.url, dialect), n=1, **WARM)
        ask_stream(model(server.url, dialect), Sampling(**WARM))
    assert server.bodies[0] == BODIES[dialect] and tuple(server.paths) == PATHS[dialect]
    assert server.bodies[1] == BODIES[dialect] | ({} if dialect == GEMINI else {"stream": True})
    assert HEADERS[dialect].items() <= server.headers[0].items()
    assert [KEY in json.dumps(sent) for sent in server.headers] == [True, True]


EFFORTS: dict[str, Any] = {
    "openai-api": {"reasoning_effort": "low"},
    MESSAGES: {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    RESPONSES: {"reasoning": {"effort": "low", "summary": "auto"}},
    GEMINI: {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}},
}


@pytest.mark.parametrize("dialect", EFFORTS)
def test_an_effort_to_reason_is_asked_for_in_each_dialects_words(dialect: str) -> None:
    with dialect_server(message()) as server, suppress(StepdownError):
        ask(model(server.url, dialect), reasoning_effort="low")
    body = server.bodies[0]
    assert EFFORTS[dialect].items() <= body.get("generationConfig", body).items()


@pytest.mark.parametrize("dialect", ALL)
def test_a_reply_has_its_text_reasoning_and_usage(dialect: str) -> None:
    with dialect_server() as server:
        [reply] = ask(model(server.url, dialect))
        *pieces, streamed = ask_stream(model(server.url, dialect))
    assert isinstance(streamed, Reply) and "".join(map(str, pieces)) == TEXT
    for one in (reply, streamed):
        assert (one.text, one.reasoning, one.usage, one.finish) == (TEXT, THOUGHT, Usage(35, 7, 20, 3), "stop")
        assert one.model in {"claude-large", "gpt-large", "gemini-large"}


ERRORS: list[tuple[str, int, Any, type[StepdownError], str]] = [
    (MESSAGES, 400, {"type": "error", "error": {"type": "invalid_request_error", "message":
        "prompt is too long: 210000 tokens > 200000 maximum"}}, PromptTooLong, "prompt is too long"),
    (MESSAGES, 400, {"type": "error", "error": {"type": "invalid_request_error", "message":
        "messages: text content blocks must be non-empty"}}, CallFailed, "must be non-empty"),
    (MESSAGES, 401, {"type": "error", "error": {"type": "authentication_error", "message":
        "invalid x-api-key"}, "request_id": "req_011"}, EndpointRefused, "the key for .* was refused"),
    (MESSAGES, 404, {"type": "error", "error": {"type": "not_found_error", "message":
        "model: claude-none"}}, EndpointRefused, "there is no model `m`"),
    (RESPONSES, 400, {"error": {"message": "Your input is beyond the window.", "type":
        "invalid_request_error", "param": "input", "code": "context_length_exceeded"}}, PromptTooLong, "the window"),
    (RESPONSES, 401, {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error",
        "param": None, "code": "invalid_api_key"}}, EndpointRefused, "the key for .* was refused"),
    (GEMINI, 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
        "The input token count (1300000) exceeds the maximum number of tokens allowed (1048576)."}},
        PromptTooLong, "token count"),
    (GEMINI, 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
        "API key not valid. Please pass a valid API key."}}, EndpointRefused, "the key for .* was refused"),
    (GEMINI, 404, {"error": {"code": 404, "status": "NOT_FOUND", "message":
        "models/m is not found for API version v1beta"}}, EndpointRefused, "there is no model `m`"),
]  # fmt: skip


@pytest.mark.parametrize("dialect, status, body, kind, what", ERRORS)
def test_a_refusal_is_read(dialect: str, status: int, body: Any, kind: type[StepdownError], what: str) -> None:
    with dialect_server((status, body)) as server, pytest.raises(kind, match=what):
        ask(model(server.url, dialect))
    assert len(server.bodies) == 1


BUSY: list[tuple[str, int, Any]] = [
    (MESSAGES, 429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}),
    (MESSAGES, 529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    (MESSAGES, 500, {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}),
    (RESPONSES, 429, {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}),
    (GEMINI, 429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your quota"}}),
    (GEMINI, 503, {"error": {"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}}),
]


@pytest.mark.parametrize("dialect, status, body", BUSY)
def test_a_busy_endpoint_is_asked_again(dialect: str, status: int, body: Any) -> None:
    with dialect_server((status, body)) as server:
        [reply] = ask(model(server.url, dialect))
    assert reply.text == TEXT and len(server.bodies) == 2


ENDS: list[tuple[str, Any, str]] = [
    (MESSAGES, message("max_tokens"), "length"),
    (MESSAGES, message("refusal"), "filter"),
    (MESSAGES, message("pause_turn"), "unknown"),
    (RESPONSES, response("incomplete", "max_output_tokens"), "length"),
    (RESPONSES, response("incomplete", "content_filter"), "filter"),
    (GEMINI, candidates({"text": TEXT}, finish="MAX_TOKENS"), "length"),
    (GEMINI, candidates({"text": TEXT}, finish="SAFETY"), "filter"),
]


@pytest.mark.parametrize("dialect, body, finish", ENDS)
def test_a_reply_says_how_it_ended(dialect: str, body: Any, finish: str) -> None:
    with dialect_server(body) as server:
        [reply] = ask(model(server.url, dialect))
    assert (reply.text, reply.finish) == (TEXT, finish)


def test_a_prompt_that_gemini_blocks_is_a_filtered_reply() -> None:
    usage = {"promptTokenCount": 9, "totalTokenCount": 9}
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage}
    with dialect_server(blocked) as server:
        [reply] = ask(model(server.url, GEMINI))
    assert (reply.text, reply.finish, reply.usage) == ("", "filter", Usage(9))


BROKEN: list[tuple[str, Any, str]] = [
    (MESSAGES, [*message_events()[:6], ("error", {"type": "error", "error": {"type": "overloaded_error", "message":
        "Overloaded"}})], "ended in an error: 503: Overloaded"),
    (MESSAGES, message_events()[:6], "ended early"),
    (RESPONSES, [*response_events()[:3], ("error", {"type": "error", "code": "server_error", "message": "sorry",
        "param": None, "sequence_number": 4})], "ended in an error: 500: sorry"),
    (RESPONSES, [*response_events()[:3], ("response.failed", {"type": "response.failed", "response":
        response("failed") | {"error": {"code": "server_error", "message": "sorry"}}})], "500: sorry"),
    (GEMINI, [("", candidates({"text": "It"}, finish=None)), ("", {"error": {"code": 503, "status": "UNAVAILABLE",
        "message": "overloaded"}})], "ended in an error: 503: overloaded"),
]  # fmt: skip


@pytest.mark.parametrize("dialect, events, what", BROKEN)
def test_a_stream_that_breaks_says_why(dialect: str, events: Any, what: str) -> None:
    with dialect_server({"events": events}) as server, pytest.raises(CallFailed, match=what):
        ask_stream(model(server.url, dialect))


REFUSED: list[tuple[str, str, Any, str]] = [
    (MESSAGES, "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
     lambda body: body.get("top_p"), "invalid_request_error"),
    (MESSAGES, "`temperature` is deprecated for this model.", lambda body: body.get("temperature"), "x"),
    (RESPONSES, "Unsupported parameter: 'temperature' is not supported with this model.",
     lambda body: body.get("temperature"), "x"),
    (GEMINI, "Developer instruction is not enabled for models/gemma", lambda body: body.get("systemInstruction"), "x"),
]  # fmt: skip


@pytest.mark.parametrize("dialect, words, left, kind", REFUSED)
def test_a_field_that_is_refused_is_left_out(dialect: str, words: str, left: Any, kind: str) -> None:
    refusal = (400, {"error": {"type": kind, "message": words}})
    with dialect_server(refusal) as server:
        [reply] = ask(model(server.url, dialect), **WARM)
    before, after = server.bodies
    assert reply.text == TEXT and left(before) and not left(after)


ODD: list[tuple[str, Any]] = [
    (MESSAGES, message() | {"content": TEXT, "usage": {"input_tokens": -1}}),
    (MESSAGES, message() | {"content": [None, {"type": "text", "text": TEXT}, {"type": "tool_use", "input": {}}]}),
    (MESSAGES, [message()]),
    (RESPONSES, response() | {"usage": "many", "model": 3, "incomplete_details": []}),
    (GEMINI, generated() | {"usageMetadata": [], "promptFeedback": 3, "modelVersion": None}),
]


@pytest.mark.parametrize("dialect, body", ODD)
def test_what_is_odd_beside_a_text_is_no_reason_to_pay_again(dialect: str, body: Any) -> None:
    with dialect_server((200, body)) as server:
        [reply] = ask(model(server.url, dialect))
    assert reply.text == TEXT and len(server.bodies) == 1


@pytest.mark.parametrize("dialect", [MESSAGES, RESPONSES])
def test_two_replies_are_two_requests_where_a_dialect_has_one_each(dialect: str) -> None:
    with dialect_server() as server:
        assert len(ask(model(server.url, dialect), n=2)) == 1
    assert server.bodies[0].keys().isdisjoint({"n", "seed"})


def test_a_model_string_names_its_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC", "OPENAI", "GEMINI"):
        monkeypatch.setenv(f"{name}_API_KEY", "k")
    urls = {
        "anthropic/claude-x": "https://api.anthropic.com/v1/messages",
        "openai-api/anthropic/claude-x": "https://api.anthropic.com/v1/chat/completions",
        "openai-responses/openai/gpt-x": "https://api.openai.com/v1/responses",
        "openai/gpt-x": "https://api.openai.com/v1/chat/completions",
        "gemini/gemini-x": "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        "gemini-generate/gemini/gemini-x":
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent",
    }  # fmt: skip
    assert {name: find_endpoint(name).url for name in urls} == urls
    assert find_endpoint("anthropic/claude-x").source == "https://api.anthropic.com/v1"
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:9")
    assert find_endpoint("anthropic/claude-x").url == "http://localhost:9/v1/messages"


def test_a_dialect_that_no_name_says_is_part_of_the_source() -> None:
    sources = [endpoint_at("http://h/v1", "m", dialect=dialect).source for dialect in DIALECTS.values()]
    assert sources == ["http://h/v1"] + [f"http://h/v1#{word}" for word in
                       ("completions", "responses", "messages", "generate")]  # fmt: skip
