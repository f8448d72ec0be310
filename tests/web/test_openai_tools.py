"""Tools and forms of an answer: handed to the solving call where its endpoint takes them, refused by name elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from small_endpoint import NAME, Endpoint, endpoint, post_json
from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.endpoints import endpoint_at
from stepdown.web.config import Config, Served
from tool_server import ANSWER, ARGUMENTS, PLAN, SCHEMA, TOOL, ToolServer, tool_server
from worlds import student, teacher

ASKED: list[Any] = [{"role": "user", "content": "What is 4 plus one?"}]
FORM: Any = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
FORMS: list[dict[str, Any]] = [{}, {"tools": [TOOL]}, {"response_format": FORM}, {"tools": [TOOL]}]
SENT = ("tools", "tool_choice", "response_format")


@pytest.fixture(scope="module")
def behind() -> Iterator[ToolServer]:
    with tool_server() as server:
        yield server


@pytest.fixture
def served(tmp_path: Path, behind: ToolServer) -> Iterator[Endpoint]:
    behind.bodies.clear()
    models = {f"openai/{one}": EndpointModel(endpoint_at(behind.url, one)) for one in ("teacher", "student")}
    writer = "openai/teacher"
    votes = Served(method="trace-of-thought", student="openai/student", teacher=writer, planner=writer)
    with endpoint(tmp_path, models, config=Config(models={"votes": votes})) as served:
        yield served


def ask(served: Endpoint, messages: list[Any] = ASKED, **options: Any) -> ChatCompletion:
    with served.client() as client:
        answer: ChatCompletion = client.chat.completions.create(model=NAME, messages=messages, **options)
    return answer


def follow_up(first: ChatCompletion) -> list[Any]:
    [call] = first.choices[0].message.tool_calls or []
    called = first.choices[0].message.to_dict()
    return [*ASKED, called, {"role": "tool", "tool_call_id": call.id, "content": "5"}]


def test_a_call_of_a_tool_comes_back_and_the_plan_knew_nothing_of_tools(served: Endpoint, behind: ToolServer) -> None:
    found = ask(served, tools=[TOOL], tool_choice="required").choices[0]
    [call] = found.message.tool_calls or []
    assert call.type == "function" and (call.function.name, call.function.arguments) == ("add", ARGUMENTS)
    assert (found.finish_reason, found.message.content) == ("tool_calls", None)
    plan, solving = behind.bodies
    assert not plan.keys() & {*SENT} and (solving["tools"], solving["tool_choice"]) == ([TOOL], "required")


def test_the_result_of_a_tool_stands_behind_the_prompt_and_the_plan_is_paid_once(
    served: Endpoint, behind: ToolServer
) -> None:
    answer = ask(served, follow_up(ask(served, tools=[TOOL])), tools=[TOOL])
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (ANSWER, "stop")
    assert [body["model"] for body in behind.bodies] == ["teacher", "student", "student"]
    roles = [one["role"] for one in behind.bodies[-1]["messages"]]
    assert roles[-3:] == ["user", "assistant", "tool"] and PLAN[3:] in behind.bodies[-1]["messages"][-3]["content"]


def test_calls_of_an_earlier_turn_stay_where_they_were(served: Endpoint, behind: ToolServer) -> None:
    history = [*follow_up(ask(served, tools=[TOOL])), {"role": "assistant", "content": ANSWER}, *ASKED]
    ask(served, history, tools=[TOOL])
    assert [one["role"] for one in behind.bodies[-1]["messages"] if one["role"] != "system"] == [
        *("user", "assistant", "tool", "assistant", "user")
    ]  # fmt: skip


def test_a_streamed_call_comes_in_the_pieces_that_the_model_writes(served: Endpoint) -> None:
    with served.client() as client:
        options: Any = {"tools": [TOOL], "stream": True}
        chunks: list[ChatCompletionChunk] = list(client.chat.completions.create(model=NAME, messages=ASKED, **options))
    # What has been written since the last event goes out as one.
    head, *rest = [one for chunk in chunks for choice in chunk.choices for one in choice.delta.tool_calls or ()]
    assert (head.index, head.id, head.type) == (0, "call_1", "function") and head.function is not None
    written = [one.function.arguments or "" for one in rest if one.function is not None]
    assert head.function.name == "add" and not any(one.id or one.index for one in rest)
    assert (head.function.arguments or "") + "".join(written) == ARGUMENTS
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "tool_calls"


def test_an_answer_by_a_schema_is_what_the_endpoint_gave(served: Endpoint, behind: ToolServer) -> None:
    assert ask(served, response_format=FORM).choices[0].message.content == '{"answer": 5}'
    plan, solving = behind.bodies
    assert "response_format" not in plan and solving["response_format"] == FORM


def test_the_store_keeps_calls_and_knows_them_apart(served: Endpoint, behind: ToolServer) -> None:
    answers = [ask(served, ASKED, **form) for form in FORMS]
    assert [one.choices[0].finish_reason for one in answers] == ["stop", "tool_calls", "stop", "tool_calls"]
    assert len(behind.bodies) == 4, "one plan, three answers; the fourth is stored"
    [call] = answers[3].choices[0].message.tool_calls or []
    assert call.id == "call_1"


def test_a_trace_shows_what_was_handed_and_called(served: Endpoint) -> None:
    ask(served, tools=[TOOL])
    with served.store() as store:
        [trace] = store.runs()[0].traces()
    assert trace.calls[-1].reply.tool_calls[0].name == "add" and trace.calls[-1].sampling.form is not None
    assert trace.calls[0].sampling.form is None


@pytest.mark.parametrize(("field", "value"), [("tools", [TOOL]), ("response_format", {"type": "json_object"})])
def test_what_a_model_has_no_place_for_is_refused_by_name(tmp_path: Path, field: str, value: object) -> None:
    models = {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}
    with endpoint(tmp_path, models) as scripted:
        status, _, found = post_json(scripted.url, {"model": NAME, "messages": ASKED, field: value})
    assert (status, found["error"]["param"], found["error"]["code"]) == (400, field, "unsupported_parameter")
    assert "`openai/student`" in found["error"]["message"] and not models["openai/teacher"].calls


@pytest.mark.parametrize("model", ["votes", "self-refine/openai/student"])
def test_where_the_last_call_is_not_one_call_they_are_refused(served: Endpoint, behind: ToolServer, model: str) -> None:
    with served.client() as client, pytest.raises(BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=ASKED, tools=[TOOL])  # type: ignore[list-item]
    assert caught.value.param == "tools" and not behind.bodies


def test_an_endpoint_that_says_it_takes_none_is_quoted(served: Endpoint, behind: ToolServer) -> None:
    behind.faults.append((400, {"error": {"message": "`small` does not support tools"}}))
    body = {"model": "direct/openai/student", "messages": ASKED, "tools": [TOOL]}
    status, headers, found = post_json(served.url, body)
    assert (status, found["error"]["param"], found["error"]["code"]) == (400, "tools", "unsupported_parameter")
    assert "does not support tools" in found["error"]["message"] and "x-stepdown-trace" in headers


@pytest.mark.parametrize(
    ("field", "value", "at"),
    [
        ("tools", [{"type": "web_search"}], "tools[0].type"),
        ("tools", [{"type": "function", "function": {"name": "a b"}}], "tools[0].function.name"),
        ("tools", [TOOL, TOOL], "tools"),
        ("tool_choice", {"type": "function", "function": {"name": "other"}}, "tool_choice"),
        ("response_format", {"type": "json_schema"}, "response_format"),
        ("response_format", {"type": "xml"}, "response_format"),
    ],
)
def test_a_form_that_cannot_be_is_refused_where_it_is_wrong(
    served: Endpoint, field: str, value: object, at: str
) -> None:
    status, _, found = post_json(served.url, {"model": NAME, "messages": ASKED, "tools": [TOOL], field: value})
    assert (status, found["error"]["param"]) == (400, at)
