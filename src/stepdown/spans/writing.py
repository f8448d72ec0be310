"""Spans begun and ended: one for each call that is paid, within its plan's and its problem's."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from stepdown.spans import conventions
from stepdown.spans.conventions import Attributes, SpannedCall
from stepdown.types import Problem, Reply, Trace


class SolvedSample(Protocol):
    """What one sample of a problem came to."""

    @property
    def trace(self) -> Trace:
        """The attempt."""
        ...

    @property
    def failure(self) -> Exception | None:
        """The error it ended in."""
        ...


class Spans:
    """Writes spans by a tracer of OpenTelemetry; questions and replies themselves only with `texts`."""

    def __init__(self, tracer: Any, *, texts: bool = False) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._propagator = TraceContextTextMapPropagator()
        self._tracer, self._texts = tracer, texts
        self._error = Status(StatusCode.ERROR)
        self._client, self._internal = SpanKind.CLIENT, SpanKind.INTERNAL

    @contextmanager
    def within(self, headers: Mapping[str, str]) -> Iterator[None]:
        """Put the spans of a request within the one that its `traceparent` names (W3C Trace Context), if it names one.

        A header that cannot be read names none.
        """
        from opentelemetry.context import attach, detach, get_current

        token = attach(self._propagator.extract(headers, get_current()))
        try:
            yield
        finally:
            detach(token)

    @contextmanager
    def _span(self, name: str, attributes: Attributes, *, remote: bool = False, draws: int = 0) -> Iterator[Any]:
        """Enter a span; one that an error leaves says of it what it is, and nothing of its text."""
        kind = self._client if remote else self._internal
        entered = self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        )
        with entered as span:
            try:
                yield span
            except BaseException as error:
                span.set_attributes(conventions.failed(error, draws))
                span.set_status(self._error)
                raise

    @contextmanager
    def call(self, call: SpannedCall) -> Iterator[Callable[[Sequence[Reply]], None]]:
        """Enter the span of a call, and take its replies."""
        name = f"{conventions.CALL} {call.model}"
        with self._span(name, self._asked(call), remote=call.remote, draws=call.draws) as span:
            yield lambda replies: span.set_attributes(self._answered(replies))

    def batched(self, call: SpannedCall, sent: float, came: Sequence[Reply] | Exception) -> None:
        """Write the span of a call that was `sent` in a batch, in unix seconds, and whose answer `came` now."""
        name, begun = f"{conventions.CALL} {call.model}", min(int(sent * 1e9), time.time_ns())
        span = self._tracer.start_span(name, kind=self._client, attributes=self._asked(call), start_time=begun)
        if isinstance(came, Exception):
            span.set_attributes(conventions.failed(came, call.draws))
            span.set_status(self._error)
        else:
            span.set_attributes(self._answered(came))
        span.end()

    def _asked(self, call: SpannedCall) -> Attributes:
        return conventions.asked(call) | (conventions.texts_asked(call.messages) if self._texts else {})

    def _answered(self, replies: Sequence[Reply]) -> Attributes:
        return conventions.answered(replies) | (conventions.texts_answered(replies) if self._texts else {})

    @contextmanager
    def plan(self, run: str) -> Iterator[None]:
        """Enter the span of a plan that is being made."""
        with self._span(conventions.PLAN, conventions.planning(run)):
            yield

    @contextmanager
    def problem(
        self, problem: Problem, method: str, run: str, samples: int
    ) -> Iterator[Callable[[Sequence[SolvedSample]], None]]:
        """Enter the span of a problem, and take what its samples came to: it has failed where all of them have."""
        attributes = conventions.solving(method, problem.id, run, samples)
        with self._span(f"{conventions.PROBLEM} {method}", attributes) as span:

            def end(solved: Sequence[SolvedSample]) -> None:
                failures = [one.failure for one in solved if one.failure is not None]
                if failures and len(failures) == len(solved):
                    span.set_attributes(conventions.failed(failures[0]))
                    span.set_status(self._error)
                if self._texts:
                    solutions = [one.trace.solution for one in solved if one.trace.solution is not None]
                    span.set_attributes(conventions.texts_solved(problem.question, solutions))

            yield end
