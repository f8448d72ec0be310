"""Token counts in any dress, bounded by what can be true, and what stores of 0.1.0 hold of others."""

import json
from typing import Any

import pytest

from chat_calls import ask_url
from raw_server import as_json, raw_server, said
from stepdown.models import Prices
from stepdown.models.http.usage import read_usage
from stepdown.store import Store, StoredCall, StoredTrace, call_key
from stepdown.store.versions import payments, run_version
from stepdown.types import GREEDY, MOST_TOKENS, Call, Message, Reply, Settings, Trace, Usage
from worlds import sums

BOTH = {"prompt_tokens": 9, "completion_tokens": 5}


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        (BOTH, Usage(9, 5)),
        ({"prompt_tokens": 9.0, "completion_tokens": 5.0}, Usage(9, 5)),
        ({"prompt_tokens": "9", "completion_tokens": "5"}, Usage(9, 5)),
        ({"input_tokens": 9, "output_tokens": 5}, Usage(9, 5)),
        ({"input_tokens": 2, "output_tokens": 5, "cache_read_input_tokens": 7}, Usage(9, 5, cached=7)),
        ({"promptTokenCount": 9, "candidatesTokenCount": 5, "thoughtsTokenCount": 3}, Usage(9, 5, reasoning=3)),
        ([BOTH], Usage(9, 5)),
        (BOTH | {"total_tokens": 14, "prompt_tokens_details": None}, Usage(9, 5)),
        (BOTH | {"prompt_tokens_details": {"cached_tokens": 8}}, Usage(9, 5, cached=8)),
        (BOTH | {"prompt_tokens_details": [1], "completion_tokens_details": "none"}, Usage(9, 5)),
        (BOTH | {"prompt_tokens_details": {"cached_tokens": 90}}, Usage(9, 5, cached=9)),
        (BOTH | {"prompt_tokens_details": {"cached_tokens": -4}}, Usage(9, 5)),
        (BOTH | {"prompt_cache_hit_tokens": 4}, Usage(9, 5, cached=4)),
        (BOTH | {"cached_tokens": 4}, Usage(9, 5, cached=4)),
        (BOTH | {"total_tokens": 100}, Usage(9, 91, reasoning=86)),
        (BOTH | {"total_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 86}}, Usage(9, 91, 0, 86)),
        (BOTH | {"total_tokens": 14, "completion_tokens_details": {"reasoning_tokens": 4}}, Usage(9, 5, 0, 4)),
        (BOTH | {"completion_tokens_details": {"reasoning_tokens": 40}}, Usage(9, 45, 0, 40)),
        (BOTH | {"total_tokens": 3}, Usage(9, 5)),
        (BOTH | {"total_tokens": -3}, Usage(9, 5)),
        (BOTH | {"total_tokens": 2**63}, Usage(9, 5)),
        ({"prompt_tokens": 9, "total_tokens": 14}, Usage(9, 5)),
        ({"completion_tokens": 5, "total_tokens": 14, "prompt_tokens": None}, Usage(9, 5)),
        ({"prompt_tokens": MOST_TOKENS, "completion_tokens": 0}, Usage(MOST_TOKENS, 0)),
    ],
)
def test_usage_is_read_in_any_dress(usage: object, read: Usage) -> None:
    assert read_usage(usage) == read


@pytest.mark.parametrize("count", [-1, -200, MOST_TOKENS + 1, 2**63, 1e300, float("nan"), float("inf"), True, "many"])
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_count_that_cannot_be_true_makes_usage_unknown(field: str, count: object) -> None:
    assert read_usage(BOTH | {field: count}) is None


@pytest.mark.parametrize(
    "usage",
    [None, 7, "x", [], {}, [7], {"prompt_tokens": 9}, {"completion_tokens": 5}, {"total_tokens": 14}, {}, [[BOTH]]],
)
def test_usage_that_is_half_or_none_is_unknown(usage: object) -> None:
    assert read_usage(usage) is None


def test_zeros_are_what_servers_write_that_do_not_count() -> None:
    assert read_usage({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}) is None


@pytest.mark.parametrize("usage", [{"prompt_tokens": -2000, "completion_tokens": 5}, {"prompt_tokens": 2**63}])
def test_a_faulty_count_never_reaches_a_reply(usage: dict[str, Any]) -> None:
    with raw_server(as_json(said(usage=usage))) as server:
        [reply] = ask_url(server.url)
    assert (reply.text, reply.usage) == ("It is 4.", None)


def test_groq_and_moonshot_say_usage_elsewhere() -> None:
    odd = said()
    odd["choices"][0]["usage"] = BOTH
    with raw_server(as_json(said() | {"x_groq": {"usage": BOTH}}), as_json(odd)) as server:
        assert [ask_url(server.url)[0].usage for _ in range(2)] == [Usage(9, 5)] * 2


@pytest.mark.parametrize("usage", [Usage(-5, 1), Usage(1, -5), Usage(2**62, 1), Usage(5, 5, cached=9)])
def test_no_price_is_made_of_a_usage_that_cannot_be_true(usage: Usage) -> None:
    assert Prices().cost("openai/gpt-4o", usage) is None and not usage.possible


def kept(store: Store, usage: Usage) -> None:
    """Write a trace as 0.1.0 did, with whatever its endpoint had said."""
    run = store.open_run(Settings(dataset="sums/test", problems="p", count=2, method="direct", student="m"))
    call = Call("student", "openai/gpt-4o", (Message("user", "2?"),), GREEDY, Reply("4", "m", usage))
    key = call_key(call.model, "", call.messages, call.sampling, 0)
    store.put_calls([StoredCall(key, call.model, "", call.messages, call.sampling, 0, call.reply, run.id)])
    for ordinal in range(2):
        [problem] = sums(1)
        run.put_traces([StoredTrace(ordinal, Trace(problem, "direct", calls=(call,), solution="4"), (key,))])
    with store.writing() as db:
        db.execute("update traces set usage = ?", (json.dumps({"student": {"input": usage.input, "output": 1}}),))


@pytest.mark.parametrize("count", [-2000, 2**63 - 1])
def test_a_store_that_holds_such_counts_is_read(store: Store, count: int) -> None:
    kept(store, Usage(count, 1))
    [run] = store.runs()
    assert run.summary().tokens == {"student": None}
    assert [one.usage for one in payments(run, after=0, until=run_version(run).call)] == [None]
    [(_, counted)] = store.paid([run.id])
    assert counted.possible and counted.input > 30 and counted.output > 30
    assert {call.reply.usage for trace in run.traces() for call in trace.calls} == {None}
