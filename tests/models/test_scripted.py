"""Scripted models: the public test double."""

import asyncio

import pytest

from stepdown.errors import CallFailed, UsageError
from stepdown.models import Prices, ScriptedModel
from stepdown.types import Message, Messages, Model, Reply, Sampling, Usage

ASK = (Message("system", "Be brief."), Message("user", "What is 2 + 2?"))


def ask(model: Model, n: int = 1, messages: Messages = ASK) -> list[str]:
    return [reply.text for reply in asyncio.run(model.reply(messages, Sampling(), n))]


def test_a_list_is_said_in_order() -> None:
    model = ScriptedModel(["one", "two", "three"])
    assert (ask(model), ask(model, n=2)) == (["one"], ["two", "three"])


def test_a_dict_answers_by_what_the_last_message_contains() -> None:
    model = ScriptedModel({"3 + 3": "six", "2 + 2": "four"})
    assert ask(model, n=2) == ["four", "four"]


def test_a_function_gets_messages_sampling_and_the_count_of_draws() -> None:
    model = ScriptedModel(lambda messages, sampling, sample: f"{len(messages)} {sampling.max_tokens} {sample}")
    assert ask(model, n=2) + ask(model) == ["2 1024 0", "2 1024 1", "2 1024 2"]
    assert ask(model, messages=ASK[1:]) == ["1 1024 0"]


def test_a_line_may_be_a_reply_or_an_exception() -> None:
    reply = Reply(text="cut", model="m", finish="length")
    model = ScriptedModel([reply, CallFailed("gone")])
    assert asyncio.run(model.reply(ASK, Sampling())) == [reply]
    with pytest.raises(CallFailed, match="gone"):
        ask(model)


def test_usage_counts_words() -> None:
    [reply] = asyncio.run(ScriptedModel(["It is 4."]).reply(ASK, Sampling()))
    assert reply.usage == Usage(input=7, output=3)


def test_every_call_is_kept() -> None:
    model = ScriptedModel(["one", "two"])
    ask(model, n=2)
    assert [(call.messages, call.sample) for call in model.calls] == [(ASK, 0), (ASK, 1)]


@pytest.mark.parametrize("model", [ScriptedModel([]), ScriptedModel({"3 + 3": "six"})])
def test_a_script_without_the_line_is_an_error_of_the_script(model: ScriptedModel) -> None:
    with pytest.raises(UsageError, match="the script of `scripted` has"):
        ask(model)


def test_a_scripted_model_is_free_of_charge() -> None:
    assert ScriptedModel([]).capabilities.local
    assert Prices().cost(ScriptedModel([]).name, Usage(input=1)) == 0.0
