"""What a study compares: the places of its grid, the chains that each learns from, and its students' folders."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.corpus import STUDIED, Corpus, open_corpus
from stepdown.errors import UnknownName, UsageError
from stepdown.methods import CHAIN_OF_THOUGHT, DIRECT

ALL = 0
OPEN_ENDED = "open-ended"
# What open-ended keeps of a problem on the mean, where problems have nine chains or more.
_USUAL = 5


class Cell(msgspec.Struct, frozen=True):
    """One place of the grid: `chains` per problem (0: all there are), chosen `by`, learned as `target`.

    `source` names the corpus beside the study's own that it learns from.
    """

    chains: int
    by: str
    target: str
    source: str = ""

    @property
    def name(self) -> str:
        """The cell in a folder's name: `chain-n5-random`."""
        if self.source:
            return f"{self.target}-{self.source}"
        return f"{self.target}-all" if self.chains == ALL else f"{self.target}-n{self.chains}-{self.by}"

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that make this cell's view of the corpus."""
        # A label is the teacher's vote, which all chains have a part in.
        if self.chains == ALL or self.target == "label":
            return ()
        return (OPEN_ENDED,) if self.by == OPEN_ENDED else (f"per-problem={self.chains}:{self.by}",)

    @property
    def method(self) -> str:
        """The method its student is asked by; a trained student's words are the same for all."""
        return (DIRECT if self.target == "label" else CHAIN_OF_THOUGHT).name


class StudyGrid(msgspec.Struct, frozen=True, kw_only=True):
    """What a study compares: views of one corpus, kept by `keep` first; nothing is sampled again.

    `chains` are the numbers N of chains per problem, `by` how they are chosen, `targets` what is learned. A label is
    the vote of all chains of a problem, whatever the N. `beside` are other corpora, each whole a place of its own. All
    students take as many steps, or, with `equal` tokens, as many as read the tokens that the first place reads.
    """

    corpus: Path
    out: Path
    keep: tuple[str, ...] = ()
    chains: tuple[int, ...] = (1, 5, 30)
    by: tuple[str, ...] = ("random",)
    targets: tuple[str, ...] = ("chain",)
    seeds: int = 3
    beside: tuple[Path, ...] = ()
    equal: Literal["steps", "tokens"] = "steps"

    def cells(self) -> list[Cell]:
        """Return the cells in order, each once. Raises `UsageError` for a grid that has none."""
        if min(len(self.chains), len(self.by), len(self.targets)) == 0 or self.seeds < 1 or min(self.chains) < 0:
            raise UsageError("the grid has no cell", "give numbers of chains from 0 (all) on, and 1 seed or more")
        label = Cell(1, "random" if self.by[0] == OPEN_ENDED else self.by[0], "label")
        places = product(self.targets, self.by, self.chains)
        own = [label if target == "label" else _cell(target, by, chains) for target, by, chains in places]
        others = [Cell(ALL, "", target, name) for target, name in product(self.targets, self.sources)]
        return list(dict.fromkeys([*own, *others]))

    @property
    def sources(self) -> dict[str, Path]:
        """The corpora beside the study's own, by the names of their folders."""
        return {path.resolve().name: path for path in self.beside}

    def check(self) -> None:
        """Raise, before anything is trained or asked, where a cell cannot be: corpus, filters, targets.

        Raises `UsageError` and `UnknownName`.
        """
        for target in self.targets:
            if target not in STUDIED:
                raise UnknownName("target of a study", target, STUDIED)
        if len(self.sources) < len(self.beside):
            raise UsageError("two corpora of `--beside` have one name", "a place is called as its corpus's folder")
        for cell in self.cells():
            if self.view(cell, 0).card.content == "plan":
                raise UsageError(
                    f"`{self._path(cell)}` holds plans, and a study asks its students for solutions",
                    "`stepdown train` it, and compare planners with `stepdown run --teacher STUDENT`",
                )

    def view(self, cell: Cell, seed: int) -> Corpus:
        """Return the chains a cell's student learns from; each seed chooses its own."""
        return self._view(self._path(cell), cell.filters, seed)

    def _view(self, path: Path, filters: tuple[str, ...], seed: int) -> Corpus:
        return open_corpus(path).keep(*self.keep, *filters, seed=seed)

    def alike(self) -> list[tuple[Cell, Cell]]:
        """Return each cell that learns the very chains of an earlier one of its target, with that one.

        More chains per problem than a corpus has are no more. Seed 0 stands for all. Each view is read once, and none
        of a target with one place.
        """
        cells = self.cells()
        places = Counter(cell.target for cell in cells)
        digest = cache(lambda filters, path: _digest(self._view(path, filters, 0)))
        first, found = dict[tuple[str, bytes], Cell](), list[tuple[Cell, Cell]]()
        for cell in cells:
            if places[cell.target] > 1:
                earlier = first.setdefault((cell.target, digest(cell.filters, self._path(cell))), cell)
                found += [(cell, earlier)] * (earlier != cell)
        return found

    def corpora(self) -> list[Corpus]:
        """Return the corpora, the study's own first, as `keep` leaves them."""
        return [open_corpus(path).keep(*self.keep) for path in (self.corpus, *self.beside)]

    def folder(self, cell: Cell, seed: int) -> Path:
        """Return where a cell's student of one seed lies."""
        return self.out / cell.name / f"seed-{seed}"

    def places(self) -> Iterator[tuple[Cell, int]]:
        """Stream the trainings in order: all cells of one seed before the next seed, so that a part is a study too."""
        cells = self.cells()
        for seed in range(self.seeds):
            for cell in cells:
                yield cell, seed

    def _path(self, cell: Cell) -> Path:
        return self.sources.get(cell.source, self.corpus)


def _digest(chains: Corpus) -> bytes:
    digest = sha256()
    for chain in chains:
        digest.update(msgspec.json.encode((chain.problem.id, chain.sample, chain.text)))
    return digest.digest()


def _cell(target: str, by: str, chains: int) -> Cell:
    """Return the place of one combination: all chains, and an open-ended choice, are one place each."""
    if chains == ALL:
        return Cell(ALL, "", target)
    return Cell(_USUAL if by == OPEN_ENDED else chains, by, target)
