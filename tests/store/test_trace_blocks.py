"""Blocks of traces: what a role's calls used, as columns."""

from stepdown.store import unpacked
from stepdown.store.trace_blocks import _by_role
from stepdown.types import GREEDY, Call, Message, Reply, Usage


def call(usage: Usage | None) -> Call:
    return Call("student", "m", (Message("user", "2 + 2?"),), GREEDY, Reply("4", "m", usage))


def test_a_call_of_unknown_usage_leaves_those_beside_it_at_the_price_of_batches() -> None:
    [found] = _by_role([call(Usage(8, 1, batched=1)), call(None), call(Usage(8, 1))])
    assert list(unpacked("b", found.batched)) == [1, 0, 0]
    [plain] = _by_role([call(None), call(Usage(8, 1))])
    assert plain.batched == b""
