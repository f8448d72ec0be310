"""A call is a span within its plan's and its problem's, in the words of OpenTelemetry's conventions."""

import asyncio
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from batch_server import batch_server
from chat_calls import chat_model
from raw_server import as_json, http, raw_server, said
from stepdown.models import RecordedModel, ScriptedModel
from stepdown.runner import Calls, Plans, Request, Task, as_problems
from stepdown.runner.attempt import Attempts
from stepdown.runner.batch_calls import BatchCalls
from stepdown.runner.batch_client import BatchClient
from stepdown.spans import Spans
from stepdown.store import Batches, Claims, Store
from stepdown.types import Message, Reply, Sampling
from worlds import DIRECT, TRACED, LastWord, student, sums, teacher

ASK = (Message("system", "Be brief."), Message("user", "2 + 2?"))
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


class Noted:
    """Spans kept in memory."""

    def __init__(self, *, texts: bool = False) -> None:
        self._kept, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer = provider.get_tracer("test")
        self.spans = Spans(self.tracer, texts=texts)

    @property
    def ended(self) -> list[ReadableSpan]:
        """The spans in the order in which they began."""
        return sorted(self._kept.get_finished_spans(), key=lambda one: one.start_time or 0)

    @property
    def tree(self) -> list[tuple[str, str]]:
        """Each span's name with that of the one around it."""
        names = {span.context.span_id: span.name for span in self.ended if span.context}
        return [(span.name, names[span.parent.span_id] if span.parent else "") for span in self.ended]


def facts(span: ReadableSpan) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in (span.attributes or {}).items()}


def ask(noted: Noted, store: Store, *requests: Request) -> None:
    """Ask at once, and close the models."""

    async def main() -> None:
        calls = Calls(store, spans=noted.spans)
        try:
            await asyncio.gather(*map(calls.ask, requests))
        finally:
            await calls.close()
            for request in requests:
                await request.model.close()

    asyncio.run(main())


def solve(noted: Noted, store: Store, task: Task) -> None:
    """Solve the first problem of a task."""

    async def main() -> None:
        calls, problem = Calls(store, spans=noted.spans), next(iter(task.problems))
        try:
            await Attempts(task, calls, "r1").rows(0, problem, problem)
        finally:
            await calls.close()

    asyncio.run(main())


def traced(**changes: Any) -> Task:
    usual: dict[str, Any] = {"problems": sums(1), "method": TRACED, "teacher": teacher(), "student": student()}
    return Task(grader=LastWord(), **usual | changes)


def test_a_call_of_an_endpoint_says_what_was_asked_of_whom_and_what_it_took(store: Store) -> None:
    noted, sampling = Noted(), Sampling(0.7, 0.9, 50, seed=3, stop=("END",), reasoning_effort="low")
    with raw_server(as_json(said(usage=USAGE, finish="length"))) as server:
        ask(noted, store, Request("student", chat_model(server.url), ASK, sampling, run="r1"))
    [span] = noted.ended
    said_of = facts(span)
    assert (span.name, span.kind, span.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.UNSET)
    assert said_of.pop("server.port") == int(server.url.split(":")[2][:-3]) and said_of.pop("stepdown.seconds") > 0
    assert said_of == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "test", "server.address": "127.0.0.1",
        "gen_ai.request.model": "m", "gen_ai.request.temperature": 0.7, "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 50, "gen_ai.request.seed": 3, "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.request.reasoning.level": "low", "gen_ai.response.model": "m", "stepdown.role": "student",
        "gen_ai.response.finish_reasons": ["length"], "gen_ai.usage.input_tokens": 20, "stepdown.run.id": "r1",
        "gen_ai.usage.output_tokens": 12, "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.reasoning.output_tokens": 5,
    }  # fmt: skip


def test_a_plans_call_is_within_the_plan_and_all_is_within_the_problem(store: Store) -> None:
    noted = Noted()
    solve(noted, store, traced())
    workflow = "invoke_workflow trace-of-thought"
    tree = [(workflow, ""), ("plan", workflow), ("chat teacher", "plan"), ("chat student", workflow)]
    assert noted.tree == tree and {span.kind for span in noted.ended} == {SpanKind.INTERNAL}
    assert facts(noted.ended[0]) == {
        "gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "trace-of-thought",
        "stepdown.problem.id": "sums/test/0", "stepdown.run.id": "r1", "stepdown.samples": 1,
    }  # fmt: skip


def test_what_surrounds_the_program_surrounds_its_problems(store: Store) -> None:
    noted = Noted()
    with noted.tracer.start_as_current_span("mine"):
        solve(noted, store, traced(method=DIRECT))
    assert noted.tree == [("mine", ""), ("invoke_workflow direct", "mine"), ("chat student", "invoke_workflow direct")]


def test_what_is_answered_without_a_model_is_no_call(store: Store) -> None:
    first, again, noted = Noted(), Noted(), Noted()
    solve(first, store, traced(method=DIRECT))
    solve(again, store, traced(method=DIRECT))
    recorded = RecordedModel("recorded/r", lambda messages: (Reply("4", "m"),))
    ask(noted, store, Request("student", recorded, ASK, Sampling()))
    assert len(first.ended) == 2 and again.tree == [("invoke_workflow direct", "")] and not noted.ended


