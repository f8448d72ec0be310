"""Where spans go: to the provider of the program, else where OpenTelemetry's own variables say, else nowhere."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import msgspec

from stepdown.extras import missing
from stepdown.spans.writing import Spans
from stepdown.version import __version__

LOG = logging.getLogger("stepdown.spans")
_EXPORTERS = "OTEL_TRACES_EXPORTER"
_ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_TEXTS = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_WITH_TEXTS = {"span_only", "span_and_event", "true"}
# What the protocols of OTLP are called among the entry points of exporters.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
# After a batch of spans that could not be handed over the next ones are dropped for so many seconds.
_REST = 60.0


class SpanState(msgspec.Struct, frozen=True):
    """Who asks for spans: the variable that does, and why there are none all the same, "" where there are."""

    variable: str
    texts: bool
    why: str = ""


def find_spans() -> Spans | None:
    """Return what writes the spans of this process; None where nobody asked, or what is asked for is not installed.

    Nothing is asked for unless the program has set a tracer provider, or a variable names an exporter or an address.
    """
    if _is("OTEL_SDK_DISABLED", {"true"}):
        return None
    provider = _of_program()
    if provider is None and _asked_by() and not missing("otel"):
        provider = _made(tuple(sorted((name, os.environ[name]) for name in os.environ if name.startswith("OTEL_"))))
    if provider is None:
        return None
    return Spans(provider.get_tracer("stepdown", __version__), texts=_is(_TEXTS, _WITH_TEXTS))


def state_of_spans() -> SpanState | None:
    """Return who asks for spans in this environment; None where nobody does."""
    variable = _asked_by()
    if not variable or _is("OTEL_SDK_DISABLED", {"true"}):
        return None
    lacking = missing("otel")
    return SpanState(variable, _is(_TEXTS, _WITH_TEXTS), f"{', '.join(lacking)} not installed" if lacking else "")


def _is(variable: str, values: set[str]) -> bool:
    return os.environ.get(variable, "").strip().lower() in values


def _asked_by() -> str:
    """Return the variable that asks for spans, "" where none does."""
    if os.environ.get(_EXPORTERS):
        return "" if _is(_EXPORTERS, {"none"}) else _EXPORTERS
    return next((name for name in _ADDRESSES if os.environ.get(name)), "")


def _of_program() -> Any:
    """Return the tracer provider that the program has set, None where it has set none."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) else provider


@cache
def _made(environment: tuple[tuple[str, str], ...]) -> Any:
    """Return a tracer provider for this environment, None where none can be made, which is said once."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    try:
        exporters: list[Any] = [PatientExporter(_exporter(name)) for name in _names()]
    except Exception as error:  # of exporters that others wrote
        LOG.warning("no spans are written (%s: %s)", type(error).__name__, str(error)[:200])
        return None
    named = any(name == "OTEL_SERVICE_NAME" or "service.name" in value for name, value in environment)
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "stepdown"}))
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _names() -> list[str]:
    """Return the exporters that are asked for, by their entry points."""
    protocol = next(filter(None, map(os.environ.get, _PROTOCOLS)), "http/protobuf")
    names = os.environ.get(_EXPORTERS, "").split(",") if os.environ.get(_EXPORTERS) else ["otlp"]
    return [_OTLP.get(protocol, protocol) if name.strip() == "otlp" else name.strip() for name in names]


def _exporter(name: str) -> Any:
    """Return the exporter of an entry point; raises `LookupError` where there is none."""
    if name == "console":  # a command's stdout is its data
        return import_module("opentelemetry.sdk.trace.export").ConsoleSpanExporter(out=sys.stderr)
    found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=name)), None)
    if found is None:
        raise LookupError(f"there is no exporter `{name}`")
    return found.load()()


class PatientExporter:
    """Hands spans to an exporter; where that fails it is said once, and the next ones are dropped for a while."""

    def __init__(self, exporter: Any) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self._exporter, self._failure = exporter, SpanExportResult.FAILURE
        self._until, self._warned = 0.0, False
        # It tells of each attempt, among what a command says.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)

    def export(self, spans: Sequence[Any]) -> Any:
        """Hand spans over, unless that failed a short time ago."""
        if time.monotonic() < self._until:
            return self._failure
        result = self._exporter.export(spans)
        if result is self._failure:
            self._until = time.monotonic() + _REST
            if not self._warned:
                LOG.warning(
                    "spans cannot be handed over: they are dropped, and tried again now and then; `%s` asks for them",
                    _asked_by(),
                )
            self._warned = True
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Hand over what the exporter holds."""
        return bool(self._exporter.force_flush(timeout_millis))
