"""Which chain is visited when: the whole order of a training, fixed before its first step."""

from collections.abc import Sequence
from typing import Any

from stepdown.errors import MissingExtra

Numbers = Any


def order_visits(problem_of: Sequence[int], *, visits: str, steps: int, batch: int, seed: int) -> Numbers:
    """Return the chains of each step, an int64 array (steps, batch) of places in the corpus.

    `problem_of` tells the problem of each chain. `balanced` draws one random chain of a problem at each visit, and
    visits all problems, shuffled anew, before any comes again (Li et al. 2023, released code): the number of chains
    per problem varies at equal steps. `concatenate` visits every chain once, shuffled anew, before any comes again.
    A pure function of its arguments.
    """
    numpy = load_numpy()
    draw = numpy.random.Generator(numpy.random.PCG64([seed, visits == "balanced"]))
    owners = numpy.asarray(problem_of, dtype=numpy.int64)
    total = steps * batch
    if visits == "concatenate":
        return _rounds(draw, len(owners), total).reshape(steps, batch)
    chains = numpy.argsort(owners, kind="stable")
    _, starts, counts = numpy.unique(owners[chains], return_index=True, return_counts=True)
    visited = _rounds(draw, len(starts), total)
    chosen = starts[visited] + (draw.random(total) * counts[visited]).astype(numpy.int64)
    return chains[chosen].reshape(steps, batch)


def _rounds(draw: Any, count: int, total: int) -> Numbers:
    """Return `total` places below `count`: one permutation after the other."""
    numpy = load_numpy()
    return numpy.concatenate([draw.permutation(count) for _ in range(-(-total // count))])[:total]


def split_passes(lengths: Sequence[int], passes: int) -> list[list[int]]:
    """Return places of rows in `passes` groups of about equal tokens, longest row first to the lightest group.

    Groups depend on the lengths and their order only. Where rows are fewer than groups, some are empty.
    """
    groups: list[list[int]] = [[] for _ in range(passes)]
    weights = [0] * passes
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        lightest = weights.index(min(weights))
        groups[lightest].append(place)
        weights[lightest] += lengths[place]
    return groups


def load_numpy() -> Any:
    """Return numpy; raise `MissingExtra` where it is not installed."""
    try:
        import numpy
    except ImportError:
        raise MissingExtra("numpy", "train", "training a student") from None
    return numpy