@pytest.mark.parametrize(
    ("server", "at"),
    [("https://a.example/v1", ("a.example", 443)), ("http://[x", None), ("http://a:b/v1", None), ("ftp://a", None)],
)
def test_a_server_whose_address_cannot_be_read_is_left_out_and_the_reply_is_kept(
    store: Store, server: str, at: tuple[str, int] | None
) -> None:
    noted, request = Noted(), Request("student", ScriptedModel([Reply("4", "m", server=server)], "m"), ASK, Sampling())
    ask(noted, store, request)
    [span] = noted.ended
    said_of = facts(span)
    assert (said_of.get("server.address"), said_of.get("server.port")) == (at or (None, None))
    assert store.replies([request.key])[request.key].text == "4" and span.status.status_code is StatusCode.UNSET


def batched(noted: Noted, store: Store, url: str, *questions: str) -> None:
    """Ask in one batch, and take up what it brings."""
    model, wanted = chat_model(url), Sampling(seed=3)
    requests = [Request("student", model, (Message("user", one),), wanted, run="r1") for one in questions]

    async def main() -> None:
        client = BatchClient(store, spans=noted.spans)
        assert client.serves(model)
        await client.send(requests, None)
        while client.open():
            await client.look()
        await client.close()

    asyncio.run(main())


def test_an_answer_that_a_batch_brings_is_a_span_from_when_the_batch_was_sent(store: Store) -> None:
    noted = Noted()
    with batch_server() as server:
        batched(noted, store, server.url, "What is 1 plus one?", "What is 2 plus one?")
    [batch], [first, second] = Batches(store, Claims(store)).all(), noted.ended
    said_of = facts(first)
    assert said_of["stepdown.batch.id"] == batch.id and said_of["stepdown.run.id"] == "r1" and not first.parent
    assert first.start_time == second.start_time == int(batch.created * 1e9) < (first.end_time or 0)
    assert (said_of["gen_ai.usage.input_tokens"], said_of["gen_ai.usage.output_tokens"]) == (5, 2)
    assert said_of["gen_ai.request.seed"] == 3 and (first.name, first.kind) == ("chat m", SpanKind.CLIENT)
    assert not {"stepdown.role", "stepdown.seconds"} & said_of.keys()


@pytest.mark.parametrize(("ending", "errors"), [("400-lines", [None, "CallFailed"]), ("expired", [None])])
def test_what_a_batch_fails_is_a_span_and_what_it_does_not_come_to_is_none(
    store: Store, ending: str, errors: list[str | None]
) -> None:
    noted = Noted()
    with batch_server(endings=[ending]) as server:
        batched(noted, store, server.url, "What is 1 plus one?", "What is 2 plus one?")
    assert [facts(span).get("error.type") for span in noted.ended] == errors


@pytest.mark.parametrize("by_batch", [False, True])
def test_what_is_asked_directly_beside_batches_is_a_span_and_its_problem_is_none(store: Store, by_batch: bool) -> None:
    noted, problem = Noted(), next(iter(sums(1)))

    async def main() -> None:
        calls = BatchCalls(BatchClient(store, spans=noted.spans), None) if by_batch else Calls(store, spans=noted.spans)
        await Attempts(traced(method=DIRECT), calls, "r1").rows(0, problem, problem)
        await calls.close()

    asyncio.run(main())
    assert [name for name, _ in noted.tree] == ["invoke_workflow direct"] * (not by_batch) + ["chat student"]


def test_draws_of_one_request_are_one_span_with_the_tokens_of_all(store: Store) -> None:
    noted = Noted()
    two = said(usage=USAGE) | {"choices": [said()["choices"][0] | {"index": at} for at in (0, 1)]}
    with raw_server(as_json(two)) as server:
        model = chat_model(server.url)
        ask(noted, store, *(Request("student", model, ASK, Sampling(0.7), draw) for draw in (0, 1)))
    [span] = noted.ended
    said_of = facts(span)
    assert said_of["gen_ai.request.choice.count"] == 2 and said_of["gen_ai.response.finish_reasons"] == ["stop", "stop"]
    assert (said_of["gen_ai.usage.input_tokens"], said_of["gen_ai.usage.output_tokens"]) == (20, 12)


def test_a_call_that_fails_says_how_and_not_what_was_said(store: Store) -> None:
    noted, refusal = Noted(), http(b'{"error": {"message": "SECRET is a bad prompt"}}', status="400 Bad Request")
    with raw_server(refusal) as server:
        solve(noted, store, traced(method=DIRECT, student=chat_model(server.url)))
    problem, call = noted.ended
    assert facts(call)["error.type"] == facts(problem)["error.type"] == "CallFailed"
    assert facts(call)["gen_ai.response.finish_reasons"] == ["error"]
    assert {span.status.status_code for span in noted.ended} == {StatusCode.ERROR}
    assert all("SECRET" not in span.to_json() for span in noted.ended)


@pytest.mark.parametrize("texts", [True, False])
def test_texts_are_in_spans_only_where_they_are_asked_for(store: Store, texts: bool) -> None:
    noted = Noted(texts=texts)
    solve(noted, store, traced(method=DIRECT))
    for span in noted.ended:
        assert ("What is 0 plus one?" in span.to_json()) == ("Answer: 1" in span.to_json()) == texts
    if texts:
        [message] = facts(noted.ended[1])["gen_ai.output.messages"]
        assert dict(message)["role"] == "assistant"


def test_a_method_whose_plan_is_given_makes_none(store: Store) -> None:
    noted, given = Noted(), [msgspec.structs.replace(problem, plan="1. Add one.") for problem in sums(1)]
    solve(noted, store, traced(teacher=None, plans=Plans(source="gold"), problems=as_problems(given)))
    assert [name for name, _ in noted.tree] == ["invoke_workflow trace-of-thought", "chat student"]
