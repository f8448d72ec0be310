"""Responses and plain completions as the official client sees them: whole, streamed, with tools, and refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError
from openai.types.responses import Response, ResponseStreamEvent

from small_endpoint import NAME, Endpoint, endpoint, post_json
from stepdown.errors import CallFailed
from stepdown.models import ScriptedModel
from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.endpoints import endpoint_at
from stepdown.types import Reply
from tool_server import ARGUMENTS, SCHEMA, TOOL, ToolServer, tool_server
from worlds import student, teacher

PLAN, QUESTION = "1. Take the number.\n2. Add one to it.", "What is 4 plus one?"
FLAT: Any = {"type": "function", **TOOL["function"], "strict": False}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    broken = ScriptedModel(lambda messages, sampling, sample: CallFailed("it broke"), "openai/broken")
    cut = ScriptedModel([Reply("One two", "openai/cut", finish="length")], "openai/cut")
    models = {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}
    with endpoint(tmp_path_factory.mktemp("doors"), {**models, "openai/broken": broken, "openai/cut": cut}) as served:
        yield served


@pytest.fixture(scope="module")
def behind() -> Iterator[ToolServer]:
    with tool_server() as server:
        yield server


@pytest.fixture
def tooled(tmp_path: Path, behind: ToolServer) -> Iterator[Endpoint]:
    behind.bodies.clear()
    models = {f"openai/{one}": EndpointModel(endpoint_at(behind.url, one)) for one in ("teacher", "student")}
    with endpoint(tmp_path, models) as served:
        yield served


def respond(served: Endpoint, asked: Any = QUESTION, **options: Any) -> Response:
    with served.client() as client:
        found: Response = client.responses.create(model=NAME, input=asked, **options)
    return found


def events_of(served: Endpoint, asked: Any = QUESTION, **options: Any) -> list[ResponseStreamEvent]:
    with served.client() as client:
        return list(client.responses.create(model=NAME, input=asked, stream=True, **options))


def test_a_response_has_the_plan_as_reasoning_and_the_solution_as_its_text(served: Endpoint) -> None:
    found = respond(served, instructions="Be brief.", metadata={"a": "b"})
    assert (found.output_text, found.status, found.object) == ("Answer: 5", "completed", "response")
    reasoning = found.output[0]
    assert reasoning.type == "reasoning" and reasoning.summary[0].text == PLAN
    assert found.usage is not None and found.usage.output_tokens_details.reasoning_tokens == 9
    assert (found.instructions, found.metadata) == ("Be brief.", {"a": "b"})


def test_a_streamed_response_adds_up_to_the_whole_one(served: Endpoint) -> None:
    events = events_of(served)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = [event.delta for event in events if event.type == "response.output_text.delta"]
    planned = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert ("".join(said), "".join(planned)) == ("Answer: 5", PLAN) and len(planned) > 1
    last = events[-1]
    assert last.type == "response.completed" and last.response.output_text == "Answer: 5"
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]


def test_items_of_a_streamed_response_are_added_and_done_in_their_order(served: Endpoint) -> None:
    events = events_of(served)
    added = [(one.output_index, one.item.type) for one in events if one.type == "response.output_item.added"]
    done = [(one.output_index, one.item.type) for one in events if one.type == "response.output_item.done"]
    assert added == done == [(0, "reasoning"), (1, "message")]


def test_earlier_turns_are_the_context_and_a_plan_that_comes_back_is_none(served: Endpoint) -> None:
    first = respond(served)
    items: list[Any] = [one.to_dict() for one in first.output]
    asked = [{"role": "user", "content": QUESTION}, *items, {"role": "user", "content": "What is 5 plus one?"}]
    assert respond(served, asked).output_text == "Answer: 6"
    with served.store() as store:
        traces = [trace for run in store.runs() for trace in run.traces() if trace.solution == "Answer: 6"]
    said = [one.content for one in traces[-1].calls[-1].messages if one.role == "assistant"]
    assert said == ["Answer: 5"]


def test_a_response_cut_at_its_limit_is_incomplete(served: Endpoint) -> None:
    with served.client() as client:
        found = client.responses.create(model="direct/openai/cut", input=QUESTION, max_output_tokens=5, temperature=0.2)
    assert (found.status, found.temperature, found.max_output_tokens) == ("incomplete", 0.2, 5)
    assert found.incomplete_details is not None and found.incomplete_details.reason == "max_output_tokens"


def test_calls_of_tools_are_items_and_their_results_come_back(tooled: Endpoint, behind: ToolServer) -> None:
    first = respond(tooled, tools=[FLAT], tool_choice={"type": "function", "name": "add"})
    call = first.output[-1]
    assert call.type == "function_call" and (call.name, call.arguments) == ("add", ARGUMENTS)
    assert behind.bodies[-1]["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "5"}
    asked = [{"role": "user", "content": QUESTION}, *(one.to_dict() for one in first.output), result]
    assert "The answer is 5." in respond(tooled, asked, tools=[FLAT]).output_text


def test_a_streamed_call_of_a_tool_is_added_written_and_done(tooled: Endpoint) -> None:
    events = events_of(tooled, tools=[FLAT])
    [done] = [one for one in events if one.type == "response.function_call_arguments.done"]
    assert done.arguments == ARGUMENTS
    last = events[-1]
    assert last.type == "response.completed" and last.response.output[-1].type == "function_call"


def test_a_schema_is_handed_as_chat_has_it(tooled: Endpoint, behind: ToolServer) -> None:
    form: Any = {"format": {"type": "json_schema", "name": "sum", "schema": SCHEMA, "strict": True}}
    assert respond(tooled, text=form).output_text == '{"answer": 5}'
    assert behind.bodies[-1]["response_format"]["json_schema"] == {"name": "sum", "schema": SCHEMA, "strict": True}


@pytest.mark.parametrize(
    ("options", "at"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"reasoning": {"effort": "most"}}, "reasoning.effort"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content"),
        ({"input": [{"type": "computer_call"}]}, "input[0]"),
        ({"input": []}, "input"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"a field nobody knows": 1}, "a field nobody knows"),
    ],
)
def test_a_response_that_cannot_be_is_refused_by_the_name_it_has_here(
    served: Endpoint, options: dict[str, Any], at: str
) -> None:
    status, _, found = post_json(served.url, {"model": NAME, "input": QUESTION, **options}, path="/responses")
    assert (status, found["error"]["param"]) == (400, at)


def test_a_failure_in_a_streamed_response_comes_as_a_status_before_any_text(served: Endpoint) -> None:
    body = {"model": "direct/openai/broken", "input": QUESTION, "stream": True}
    status, headers, found = post_json(served.url, body, path="/responses")
    assert (status, found["error"]["code"]) == (502, "upstream_failed") and "x-stepdown-trace" in headers


def test_a_plain_completion_answers_its_prompt(served: Endpoint) -> None:
    with served.client() as client:
        found = client.completions.create(model=NAME, prompt=QUESTION, n=1, echo=False)
    [choice] = found.choices
    assert (choice.text, choice.finish_reason, found.object) == ("Answer: 5", "stop", "text_completion")
    assert choice.to_dict()["reasoning_content"] == PLAN and found.usage is not None and found.usage.total_tokens > 0


def test_a_streamed_completion_adds_up_and_ends_in_the_usage_asked_for(served: Endpoint) -> None:
    with served.client() as client:
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(client.completions.create(model=NAME, prompt=[QUESTION], **options))
    texts = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "Answer: 5" and chunks[-1].usage is not None and not chunks[-1].choices
    assert chunks[-2].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("field", "value"),
    [("prompt", ["a", "b"]), ("prompt", [1, 2]), ("prompt", " "), ("suffix", "x"), ("logprobs", 3), ("best_of", 2)],
)
def test_a_completion_that_cannot_be_is_refused_by_name(served: Endpoint, field: str, value: object) -> None:
    status, _, found = post_json(served.url, {"model": NAME, "prompt": QUESTION, field: value}, path="/completions")
    assert (status, found["error"]["param"]) == (400, field)


def test_a_field_of_another_door_is_refused(served: Endpoint) -> None:
    with served.client() as client, pytest.raises(BadRequestError) as caught:
        client.completions.create(model=NAME, prompt=QUESTION, extra_body={"tools": [TOOL]})
    assert caught.value.param == "tools"
