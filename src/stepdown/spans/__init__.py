"""Calls, plans and problems as spans of OpenTelemetry, where somebody asked for them."""

from stepdown.spans.conventions import SpannedCall
from stepdown.spans.opening import SpanState, find_spans, state_of_spans
from stepdown.spans.writing import Spans

__all__ = ["SpanState", "SpannedCall", "Spans", "find_spans", "state_of_spans"]
