"""What a filter is: a name, a definition and a function of the chains of one problem, and how its words are read."""

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from stepdown.corpus.card import Content
from stepdown.corpus.selection.tables import Columns, by_chains
from stepdown.errors import UsageError
from stepdown.types import Chain

Group = Sequence[Chain]
Groups = Callable[[], Iterator[Group]]
Keep = Callable[[Group], Group]

# The columns of a chain that `digest_of` takes, in its order.
RANKED = ("problem", "teacher", "variant", "sample", "text")
# Figures whole (`2,125.50`), words, and the signs that change what a calculation says; `**` only makes bold.
_WORD = re.compile(r"[^\W_]+(?:[.,:][^\W_]+)*|[+/=<>^%×÷−-]|(?<!\*)\*(?!\*)")


class FirstPass(msgspec.Struct, frozen=True):
    """How a filter sees a corpus that lies in several hands.

    `count` returns what some problems add up to, as plain values, and `ready` the filter of all counts in their order;
    without `count` it needs none.
    """

    ready: Callable[[Sequence[Any]], "Filter"]
    count: Callable[[Iterator[Group]], Any] | None = None


class Filter(msgspec.Struct, frozen=True):
    """One rule that keeps some of a problem's chains.

    `name` is the text it was asked for by, `definition` one sentence with its source. `keep` takes all chains of one
    problem and returns those that stay, in order; none where the problem goes. A filter that must see the corpus
    first has `prepare`, which takes a function that streams the groups anew at each call and returns the ready
    filter; `survey` is the same for a corpus in several hands. `report` tells, after the pass, what went and why, of
    the `notes` of all hands, or of its own. `columns` is the same rule over a table of many problems, for speed; a
    filter of one's own has none. `reads` returns what stands for the data that it reads beside the corpus.
    """

    name: str
    definition: str
    keep: Keep
    prepare: Callable[[Groups], "Filter"] | None = None
    report: Callable[..., str] | None = None
    columns: Columns | None = None
    survey: FirstPass | None = None
    notes: Callable[[], Any] | None = None
    reads: Callable[[], str] | None = None


class FilterSpec(msgspec.Struct, frozen=True):
    """A filter as it was asked for: `text` is `name=value` or the name alone, `content` what the corpus holds.

    `help` is the filter's line in `FILTERS`.
    """

    text: str
    name: str
    value: str = ""
    seed: int = 0
    content: Content = "chain"
    help: str = ""

    def filter(self, definition: str, keep: Keep, columns: Columns | None = None) -> Filter:
        """Return a filter that is ready at once, of a function that makes no chains; `columns` is that over a table."""
        return Filter(self.text, definition, keep, columns=columns or by_chains(keep))

    def surveyed(
        self,
        definition: str,
        ready: Callable[[Sequence[Any]], Filter],
        count: Callable[[Iterator[Group]], Any] | None = None,
    ) -> Filter:
        """Return a filter that sees the corpus first: `ready` makes it of what `count` returns of all problems."""

        def prepare(groups: Groups) -> Filter:
            return ready([count(groups())] if count else [])

        return Filter(self.text, definition, unprepared, prepare, survey=FirstPass(ready, count))

    def whole(self, text: str, least: int = 1) -> int:
        """Return a value as a whole number; raise `UsageError` where it is none or less than `least`."""
        if not text.isascii() or not text.isdecimal() or int(text[:9]) < least:
            raise self.refused(f"a whole number from {least} on")
        return int(text[:9])

    def share(self, text: str) -> float:
        """Return a value as a share over 0 and up to 1; raise `UsageError` where it is none."""
        found = float(text) if re.fullmatch(r"[01]?\.?\d{0,9}", text) and text.strip(".") else 0.0
        if not 0 < found <= 1:
            raise self.refused("a share over 0 and up to 1, such as 0.8")
        return found

    def ratio(self, text: str) -> tuple[int, ...]:
        """Return a value such as `4:1` as whole numbers; raise `UsageError` where it is none."""
        parts = text.split(":")
        if len(parts) < 2:
            raise self.refused("a ratio such as 4:1")
        return tuple(self.whole(part) for part in parts)

    def refused(self, wanted: str, hint: str = "") -> UsageError:
        """Return the error of a value that is not what was wanted."""
        return UsageError(f"`{self.text}`: `{self.name}` needs {wanted}", hint or self.help)


def only(rule: Callable[[Chain], bool]) -> Keep:
    """Return the function of a group that keeps the chains for which a rule holds."""
    return lambda group: [chain for chain in group if rule(chain)]


def unprepared(group: Group) -> Group:
    """Stand in for the function of a filter that has not yet seen the corpus."""
    raise AssertionError("a filter with `prepare` keeps nothing before it is prepared")


def words(text: str) -> list[str]:
    """Return a text's words without case and punctuation; figures and the signs of arithmetic are words."""
    return _WORD.findall(text.casefold())


def rank(seed: int, chain: Chain) -> int:
    """Return a chain's place in a random order, from 0 to 2**64.

    It depends on the seed and on the chain itself, so that no other chain and no other problem changes it, and the
    first of any number of chains are also among the first of more.
    """
    key = chain.problem.id, chain.teacher, chain.variant, chain.sample, chain.text
    return int.from_bytes(digest_of(seed, *key))


def digest_of(seed: int, problem: str, teacher: str, variant: str, sample: int, text: str) -> bytes:
    """Return the `rank` of a chain by its columns `RANKED`, as bytes, which are in the same order."""
    key = f"{seed}\0{problem}\0{teacher}\0{variant}\0{sample}\0{text}"
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
