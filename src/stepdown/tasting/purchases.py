"""What the same money buys: more problems, more chains of each, or another teacher's."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor
from statistics import fmean

import msgspec

from stepdown.corpus import Corpus
from stepdown.corpus.selection import tokens
from stepdown.store import Store
from stepdown.types import Chain, Pricing, Usage

# English text has about so many tokens a word.
_TOKENS_PER_WORD = 1.4
# What is sent beside the question: the words of a prompt set, without demonstrations.
_PROMPT = 60


class ChainPrice(msgspec.Struct, frozen=True):
    """What a usable chain costs: `input` and `output` tokens, of those that `keep` leaves so large a `share`.

    `dollars` is None where the price is unknown. `measured` where calls in the store were paid for, else it is
    estimated from the words and tokens of the chains.
    """

    teacher: str
    input: float
    output: float
    share: float
    dollars: float | None
    measured: bool = False


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can be bought: `chains` for `problems` of a teacher, for so many US dollars, None unknown."""

    what: str
    teacher: str
    chains: int
    problems: int
    dollars: float | None
    measured: bool = False


def price_chains(corpus: Corpus, chains: Sequence[Chain], share: float, prices: Pricing) -> ChainPrice:
    """Return what one more usable chain of a corpus's teacher costs, by some of its chains; `share` is kept."""
    teacher = main_teacher(corpus.card.teachers)
    asked = fmean(_PROMPT + _TOKENS_PER_WORD * len(one.problem.question.split()) for one in chains)
    written = fmean(map(tokens, chains))
    cost = prices.cost(teacher, Usage(ceil(asked), ceil(written)))
    return ChainPrice(teacher, asked / share, written / share, share, None if cost is None else cost / share)


def priced_by_store(price: ChainPrice, corpus: Corpus, store: Store, prices: Pricing) -> ChainPrice:
    """Return the price by what the store's calls cost, where the corpus is a run's that was paid for there."""
    name, _, run = corpus.card.origin.partition(" ")
    if name != "run" or not corpus.card.chains or not any(one.id == run for one in store.runs()):
        return price
    paid = [(usage, prices.cost(model, usage)) for model, usage in store.paid((run,))]
    usable = corpus.card.chains * price.share
    if not paid or not usable:
        return price
    known = [cost for _, cost in paid if cost is not None]
    return msgspec.structs.replace(
        price,
        input=sum(usage.input for usage, _ in paid) / usable,
        output=sum(usage.output for usage, _ in paid) / usable,
        dollars=sum(known) / usable if len(known) == len(paid) else None,
        measured=True,
    )


def of_another(price: ChainPrice, teacher: str, prices: Pricing) -> ChainPrice:
    """Return what a chain of another teacher would cost that is as long, and of which as many are usable."""
    usage = Usage(ceil(price.input * price.share), ceil(price.output * price.share))
    cost = prices.cost(teacher, usage)
    dollars = None if cost is None else cost / price.share
    return ChainPrice(teacher, price.input, price.output, price.share, dollars)


def affordable(size: int, price: ChainPrice, other: ChainPrice) -> int:
    """Return how many chains at another price the money of `size` buys; as many where either is free or unknown."""
    if not price.dollars or not other.dollars:
        return size
    return max(1, floor(size * price.dollars / other.dollars + 1e-9))


def purchases(price: ChainPrice, size: int, each: float, others: Iterable[ChainPrice] = ()) -> tuple[Purchase, ...]:
    """Return what the money of `size` chains buys, `each` a problem: as they are, and in other ways.

    A chain costs the same whatever it is of, so fewer chains a problem buy more problems, and the other way round.
    """
    dollars = None if price.dollars is None else price.dollars * size
    ways = [("as thought of", each), ("more problems", 1.0), ("more chains a problem", max(2.0, 2 * each))]
    rows = [_purchase(what, price, size, many, dollars) for what, many in ways if what == ways[0][0] or many != each]
    for other in others:
        count = affordable(size, price, other)
        cost = None if other.dollars is None else other.dollars * count
        rows.append(_purchase("another teacher", other, count, each, cost))
    return tuple(rows)


def _purchase(what: str, price: ChainPrice, chains: int, each: float, dollars: float | None) -> Purchase:
    return Purchase(
        what=what,
        teacher=price.teacher,
        chains=chains,
        problems=max(1, round(chains / each)),
        dollars=dollars,
        measured=price.measured,
    )


def main_teacher(teachers: Mapping[str, int]) -> str:
    """Return who wrote most of a corpus."""
    return max(teachers, key=lambda name: (teachers[name], name), default="")
