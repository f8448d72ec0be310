"""The sampling order: which examples each step holds, fixed before the first step."""

from collections.abc import Sequence
from typing import Any

from stepdown.errors import MissingExtra

IntArray = Any


def sampling_order(owners: Sequence[int], *, visits: str, steps: int, batch: int, seed: int) -> IntArray:
    """Return the examples of each step, an int64 array (steps, batch) of their numbers.

    `owners` tells the problem of each example. `balanced` draws one random example of a problem at each visit, and
    visits all problems, shuffled anew, before any comes again (Li et al. 2023, released code): the number of examples
    per problem varies at equal steps. `concatenate` takes every example once, shuffled anew, before any comes again.
    A pure function of its arguments.
    """
    numpy = load_numpy()
    draw = numpy.random.Generator(numpy.random.PCG64([seed, visits == "balanced"]))
    problems = numpy.asarray(owners, dtype=numpy.int64)
    total = steps * batch
    if visits == "concatenate":
        return _rounds(draw, len(problems), total).reshape(steps, batch)
    grouped = numpy.argsort(problems, kind="stable")
    _, starts, counts = numpy.unique(problems[grouped], return_index=True, return_counts=True)
    visited = _rounds(draw, len(starts), total)
    chosen = starts[visited] + (draw.random(total) * counts[visited]).astype(numpy.int64)
    return grouped[chosen].reshape(steps, batch)


def _rounds(draw: Any, count: int, total: int) -> IntArray:
    """Return `total` places below `count`: one permutation after the other."""
    numpy = load_numpy()
    return numpy.concatenate([draw.permutation(count) for _ in range(-(-total // count))])[:total]


def load_numpy() -> Any:
    """Return numpy; raise `MissingExtra` where it is not installed."""
    try:
        import numpy
    except ImportError:
        raise MissingExtra("numpy", "train", "training a student") from None
    return numpy
