"""Calls of tools as a stream's client is told of them, and the events of a response around them."""

from stepdown.types import ToolCallPiece
from stepdown.web.openai.call_parts import CallPart, StreamedCalls


def test_a_call_is_numbered_as_it_begins_and_waits_for_its_name() -> None:
    calls = StreamedCalls()
    assert calls.add([ToolCallPiece(7, "x")]) == [] and calls.begun == 0
    assert calls.add([ToolCallPiece(7, "", "add", "{"), ToolCallPiece(2, "", "sub")]) == [
        CallPart(0, "x", "add", "{"), CallPart(1, "call_2", "sub"),
    ]  # fmt: skip
    assert calls.begun == 2


def test_pieces_of_one_call_that_come_together_are_one() -> None:
    calls = StreamedCalls()
    head = ToolCallPiece(0, "x", "add")
    pieces = [ToolCallPiece(0, arguments=one) for one in ("{", "", "}")]
    assert calls.add([head, *pieces]) == [CallPart(0, "x", "add", "{}")]
    assert calls.add([ToolCallPiece(0, arguments=" ")]) == [CallPart(0, arguments=" ")]
