"""A request's spans are within the one that its client names, by the header that OpenTelemetry's own clients send."""

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from small_endpoint import NAME, endpoint
from span_receiver import receiver, spans_of
from worlds import student, teacher


def told_of(folder: Path, environment: pytest.MonkeyPatch, headers: dict[str, str], *, stream: bool) -> dict[str, Span]:
    """Ask the endpoint with these headers, and return the spans that a receiver was told of, by name."""
    models = {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}
    with receiver(4) as (address, taken):
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
        with endpoint(folder, models) as served, served.client() as client:
            turns: list[Any] = [{"role": "user", "content": "What is 4 plus one?"}]
            answer: Any = client.chat.completions.create(
                model=NAME, messages=turns, stream=stream, extra_headers=headers
            )
            assert not stream or list(answer)
    return {span.name: span for span in spans_of(taken)}


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_is_within_the_span_that_its_client_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    headers = dict[str, str]()
    with TracerProvider().get_tracer("client").start_as_current_span("mine") as mine:
        TraceContextTextMapPropagator().inject(headers)
    spans = told_of(tmp_path, monkeypatch, headers, stream=stream)
    problem, at = spans["invoke_workflow trace-of-thought"], mine.get_span_context()
    assert problem.parent_span_id == at.span_id.to_bytes(8) and len(spans) == 4
    assert {span.trace_id for span in spans.values()} == {at.trace_id.to_bytes(16)}
    assert spans["plan"].parent_span_id == spans["chat student"].parent_span_id == problem.span_id


@pytest.mark.parametrize("header", ["", "00-1-2-01", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "ff" * 5000])
def test_a_header_that_names_no_span_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    spans = told_of(tmp_path, monkeypatch, {"traceparent": header}, stream=False)
    assert len(spans) == 4 and not spans["invoke_workflow trace-of-thought"].parent_span_id
