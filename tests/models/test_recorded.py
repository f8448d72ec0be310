"""Recorded models: replies of an earlier run, verbatim."""

import asyncio

import pytest

from stepdown.errors import CallFailed
from stepdown.models import Prices, RecordedModel, index_replies
from stepdown.types import Message, Messages, Model, Reply, Sampling, Usage

FIRST = Reply(text=" The answer  is 4.\n", model="gpt-4", usage=Usage(input=9, output=4), finish="length")
SECOND = Reply(text="5", model="gpt-4")


def prompt(text: str) -> Messages:
    return (Message("user", text),)


def recorded() -> Model:
    pairs = [(prompt("What is\n 2 + 2?"), FIRST), (prompt("What is\n 2 + 2?"), SECOND)]
    return RecordedModel("gpt-4", index_replies(pairs))


def ask(text: str, n: int = 1) -> list[Reply]:
    return asyncio.run(recorded().reply(prompt(text), Sampling(), n))


def test_the_recorded_reply_comes_back_verbatim() -> None:
    assert ask("What is\n 2 + 2?") == [FIRST]


def test_several_draws_come_back_in_order() -> None:
    assert ask("What is\n 2 + 2?", n=2) == [FIRST, SECOND]


def test_white_space_may_differ() -> None:
    assert ask("What is 2 + 2? ") == [FIRST]


def test_what_was_not_recorded_fails_its_call() -> None:
    with pytest.raises(CallFailed, match="`recorded/gpt-4` has no reply to `What is 3") as caught:
        ask("What is 3 + 3?")
    assert caught.value.hint


def test_more_replies_than_were_recorded_fail_the_call() -> None:
    with pytest.raises(CallFailed, match="has 2 replies to this prompt, not 3"):
        ask("What is 2 + 2?", n=3)


def test_a_recording_costs_nothing() -> None:
    assert recorded().name == "recorded/gpt-4"
    assert Prices().cost("recorded/gpt-4", FIRST.usage) == 0.0
