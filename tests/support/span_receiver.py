"""Receives what OpenTelemetry's exporter sends by HTTP, on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from loopback_server import JsonHandler, serving

Taken = list[tuple[str, ExportTraceServiceRequest]]


class Receiver(JsonHandler):
    """Takes what is exported, with the path it was sent to."""

    taken: Taken

    def do_POST(self) -> None:
        self.taken.append((self.path, ExportTraceServiceRequest.FromString(self.body())))
        self.send({})


@contextmanager
def receiver() -> Iterator[tuple[str, Taken]]:
    """Receive until the block ends, and give the address and what came."""
    taken: Taken = []
    with serving(type("Taking", (Receiver,), {"taken": taken})) as url:
        yield url, taken


def spans_of(taken: Taken) -> list[Span]:
    """Return the spans that came."""
    return [
        span
        for _, request in taken
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]
