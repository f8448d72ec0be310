"""Which chains a small student learns from, and which problems are held out: by question, nested, always the same."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from stepdown.corpus import Corpus, open_corpus
from stepdown.corpus.selection import Filter, Group
from stepdown.errors import UsageError
from stepdown.questions import Keys, key
from stepdown.text import counted
from stepdown.types import Chain, Problem

# Of the questions of a corpus at most so large a part is held out.
_MOST_HELD_OUT = 4


class TastePortions(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a corpus that are tried, of the chains that `keep` leaves.

    `held_out` questions, at most a quarter, are never learned from. Of the others a student learns from those with the
    lowest hashes, by its seed, until there are so many chains: a smaller size is a part of a larger one. `counts` are
    the chains of each question.
    """

    corpus: Path
    keep: tuple[str, ...]
    held_out: Keys
    counts: Mapping[int, int]

    @property
    def chains(self) -> int:
        """How many chains there are to learn from."""
        return sum(count for question, count in self.counts.items() if question not in self.held_out)

    @property
    def each(self) -> float:
        """The mean number of a problem's chains."""
        return sum(self.counts.values()) / len(self.counts)

    def questions(self, size: int, seed: int) -> Keys:
        """Return what stands for the questions of a portion of at least `size` chains, of all where there are fewer."""
        chosen, chains = set[int](), 0
        for question in sorted(self.counts.keys() - self.held_out, key=lambda one: _rank(one, str(seed))):
            if chains >= size:
                break
            chosen.add(question)
            chains += self.counts[question]
        return frozenset(chosen)

    def count(self, size: int, seed: int) -> int:
        """Return how many chains a portion has: `size`, or a few more where a problem has several."""
        return sum(self.counts[question] for question in self.questions(size, seed))

    def view(self, size: int, seed: int) -> Corpus:
        """Return the chains of a portion."""
        return self._view(self.questions(size, seed), f"taste={size}/{seed}")

    def problems(self) -> list[Problem]:
        """Return the problems that are held out, each once, in a random order that is always the same."""
        held: dict[int, Problem] = {}
        for group in self._view(self.held_out, "held-out").groups():
            held.setdefault(key(group[0].problem), group[0].problem)
        return [held[question] for question in sorted(held, key=_rank)]

    def chains_held_out(self, most: int) -> list[Chain]:
        """Return a chain for each of at most so many of the questions that are held out."""
        held: dict[int, Chain] = {}
        for group in self._view(self.held_out, "held-out").groups():
            held.setdefault(key(group[0].problem), group[0])
        return [held[question] for question in sorted(held, key=_rank)[:most]]

    def _view(self, questions: Keys, name: str) -> Corpus:
        def chosen(group: Group) -> Group:
            return group if group and key(group[0].problem) in questions else []

        one = Filter(name, "the chains of some questions, those with the lowest hashes", chosen)
        return open_corpus(self.corpus).keep(*self.keep).keep(one)


def read_portions(corpus: Path, *, keep: Sequence[str] = (), held_out: int = 100) -> TastePortions:
    """Read a corpus once and hold out so many of its questions, at most a quarter.

    Raises `UsageError` for a corpus of no chains, and for one of fewer than 8 questions.
    """
    opened = open_corpus(corpus).keep(*keep)
    if opened.card.content != "chain":
        raise UsageError(f"`{corpus}` holds {opened.card.content}s", "taste a corpus of chains")
    counts: dict[int, int] = {}
    for group in opened.groups():
        question = key(group[0].problem)
        counts[question] = counts.get(question, 0) + len(group)
    if len(counts) < 2 * _MOST_HELD_OUT:
        raise UsageError(
            f"`{corpus}` has {counted(len(counts), 'question')}, too few to learn from some and to hold out others",
            "sample a chain each of 100 problems: `stepdown sample DATASET -n 100 --chains 1`",
        )
    held = sorted(counts, key=_rank)[: min(held_out, len(counts) // _MOST_HELD_OUT)]
    return TastePortions(corpus=corpus, keep=tuple(keep), held_out=frozenset(held), counts=counts)


def halved_sizes(largest: int, points: int) -> tuple[int, ...]:
    """Return so many sizes, each about half of the next, none below 2: 12, 25, 50, 100."""
    return tuple(sorted({max(2, largest // 2**at) for at in range(points)}))


def _rank(question: int, seed: str = "held out") -> bytes:
    return blake2b(f"{seed}/{question}".encode(), digest_size=8).digest()
