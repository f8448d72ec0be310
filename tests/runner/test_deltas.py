"""What is written is read by everyone who follows, text and calls of tools alike."""

import asyncio

from stepdown.models import ScriptedModel
from stepdown.runner import Request
from stepdown.runner.coalescing import PendingReply
from stepdown.runner.deltas import Delta, Deltas
from stepdown.types import GREEDY, Message, Reply, ToolCallPiece

HEAD, REST = ToolCallPiece(0, "call_1", "add"), ToolCallPiece(0, arguments="{}")


def test_pieces_of_a_call_are_heard_as_they_come_and_from_the_beginning_by_who_comes_late() -> None:
    async def work() -> tuple[list[list[Delta]], list[Delta]]:
        request = Request("student", ScriptedModel(["5"]), (Message("user", "?"),), GREEDY, stream=True)
        pending, early, late = PendingReply(request), Deltas(), Deltas()
        early.follow(request, pending)
        heard = [await early.read()]
        for piece in (HEAD, REST):
            pending.add_call(piece)
            heard.append(await early.read())
        late.follow(request, pending)
        pending.resolve(Reply("", "m"))
        return heard, await late.read()

    heard, late = asyncio.run(work())
    assert [[one.called for one in some] for some in heard] == [[()], [(HEAD,)], [(REST,)]]
    assert [one.called for one in late] == [(), (HEAD, REST)]
