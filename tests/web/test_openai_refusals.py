"""What the endpoint refuses, and what it says of failures behind it: OpenAI's error objects and status codes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small_endpoint import NAME, Endpoint, endpoint, post_json
from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models import Prices, ScriptedModel
from stepdown.runner import Budget, plain
from stepdown.store import Store
from stepdown.web.config import Config
from stepdown.web.openai.errors import Refusal
from stepdown.web.openai.requests import Body, read_request
from stepdown.web.openai.served import find_served
from worlds import student, teacher

ASKED: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "What is 4 plus one?"}]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("refusals")
    models = {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}
    with endpoint(folder, models) as served:
        yield served


def refused(body: dict[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read_request(json.dumps(body).encode())
    return caught.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("functions", [{"name": "f"}]),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("audio", {"voice": "alloy"}),
        ("modalities", ["text", "audio"]),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("logit_bias", {"50256": -100}),
        ("top_k", 40),
        ("reasoning", {"effort": "low"}),
        ("best_of", 3),
        ("grammar", "root ::= 'a'"),
        ("chat_template_kwargs", {"enable_thinking": False}),
        ("guided_json", {}),
        ("verbosity", "low"),
        ("a field nobody knows", False),
    ],
)
def test_a_field_that_would_change_the_meaning_is_refused_by_name(field: str, value: object) -> None:
    found = refused({**ASKED, field: value})
    assert (found.status, found.wrong.param, found.wrong.code) == (400, field, "unsupported_parameter")


@pytest.mark.parametrize(
    "harmless",
    [
        {"user": "me", "metadata": {"a": "b"}, "store": True, "parallel_tool_calls": True, "service_tier": "auto"},
        {"safety_identifier": "a", "prompt_cache_key": "b", "prediction": {"type": "content", "content": "5"}},
        {"reasoning_effort": None, "a field nobody knows": None, "best_of": 1, "echo": False},
        {"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "logprobs": False, "tools": []},
        {"response_format": {"type": "text"}, "modalities": ["text"], "stream_options": None, "stop": None, "n": None},
    ],
)
def test_a_field_that_changes_nothing_is_let_pass(harmless: dict[str, Any]) -> None:
    assert read_request(json.dumps({**ASKED, **harmless}).encode()).question == "What is 4 plus one?"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 0), ("n", 129), ("temperature", -0.1), ("temperature", 2.5), ("top_p", 0), ("top_p", 1.1),
        ("max_tokens", 0), ("max_completion_tokens", -1), ("stop", ["a", "b", "c", "d", "e"]), ("stop", [""]),
        ("seed", 2**70), ("seed", "x"), ("n", "two"), ("stream", "yes"), ("model", None), ("n", 10**400),
        ("reasoning_effort", "most"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_names_its_field(field: str, value: object) -> None:
    found = refused({**ASKED, field: value})
    assert (found.status, found.wrong.type, found.wrong.param) == (400, "invalid_request_error", field)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "system", "content": "Be kind."}],
        [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": "Hello"}] * 2049,
        [{"role": "user", "content": None}],
        [{"role": "tool", "content": "4", "tool_call_id": "a"}],
        [{"role": "assistant", "tool_calls": [{"id": "a"}]}, {"role": "user", "content": "Go on"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}],
    ],
)
def test_messages_that_end_in_no_problem_in_text_are_refused(messages: object) -> None:
    found = refused({**ASKED, "messages": messages})
    assert found.status == 400 and (found.wrong.param or "").startswith("messages")


@pytest.mark.parametrize(
    ("turn", "at"),
    [
        ({"content": "Hi", "name": "Bob"}, ".name"),
        ({"content": "Hi", "prefix": True}, ".prefix"),
        ({"content": [{"type": "text", "text": "Hi", "weight": 2}]}, ".content[0].weight"),
        ({"role": "assistant", "content": None, "refusal": "I will not."}, ".refusal"),
    ],
)
def test_a_part_of_a_message_that_would_be_lost_is_refused_by_its_place(turn: dict[str, Any], at: str) -> None:
    found = refused({**ASKED, "messages": [{"role": "user", **turn}, *ASKED["messages"]]})
    assert (found.wrong.param, found.wrong.code) == (f"messages[0]{at}", "unsupported_parameter")


def test_an_answer_of_ours_may_come_back_as_it_was_given() -> None:
    ours = {"role": "assistant", "content": "5", "reasoning_content": "1. Add.", "refusal": None, "tool_calls": None}
    assert len(read_request(json.dumps({**ASKED, "messages": [ours, *ASKED["messages"]]}).encode()).context) == 1


def test_parts_of_text_are_joined_and_a_developer_is_a_system() -> None:
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "4 plus one?"}]
    turns = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts}]
    wanted = read_request(json.dumps({**ASKED, "messages": turns}).encode())
    assert wanted.question == "What is 4 plus one?"
    assert [(message.role, message.content) for message in wanted.context] == [("system", "Be kind.")]


def test_system_lines_may_stand_behind_the_problem() -> None:
    turns = [{"role": "user", "content": "What is 4 plus one?"}, {"role": "system", "content": "Be brief."}]
    wanted = read_request(json.dumps({**ASKED, "messages": turns}).encode())
    assert wanted.question == "What is 4 plus one?"
    assert [(message.role, message.content) for message in wanted.context] == [("system", "Be brief.")]


@given(st.binary())
def test_bytes_that_are_no_request_are_refused_and_never_an_error(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(raw)
    assert caught.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*Body.__struct_fields__, "user"]), JSON))
def test_any_values_of_known_fields_are_taken_or_refused_and_never_an_error(fields: dict[str, Any]) -> None:
    raw = json.dumps({**ASKED, **fields}).encode()
    try:
        assert read_request(raw).question.strip()
    except Refusal as refusal:
        assert refusal.status == 400 and refusal.body()


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"model": "\\ud800"}', b"\xff", b"", b"null", b"[]"])
def test_json_that_cannot_be_read_is_refused(served: Endpoint, raw: bytes) -> None:
    status, _, said = post_json(served.url, raw)
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o", "", "trace-of-thought/", "trace-of-thought/openai/teacher->", "direct/openai/a->openai/b",
        "few-shot/openai/student", "direct/recorded/abc", "direct//etc/passwd", "direct/../x", "direct/./students/x",
        "direct/~/x", "direct/students/x", "direct/embedded/../x", "direct/model.gguf", "direct/openai/x.gguf",
        "trace-of-thought/recorded/a->openai/student", "direct/openai/a\x00b", "direct/" + "openai/" * 60,
        "trace-of-thought/openai/a->openai/b->openai/c",
    ],
)  # fmt: skip
def test_a_name_that_leads_to_a_file_or_nowhere_is_no_model(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        find_served(name, Config())
    assert (caught.value.status, caught.value.wrong.code) == (404, "model_not_found")


def test_an_unknown_model_is_404_with_the_request_id(served: Endpoint) -> None:
    status, headers, said = post_json(served.url, {**ASKED, "model": "gpt-4o"})
    assert (status, said["error"]["param"], said["error"]["code"]) == (404, "model", "model_not_found")
    assert headers["x-request-id"]


def test_greedy_samples_are_refused_with_a_hint(served: Endpoint) -> None:
    status, _, said = post_json(served.url, {**ASKED, "n": 2})
    assert (status, said["error"]["param"]) == (400, "n") and "temperature" in said["error"]["message"]


def test_another_address_is_404_with_an_error_object(served: Endpoint) -> None:
    status, _, said = post_json(served.url, {}, path="/embeddings")
    assert (status, said["error"]["code"]) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/chat/completions", "POST"), ("POST", "/models", "GET"), ("DELETE", "/models/gpt-4o", "GET")],
)
def test_another_method_is_405_with_the_one_there_is(served: Endpoint, method: str, path: str, allowed: str) -> None:
    async def ask() -> tuple[int, str, Any]:
        async with aiohttp.ClientSession() as session, session.request(method, served.url + path) as reply:
            return reply.status, reply.headers["allow"], await reply.json()

    status, allow, said = plain(ask())
    assert (status, allow, said["error"]["code"]) == (405, allowed, "method_not_allowed")


def test_a_packed_body_is_415(served: Endpoint) -> None:
    async def ask() -> tuple[int, Any]:
        packed = {"content-encoding": "gzip"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{served.url}/chat/completions", data=b"x", headers=packed) as reply,
        ):
            return reply.status, await reply.json()

    status, said = plain(ask())
    assert status == 415 and "gzip" in said["error"]["message"]


def test_no_more_than_so_many_requests_are_under_way(tmp_path: Path) -> None:
    with endpoint(tmp_path, {}, most=0) as served:
        status, headers, said = post_json(served.url, ASKED)
    assert (status, headers["retry-after"], said["error"]["code"]) == (503, "1", "overloaded")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (CallFailed("400: too long", "shorten it"), 502, "upstream_failed"),
        (EndpointRefused("401: no such key", "mend it"), 502, "upstream_refused"),
    ],
)
def test_a_failure_behind_the_endpoint_is_502(
    tmp_path: Path, error: Exception, expected: int, code: str, stream: bool
) -> None:
    models = {"openai/student": ScriptedModel([error], "openai/student")}
    with endpoint(tmp_path, models) as served:
        status, _, said = post_json(served.url, {**ASKED, "model": "direct/openai/student", "stream": stream})
    assert (status, said["error"]["code"]) == (expected, code)


def test_a_budget_that_is_reached_is_429_and_not_asked_again(tmp_path: Path) -> None:
    models = {"openai/student": student("openai/student")}
    with endpoint(tmp_path, models, budget=Budget(Prices(), tokens=10)) as served:
        status, headers, said = post_json(served.url, {**ASKED, "model": "direct/openai/student"})
    assert (status, said["error"]["code"]) == (429, "insufficient_quota")
    assert headers["x-should-retry"] == "false"


def test_a_budget_in_money_takes_no_model_of_unknown_price(tmp_path: Path) -> None:
    model = student("openai/of-unknown-price")
    with endpoint(tmp_path, {model.name: model}, budget=Budget(Prices(), money=1.0)) as served:
        status, _, said = post_json(served.url, {**ASKED, "model": f"direct/{model.name}"})
    assert status == 400 and "price of `openai/of-unknown-price` is unknown" in said["error"]["message"]
    assert not model.calls


def test_a_failed_call_is_kept_as_a_trace_and_a_wrong_name_makes_no_run(tmp_path: Path) -> None:
    errors = [EndpointRefused("no such model"), CallFailed("it broke"), EndpointRefused("no such model")]
    with endpoint(tmp_path, {"openai/student": ScriptedModel(errors, "openai/student")}) as served:
        links = []
        for number in range(3):
            asked = [{"role": "user", "content": f"What is {number}?"}]
            answer = post_json(served.url, {"model": "direct/openai/student", "messages": asked})
            links.append("x-stepdown-trace" in answer[1])
    with Store(tmp_path / "served.sqlite") as store:
        assert [trace.error for trace in store.runs()[0].traces()] == ["it broke", "no such model"]
    assert links == [False, True, True]
