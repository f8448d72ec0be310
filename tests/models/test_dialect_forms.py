"""Tools and forms of an answer in the words of each dialect: handed over, and calls read out of replies and streams."""

from typing import Any

import msgspec
import pytest

from chat_calls import ask, ask_stream, chat_model
from dialect_server import candidates, dialect_server, message, message_events, response, response_events
from stepdown.models.http.dialects import DIALECTS
from stepdown.types import AnswerForm, Reply, Sampling, ToolCall, ToolCallPiece

MESSAGES, RESPONSES, GEMINI = "anthropic-messages", "openai-responses", "gemini-generate"
ALL = (MESSAGES, RESPONSES, GEMINI)
PARAMETERS: Any = {"type": "object", "properties": {"a": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Add.", "parameters": PARAMETERS}}]
CALLED = {"role": "assistant", "content": "Adding.", "tool_calls": [
    {"id": "toolu_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 4}'}},
    {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "four"}},
]}  # fmt: skip
RESULTS = [
    {"role": "tool", "tool_call_id": "toolu_1", "content": '{"sum": 5}'},
    {"role": "tool", "tool_call_id": "call_1", "content": "5"},
]


def form(**fields: Any) -> Any:
    given: Any = {name: msgspec.json.encode(value).decode() for name, value in fields.items()}
    return AnswerForm(**given)


def sent(dialect: str, asked: Any, **sampling: Any) -> Any:
    with dialect_server() as server:
        ask(chat_model(server.url, dialect=DIALECTS[dialect]), form=asked, **sampling)
    return server.bodies[0]


CHOICES: list[tuple[Any, Any, Any]] = [
    ("auto", {"type": "auto"}, {"mode": "AUTO"}),
    ("required", {"type": "any"}, {"mode": "ANY"}),
    ("none", {"type": "none"}, {"mode": "NONE"}),
    (
        {"type": "function", "function": {"name": "add"}},
        {"type": "tool", "name": "add"},
        {"mode": "ANY", "allowedFunctionNames": ["add"]},
    ),
]


@pytest.mark.parametrize(("choice", "anthropic", "gemini"), CHOICES)
def test_tools_and_the_choice_among_them_are_said_as_each_endpoint_wants(
    choice: Any, anthropic: Any, gemini: Any
) -> None:
    body = sent(MESSAGES, form(tools=TOOLS, tool_choice=choice))
    assert body["tools"] == [{"name": "add", "description": "Add.", "input_schema": PARAMETERS}]
    assert body["tool_choice"] == anthropic
    body = sent(GEMINI, form(tools=TOOLS, tool_choice=choice))
    declared = {"name": "add", "description": "Add.", "parametersJsonSchema": PARAMETERS}
    assert body["tools"] == [{"functionDeclarations": [declared]}]
    assert body["toolConfig"] == {"functionCallingConfig": gemini}


def test_one_tool_at_a_time_is_asked_of_who_can_be_asked() -> None:
    one = msgspec.structs.replace(form(tools=TOOLS), parallel_tool_calls=False)
    assert sent(MESSAGES, one)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert one.needs - DIALECTS[GEMINI].takes == {"parallel_tool_calls"}
    assert form(response_format={"type": "json_object"}).needs - DIALECTS[MESSAGES].takes == {"json_object"}


def test_a_schema_is_handed_over() -> None:
    asked = form(response_format={"type": "json_schema", "json_schema": {"name": "sum", "schema": PARAMETERS}})
    body = sent(MESSAGES, asked, reasoning_effort="low")
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": PARAMETERS}}
    config = sent(GEMINI, asked)["generationConfig"]
    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", PARAMETERS)


TURNS = [[-1, CALLED], *([-1, one] for one in RESULTS)]


def test_calls_and_their_results_are_blocks_of_anthropics_turns() -> None:
    body = sent(MESSAGES, form(tools=TOOLS, turns=TURNS), reasoning_effort="low")
    called, results = body["messages"][-2:]
    assert [one.get("input") for one in called["content"]] == [None, {"a": 4}, {"arguments": "four"}]
    assert (results["role"], [one["tool_use_id"] for one in results["content"]]) == ("user", ["toolu_1", "call_1"])
    assert "thinking" not in body, "the thoughts before the call are not at hand"


def test_calls_and_their_results_are_parts_of_geminis_contents() -> None:
    called, results = sent(GEMINI, form(tools=TOOLS, turns=TURNS))["contents"][-2:]
    assert called["parts"][1]["functionCall"] == {"id": "toolu_1", "name": "add", "args": {"a": 4}}
    assert called["parts"][1]["thoughtSignature"] and "thoughtSignature" not in called["parts"][2]
    assert [one["functionResponse"] for one in results["parts"]] == [
        {"id": "toolu_1", "name": "add", "response": {"sum": 5}},
        {"name": "add", "response": {"result": "5"}},
    ]


USED: Any = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 4}}
ITEM: Any = {"type": "function_call", "id": "fc_1", "call_id": "toolu_1", "name": "add", "arguments": '{"a":4}'}
WHOLE: dict[str, Any] = {
    MESSAGES: message("tool_use") | {"content": [USED]},
    RESPONSES: response() | {"output": [ITEM]},
    GEMINI: candidates({"functionCall": {"id": "toolu_1", "name": "add", "args": {"a": 4}}}),
}
THINKING, *_, DELTA, STOP = message_events()
PIECE: Any = {"type": "input_json_delta"}
STREAMED: dict[str, Any] = {
    MESSAGES: [
        THINKING,
        ("", {"type": "content_block_start", "index": 1, "content_block": USED | {"input": {}}}),
        (
            "",
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
        ),
        ("", {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ":4}"}}),
        DELTA,
        STOP,
    ],
    RESPONSES: [
        ("", {"type": "response.output_item.added", "item": ITEM | {"arguments": ""}}),
        ("", {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": '{"a"'}),
        ("", {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": ":4}"}),
        ("", {"type": "response.function_call_arguments.done", "item_id": "fc_1", "arguments": '{"a":4}'}),
        ("", response_events()[-1][1] | {"response": WHOLE[RESPONSES]}),
    ],
    GEMINI: [("", WHOLE[GEMINI])],
}


@pytest.mark.parametrize("dialect", ALL)
def test_a_call_is_read_whole_and_in_the_pieces_of_a_stream(dialect: str) -> None:
    with dialect_server(WHOLE[dialect], {"events": STREAMED[dialect]}) as server:
        [reply] = ask(chat_model(server.url, dialect=DIALECTS[dialect]), form=form(tools=TOOLS))
        *pieces, streamed = ask_stream(
            chat_model(server.url, dialect=DIALECTS[dialect]), Sampling(form=form(tools=TOOLS))
        )
    assert isinstance(streamed, Reply)
    assert reply.tool_calls == streamed.tool_calls == (ToolCall("toolu_1", "add", '{"a":4}'),)
    called = [one for one in pieces if isinstance(one, ToolCallPiece)]
    assert "".join(one.arguments for one in called) == '{"a":4}' and called[0].name == "add"
    assert (len(called) > 1) == (dialect != GEMINI)


def test_two_calls_of_geminis_stream_are_two() -> None:
    events = [
        ("", candidates({"functionCall": {"name": name}}, finish=finish))
        for name, finish in (("a", None), ("b", "STOP"))
    ]
    with dialect_server({"events": events}) as server:
        streamed = ask_stream(chat_model(server.url, dialect=DIALECTS[GEMINI]), Sampling(form=form(tools=TOOLS)))[-1]
    assert isinstance(streamed, Reply) and [(one.id, one.name) for one in streamed.tool_calls] == [
        ("call_0", "a"), ("call_1", "b"),
    ]  # fmt: skip
