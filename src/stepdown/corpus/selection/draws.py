"""The filter `per-problem=K`: so many chains of each problem, by chance, likelihood, length, kind or for a student."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Literal, get_args

from stepdown.corpus.parquet_rows import chains_of
from stepdown.corpus.selection.clusters import diverse
from stepdown.corpus.selection.filters import RANKED, Filter, FilterSpec, Group, digest_of, rank
from stepdown.corpus.selection.suitability import HOWS, chosen_for
from stepdown.corpus.selection.tables import ChainTable, Columns, Mask, word_count
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.types import Chain

How = Literal["random", "diverse", "likely", "short", "long", "suited:STUDENT", "likely-for:STUDENT"]
_DEFINITIONS: dict[str, str] = {
    "random": "at random",
    "likely": "with the highest mean token log-probability",
    "short": "of fewest words",
    "long": "of most words",
}
Order = Callable[[Chain], tuple[float, int]]


def per_problem(request: FilterSpec) -> Filter:
    """Return the filter that keeps up to K chains of each problem.

    For one seed and one way of choosing, the chains of a smaller K are among those of a larger one.
    """
    amount, *options = request.value.split(":", 2)
    count = request.whole(amount)
    how = options[0] if options else "random"
    if how == "diverse":
        return diverse(request, count, options[1] if len(options) > 1 else "")
    if how in HOWS:
        return chosen_for(request, count, how, options[1] if len(options) > 1 else "")
    if how not in _DEFINITIONS or len(options) > 1:
        raise request.refused(f"a number and one of {', '.join(get_args(How))}", "such as `per-problem=5:likely`")
    order = _order(how, request.seed)
    return request.filter(
        f"up to {count} chains of each problem, {_DEFINITIONS[how]} (Li et al. 2023, section 3.3); a smaller number"
        " keeps some of the same",
        lambda group: _first(group, count, order),
        _by_columns(how, request.seed, count),
    )


def likelihood(chain: Chain) -> float:
    """Return a chain's mean token log-probability (nats); raise `UsageError` where it has none."""
    if chain.logprob is None or chain.logprob != chain.logprob:
        raise UsageError(
            f"chain {chain.sample} of `{chain.problem.id}` by `{chain.teacher}` has no log-probability",
            "sample from an endpoint that gives log-probabilities, or select `per-problem=5:random`",
        )
    return chain.logprob


def _order(how: str, seed: int) -> Order:
    if how == "likely":
        return lambda chain: (-likelihood(chain), rank(seed, chain))
    if how == "random":
        return lambda chain: (0, rank(seed, chain))
    sign = 1 if how == "short" else -1
    return lambda chain: (sign * len(chain.text.split()), rank(seed, chain))


def _first(group: Group, count: int, order: Order) -> Group:
    keys = [(order(chain), at) for at, chain in enumerate(group)]
    return [group[at] for at in sorted(at for _, at in sorted(keys)[:count])]


def _by_columns(how: str, seed: int, count: int) -> Columns:
    """Order only the chains of problems that have more than `count`."""

    def mask(table: ChainTable) -> Mask:
        stay, before = list[int](), _before(table, how)
        identity = list(zip(*table.lists(*RANKED), strict=True))
        for start, end in pairwise(table.bounds()):
            rows: Iterable[int] = range(start, end)
            if end - start > count:
                keys = sorted((before[row], digest_of(seed, *identity[row]), row) for row in rows)
                rows = sorted(row for _, _, row in keys[:count])
            stay += rows
        return table.choose(stay)

    return mask


def _before(table: ChainTable, how: str) -> Sequence[float]:
    """Return what chains are ordered by before chance decides, smallest first."""
    polars = load_polars()
    if how == "random":
        return [0] * len(table)
    if how == "likely":
        lacking = table.frame.filter(polars.col("logprob").is_null())
        return [-likelihood(chain) for chain in chains_of(lacking[:1])] or (-table.frame["logprob"]).to_list()
    words: list[int] = table.frame.select(word_count() * (1 if how == "short" else -1)).to_series().to_list()
    return words
