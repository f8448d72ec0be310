"""The OpenAI-compatible endpoint as clients see it: the official client, curl and bare HTTP, on a real port."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from faulty_server import faulty_server
from small_endpoint import NAME, Endpoint, Slow, broken_off, endpoint
from stepdown.errors import CallFailed
from stepdown.models import ScriptedModel
from stepdown.models.http.endpoint_model import EndpointModel
from stepdown.models.http.endpoints import endpoint_at
from stepdown.runner import plain
from stepdown.store import Store
from stepdown.types import Reply, Sampling, Usage
from stepdown.web.config import Config, Served
from stepdown.web.openai import sending
from worlds import student, teacher

PLAN = "1. Take the number.\n2. Add one to it."
ASKED: list[Any] = [{"role": "user", "content": "What is 4 plus one?"}]


def players() -> dict[str, ScriptedModel]:
    return {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Endpoint]:
    with endpoint(tmp_path, players()) as served:
        yield served


def chunks_of(served: Endpoint, **options: Any) -> list[ChatCompletionChunk]:
    with served.client() as client:
        return list(client.chat.completions.create(model=NAME, messages=ASKED, stream=True, **options))


def said(chunks: list[ChatCompletionChunk], field: str, index: int = 0) -> str:
    """Return what the deltas of one sample add up to."""
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(delta.to_dict().get(field) or "" for delta in deltas)  # type: ignore[misc]


def test_the_answer_is_content_and_the_plan_is_reasoning(served: Endpoint) -> None:
    with served.client() as client:
        found = client.chat.completions.create(model=NAME, messages=ASKED)
    message = found.choices[0].message
    assert (message.content, message.to_dict()["reasoning_content"]) == ("Answer: 5", PLAN)
    assert (found.object, found.model, found.choices[0].finish_reason) == ("chat.completion", NAME, "stop")


def test_usage_is_summed_over_the_calls_with_a_breakdown_by_role(served: Endpoint) -> None:
    with served.client() as client:
        usage: Any = client.chat.completions.create(model=NAME, messages=ASKED).to_dict()["usage"]
    roles = usage["by_role"]
    assert usage["completion_tokens"] == roles["teacher"]["completion_tokens"] + roles["student"]["completion_tokens"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == roles["teacher"]["completion_tokens"] == 9
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_gives_the_role_then_the_plan_then_the_answer(served: Endpoint) -> None:
    chunks = chunks_of(served)
    assert (said(chunks, "reasoning_content"), said(chunks, "content")) == (PLAN, "Answer: 5")
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert sum("reasoning_content" in chunk.choices[0].delta.to_dict() for chunk in chunks) > 1


def test_a_stream_ends_with_the_usage_only_where_it_is_asked_for(served: Endpoint) -> None:
    chunks = chunks_of(served, stream_options={"include_usage": True})
    assert chunks[-1].choices == [] and chunks[-1].usage and chunks[-1].usage.total_tokens > 0
    assert all(chunk.to_dict()["usage"] is None for chunk in chunks[:-1])
    assert all(chunk.choices and "usage" not in chunk.to_dict() for chunk in chunks_of(served))


def test_the_asynchronous_client_streams_too(served: Endpoint) -> None:
    async def ask() -> str:
        async with AsyncOpenAI(base_url=served.url, api_key="none") as client:
            stream = await client.chat.completions.create(model=NAME, messages=ASKED, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert plain(ask()) == "Answer: 5"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_reads_events_that_end_in_done(served: Endpoint) -> None:
    body = json.dumps({"model": NAME, "messages": ASKED, "stream": True})
    command = ["curl", "-sN", "--noproxy", "*", f"{served.url}/chat/completions", "-d", body]
    events = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(event.removeprefix("data: "))["choices"] for event in events[:-2])


@pytest.mark.parametrize("stream", [False, True])
def test_samples_share_one_plan(tmp_path: Path, stream: bool) -> None:
    models = players() | {"openai/student": ScriptedModel(lambda m, s, sample: f"Try {sample}.", "openai/student")}
    with endpoint(tmp_path, models) as served, served.client() as client:
        if stream:
            chunks = chunks_of(served, n=3, temperature=0.7)
            texts = [said(chunks, "content", index) for index in range(3)]
        else:
            found = client.chat.completions.create(model=NAME, messages=ASKED, n=3, temperature=0.7)
            texts = [choice.message.content or "" for choice in found.choices]
    assert (sorted(texts), len(models["openai/teacher"].calls)) == (["Try 0.", "Try 1.", "Try 2."], 1)


def test_how_the_answer_is_drawn_never_draws_another_plan(tmp_path: Path) -> None:
    models = players()
    with endpoint(tmp_path, models) as served, served.client() as client:
        client.chat.completions.create(model=NAME, messages=ASKED)
        client.chat.completions.create(
            model=NAME, messages=ASKED, temperature=1.0, seed=3, stop=["X"], max_tokens=9, top_p=0.5
        )
    assert len(models["openai/teacher"].calls) == 1
    assert models["openai/student"].calls[1].sampling == Sampling(1.0, 0.5, 9, 3, ("X",))


def test_earlier_turns_are_the_context_of_every_call(tmp_path: Path) -> None:
    models = players()
    turns: list[Any] = [{"role": "user", "content": "I count in tens."}, {"role": "assistant", "content": "Fine."}]
    with endpoint(tmp_path, models) as served, served.client() as client:
        client.chat.completions.create(model=NAME, messages=[*turns, *ASKED])
    for model in models.values():
        assert [message.content for message in model.calls[0].messages][1:3] == ["I count in tens.", "Fine."]


def test_the_trace_header_leads_to_the_stored_trace(served: Endpoint) -> None:
    with served.client() as client:
        raw = client.chat.completions.with_raw_response.create(
            model=NAME, messages=ASKED, extra_headers={"x-request-id": "mine-1"}
        )
    _, _, run, _, problem = raw.headers["x-stepdown-trace"].split("/", 4)
    with Store(served.state.path) as store:
        trace = store.run(run).trace(problem)
    assert raw.headers["x-request-id"] == "mine-1" and problem.startswith("served/mine-1-")
    assert (trace.solution, trace.plan and trace.plan.text, len(trace.calls)) == ("Answer: 5", PLAN, 2)


def test_a_stream_is_kept_as_a_trace_with_the_same_header(served: Endpoint) -> None:
    with (
        served.client() as client,
        client.chat.completions.with_streaming_response.create(model=NAME, messages=ASKED, stream=True) as reply,
    ):
        address, body = reply.headers["x-stepdown-trace"], reply.read()
    assert body.endswith(b"data: [DONE]\n\n")
    with Store(served.state.path) as store:
        assert store.run(address.split("/")[2]).trace(address.split("/", 4)[4]).solution == "Answer: 5"


def test_a_method_without_a_plan_has_no_reasoning(served: Endpoint) -> None:
    with served.client() as client:
        found = client.chat.completions.create(model="chain-of-thought/openai/student", messages=ASKED)
    assert found.choices[0].message.to_dict()["reasoning_content"] is None


@pytest.mark.parametrize(("method", "calls"), [("least-to-most", 3), ("self-refine", 5)])
def test_of_a_method_of_several_calls_only_the_last_is_streamed(tmp_path: Path, method: str, calls: int) -> None:
    words = {"simpler questions": "1. What is 4?", "only this question": "It is 4.", "Check this": "It is wrong.",
             "Write a better": "Answer: 5", "Use these": "Answer: 5", "What is": "Answer: 6"}  # fmt: skip
    model = ScriptedModel(words, "openai/student")
    with endpoint(tmp_path, {"openai/student": model}) as served, served.client() as client:
        chunks = list(client.chat.completions.create(model=f"{method}/openai/student", messages=ASKED, stream=True))
        assert (said(chunks, "content"), said(chunks, "reasoning_content")) == ("Answer: 5", "")
        refused = client.with_options(max_retries=0).chat.completions.create
        with pytest.raises(Exception, match="takes no teacher"):
            refused(model=f"{method}/openai/a->openai/student", messages=ASKED)
    with Store(tmp_path / "served.sqlite") as store:
        [trace] = store.runs()[0].traces()
    assert (len(trace.calls), trace.solution, trace.method) == (calls, "Answer: 5", method)


def test_a_student_may_write_its_own_plan(tmp_path: Path) -> None:
    models = {"openai/student": student("openai/student")}
    with endpoint(tmp_path, models) as served, served.client() as client:
        client.chat.completions.create(model="trace-of-thought/openai/student", messages=ASKED)
    assert len(models["openai/student"].calls) == 2


def test_models_are_the_names_of_the_file_and_of_earlier_runs(tmp_path: Path) -> None:
    named = Config(models={"mine": Served(method="direct", student="openai/student")})
    with endpoint(tmp_path, players(), config=named) as served, served.client() as client:
        client.chat.completions.create(model=NAME, messages=ASKED)
        client.chat.completions.create(model="mine", messages=ASKED)
        # Models whose weights are on this machine are listed after these.
        listed = [model.id for model in client.models.list() if "/embedded/" not in model.id]
        found: Any = client.models.retrieve(NAME)
        assert client.models.retrieve(NAME).owned_by == client.models.retrieve("mine").owned_by == "stepdown"
    assert listed[0] == "mine" and set(listed) == {"mine", NAME, "direct/openai/student"}
    assert (found.teacher, found.student, found.created > 0) == ("openai/teacher", "openai/student", True)


def test_a_usage_that_is_not_known_is_null(tmp_path: Path) -> None:
    models = players() | {"openai/student": ScriptedModel([Reply("5", "student")], "openai/student")}
    with endpoint(tmp_path, models) as served, served.client() as client:
        assert client.chat.completions.create(model=NAME, messages=ASKED).usage is None


def test_a_reply_at_its_limit_says_length(tmp_path: Path) -> None:
    cut = Reply("It is", "student", Usage(3, 2), "length")
    with endpoint(tmp_path, {"openai/student": ScriptedModel([cut], "openai/student")}) as served:
        client = served.client()
        with client:
            found = client.chat.completions.create(model="direct/openai/student", messages=ASKED)
    assert found.choices[0].finish_reason == "length"


def test_an_endpoint_upstream_streams_through(tmp_path: Path) -> None:
    with faulty_server("429-now", speak=lambda body: "The answer is 4.") as upstream:
        model = EndpointModel(endpoint_at(upstream.url, "student", name="openai/student"))
        with endpoint(tmp_path, {"openai/student": model}) as served, served.client() as client:
            stream = client.chat.completions.create(model="direct/openai/student", messages=ASKED, stream=True)
            assert said(list(stream), "content") == "The answer is 4. "


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_the_call(tmp_path: Path, stream: bool) -> None:
    model = Slow()
    with endpoint(tmp_path, {"openai/student": model}) as served:
        body = {"model": "direct/openai/student", "messages": ASKED, "stream": stream}

        async def leave() -> None:
            async with aiohttp.ClientSession() as session:
                asking = asyncio.create_task(session.post(f"{served.url}/chat/completions", json=body))
                await served.reached(model.asked)
                asking.cancel()
                for reply in await asyncio.gather(asking, return_exceptions=True):
                    # The head of a stream may have come before the client left.
                    if isinstance(reply, aiohttp.ClientResponse):
                        reply.close()
            await served.reached(model.ended)

        plain(leave())
        assert model.asked.is_set() and model.ended.is_set()


def test_who_leaves_does_not_end_a_call_that_another_waits_for(tmp_path: Path) -> None:
    model = Slow()
    body = {"model": "direct/openai/student", "messages": ASKED}

    async def ask(served: Endpoint) -> str:
        url = f"{served.url}/chat/completions"
        async with aiohttp.ClientSession() as session:
            first = await session.post(url, json={**body, "stream": True})
            async with first, session.post(url, json={**body, "stream": True}) as second:
                await second.content.readline()
                first.close()
                served.call(model.go_on.set)
                return (await second.read()).decode()

    with endpoint(tmp_path, {"openai/student": model}) as served:
        assert "[DONE]" in plain(ask(served))


def test_a_stream_that_is_silent_says_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "KEEP_ALIVE", 0.01)
    model = Slow()
    body = {"model": "direct/openai/student", "messages": ASKED, "stream": True}

    async def ask(served: Endpoint) -> bytes:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{served.url}/chat/completions", json=body) as reply,
        ):
            await reply.content.readuntil(b": still at work\n\n")
            served.call(model.go_on.set)
            return await reply.read()

    with endpoint(tmp_path, {"openai/student": model}) as served:
        assert plain(ask(served)).endswith(b"data: [DONE]\n\n")


def test_an_error_in_mid_stream_is_an_event_and_the_end(tmp_path: Path) -> None:
    last = broken_off(tmp_path, Slow(CallFailed("it broke", "ask again")), ASKED).split(b"\n\n")[-2]
    assert json.loads(last.removeprefix(b"data: "))["error"]["message"].startswith("it broke")
