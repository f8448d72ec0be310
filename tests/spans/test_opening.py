"""Spans go where OpenTelemetry's own variables say, and nowhere where nobody asked; a failure stops nothing."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from command_line import speak, write_sums
from faulty_server import faulty_server
from places import ROOT
from span_receiver import receiver, spans_of
from stepdown.spans import SpanState, find_spans, state_of_spans
from stepdown.spans.opening import PatientExporter

ADDRESS = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.slow
def test_a_command_hands_its_spans_to_the_collector_that_the_environment_names(tmp_path: Path) -> None:
    write_sums(2, tmp_path)
    with faulty_server(speak=speak) as models, receiver() as (address, taken):
        told = os.environ | {ADDRESS: address, "LAB_BASE_URL": models.url, "PYTHONPATH": str(ROOT / "src")}
        words = "run sums.jsonl --method trace-of-thought --teacher openai-api/lab/teacher --student openai-api/lab/s"
        done = subprocess.run([sys.executable, "-m", "stepdown", *words.split()], env=told, cwd=tmp_path, check=False)
    assert done.returncode == 0 and {path for path, _ in taken} == {"/v1/traces"}
    kept = [one for _, request in taken for one in request.resource_spans]
    assert {("service.name", "stepdown")} <= {(one.key, one.value.string_value) for one in kept[0].resource.attributes}
    spans = spans_of(taken)
    names = ["chat s", "chat teacher", "invoke_workflow trace-of-thought", "plan"]
    assert sorted(span.name for span in spans) == sorted(names * 2) and len({span.trace_id for span in spans}) == 2
    assert b"plus one" not in b"".join(request.SerializeToString() for _, request in taken)


@pytest.mark.parametrize(
    "set_by_somebody",
    [{}, {ADDRESS: "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, {ADDRESS: "x", "OTEL_SDK_DISABLED": "true"}],
)
def test_where_nobody_asks_there_are_no_spans(set_by_somebody: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in set_by_somebody.items():
        monkeypatch.setenv(name, value)
    assert find_spans() is None and state_of_spans() is None
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    assert find_spans() is not None and state_of_spans() == SpanState("OTEL_TRACES_EXPORTER", texts=False)


def test_an_exporter_that_is_not_there_is_named_once_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    assert find_spans() is None and find_spans() is None
    assert [record.message for record in caplog.records] == [
        "no spans are written (LookupError: there is no exporter `carrier-pigeon`)"
    ]


def test_without_the_extra_there_are_no_spans_and_the_state_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    monkeypatch.setenv(ADDRESS, "http://127.0.0.1:9")
    state = state_of_spans()
    assert find_spans() is None and state is not None and "not installed" in state.why


class Dead:
    """An exporter whose collector is gone."""

    tries = 0

    def export(self, spans: object) -> SpanExportResult:
        self.tries += 1
        return SpanExportResult.FAILURE


def test_a_collector_that_is_gone_is_said_once_and_not_asked_again_at_once(caplog: pytest.LogCaptureFixture) -> None:
    dead = Dead()
    patient = PatientExporter(dead)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert patient.export([]) is SpanExportResult.FAILURE
    assert dead.tries == 1 and len(caplog.records) == 1 and "cannot be handed over" in caplog.text
