"""Prompts that do not fit a model's context: told apart from failures, and OpenAI's own 400 at the endpoint."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from chat_calls import chat_model
from faulty_server import STATUSES, Body, faulty_server
from small_endpoint import NAME, Slow, broken_off, endpoint, post_json
from stepdown.errors import CallFailed, PromptTooLong
from stepdown.models import EndpointModel, ScriptedModel
from stepdown.models.http.api_errors import ApiError
from stepdown.models.http.context_length import is_overflow
from stepdown.models.local.worker import ERRORS
from stepdown.store import Store
from stepdown.types import HiddenProgress, Message, Reply, Sampling, ToolCallPiece

ASK = (Message("user", "2 + 2?"),)
ASKED: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "What is 4 plus one?"}]}
LONG = ("400-long", "400-long-code", "400-long-llamacpp", "400-long-vllm", "400-long-ollama")


def ask(url: str, times: int = 1) -> list[BaseException | object]:
    """Ask one after another for replies, and return them or why there are none."""

    async def work() -> list[BaseException | object]:
        model, found = chat_model(url, name="openai/student"), list[BaseException | object]()
        for _ in range(times):
            found += await asyncio.gather(model.reply(ASK, Sampling()), return_exceptions=True)
        await model.close()
        return found

    return asyncio.run(work())


@pytest.mark.parametrize("fault", [*LONG, STATUSES["400-long-llamacpp"][1]])
def test_servers_say_in_their_own_ways_that_a_prompt_is_too_long(fault: str | Body) -> None:
    with faulty_server(fault) as server:
        assert [type(one) for one in ask(server.url)] == [PromptTooLong]
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "words",
    [
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
        "Input length (160062 tokens) exceeds the maximum allowed length (32768 tokens).",
        "However, the model is loaded with context length of only 2048 tokens",
        "The number of tokens to keep from the initial prompt is greater than the context length",
    ],
)
def test_sglang_and_lm_studio_say_it_in_words_only(words: str) -> None:
    assert is_overflow(400, ApiError(message=words)) and not is_overflow(500, ApiError(message=words))


@pytest.mark.parametrize("fault", ["no-n", "500", {"error": {"message": "maximum effort"}}])
def test_no_other_failure_is_taken_for_a_prompt_that_is_too_long(fault: str | Body) -> None:
    with faulty_server(*[fault] * 10) as server:
        assert PromptTooLong not in {type(one) for one in ask(server.url)}


def test_prompts_that_are_too_long_never_count_against_their_endpoint() -> None:
    with faulty_server(*["400-long"] * 9) as server:
        assert {type(one) for one in ask(server.url, times=9)} == {PromptTooLong}


async def heard(model: EndpointModel) -> list[str | HiddenProgress | ToolCallPiece | Reply]:
    async with aclosing(model.stream(ASK, Sampling())) as pieces:
        return [piece async for piece in pieces]


@pytest.mark.parametrize("fault", [*LONG, "long-stream"])
def test_a_stream_that_is_refused_as_too_long_says_so(fault: str) -> None:
    async def work(model: EndpointModel) -> None:
        with pytest.raises(PromptTooLong):
            await heard(model)
        await model.close()

    with faulty_server(fault) as server:
        asyncio.run(work(chat_model(server.url)))


def test_a_stream_that_ends_in_another_error_is_a_failed_call_with_its_words() -> None:
    async def work(model: EndpointModel) -> None:
        with pytest.raises(CallFailed, match="the disk is full"):
            await heard(model)
        await model.close()

    with faulty_server("broken-stream") as server:
        asyncio.run(work(chat_model(server.url)))


def test_a_model_in_a_process_of_its_own_passes_the_error_on_by_name() -> None:
    error = PromptTooLong("a prompt of `9` tokens")
    assert next(kind for kind in ERRORS.values() if isinstance(error, kind)) is PromptTooLong


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("upstream", [True, False])
def test_the_endpoint_answers_as_openai_does(tmp_path: Path, stream: bool, upstream: bool) -> None:
    with faulty_server("400-long-llamacpp") as server:
        own = ScriptedModel([PromptTooLong("`9000` tokens do not fit", "shorten it")], "openai/student")
        model = chat_model(server.url) if upstream else own
        with endpoint(tmp_path, {"openai/student": model}) as served:
            body = {**ASKED, "model": "direct/openai/student", "stream": stream}
            status, headers, said = post_json(served.url, body)
    wrong = said["error"]
    assert (status, wrong["type"], wrong["code"]) == (400, "invalid_request_error", "context_length_exceeded")
    assert wrong["param"] == "messages" and ("4390" if upstream else "9000") in wrong["message"]
    assert headers["x-stepdown-trace"].startswith("/runs/") and "x-should-retry" not in headers


def test_in_mid_stream_it_is_an_event_with_that_code(tmp_path: Path) -> None:
    slow = Slow(PromptTooLong("`9000` tokens do not fit"))
    last = broken_off(tmp_path, slow, ASKED["messages"]).split(b"\n\n")[-2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "context_length_exceeded"


def test_what_is_kept_of_it_is_a_trace_with_the_error(tmp_path: Path) -> None:
    model = ScriptedModel([PromptTooLong("`9000` tokens do not fit")], "openai/student")
    with endpoint(tmp_path, {"openai/student": model}) as served:
        post_json(served.url, {**ASKED, "model": "direct/openai/student"})
    with Store(tmp_path / "served.sqlite") as store:
        [trace] = store.runs()[0].traces()
    assert trace.error == "`9000` tokens do not fit"
