"""Receives what OpenTelemetry's exporter sends by HTTP, on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from loopback_server import JsonHandler, serving

Taken = list[tuple[str, ExportTraceServiceRequest]]


class Receiver(JsonHandler):
    """Takes what is exported, with the path it was sent to."""

    taken: Taken
    came: threading.Condition

    def do_POST(self) -> None:
        with self.came:
            self.taken.append((self.path, ExportTraceServiceRequest.FromString(self.body())))
            self.came.notify_all()
        self.send({})


@contextmanager
def receiver(count: int = 0) -> Iterator[tuple[str, Taken]]:
    """Receive until the block ends and so many spans have come, within 10 s; give the address and what came."""
    taken: Taken = []
    came = threading.Condition()
    with serving(type("Taking", (Receiver,), {"taken": taken, "came": came})) as url:
        yield url, taken
        with came:
            came.wait_for(lambda: len(spans_of(taken)) >= count, 10)


def spans_of(taken: Taken) -> list[Span]:
    """Return the spans that came."""
    return [
        span
        for _, request in taken
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]
