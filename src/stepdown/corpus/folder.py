"""The folder of a corpus: parquet parts that are written once and read as streams, with bounded memory."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from stepdown.corpus.card import CARD, Card, write_card
from stepdown.corpus.parquet_rows import chains_of, check_rows, schema
from stepdown.corpus.part_writer import ROWS, PartCounts, PartWriter, ProblemOrder
from stepdown.corpus.selection import ChainTable
from stepdown.corpus.shard_places import read_places
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.files import replacing_folder
from stepdown.full_disks import unwritable
from stepdown.models.weights import SeenQuestions as Lessons
from stepdown.models.weights import seen_by
from stepdown.object_stores import refuse_address
from stepdown.questions import FILE, NONE, Keys, keys_of, read_keys, write_keys
from stepdown.types import Chain, Problem
from stepdown.untrusted import reading

BEHIND = "behind.bin"
_KEEP = "write it here, then `stepdown keep FOLDER all --out ADDRESS`"
PART = re.compile(r"part-(\d{5,})\.parquet")
AGAIN = "copy the folder again from where it came, or make the corpus anew"


class CorpusWriter:
    """Writes a new corpus folder: `with CorpusWriter(out, card=card) as writer: writer.add(chain)`.

    The folder appears under its name at a clean exit, with the card's counts filled in; at an error nothing is left.
    Only a shard's, with its file of places in `folder`, may be empty.
    `card` may be replaced before the exit. A part has at most `rows` chains; those of one problem must come together.
    With `force` a corpus that is there is replaced at the end; a folder that is not a corpus never is. `behind` are the
    questions that whoever wrote the chains was shown; what its teachers were trained on, if they are students of ours,
    is added. Raises `UsageError`, `MissingExtra`.
    """

    def __init__(
        self, out: str | Path, *, card: Card, force: bool = False, rows: int = ROWS, behind: Keys = NONE
    ) -> None:
        load_polars()
        refuse_address(out, _KEEP)
        self.out = Path(out).expanduser().resolve()
        check_out(self.out, force=force)
        self.card, self._most, self._behind = card, rows, behind
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._writing():
            self._folder = self._stack.enter_context(replacing_folder(self.out))
            self._parts = PartWriter(self._folder, rows=self._most)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, at)
            return
        with self._writing(), self._stack:
            self._close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self.out, error, "name a folder that can be written") from error

    @property
    def folder(self) -> Path:
        """Where its files lie until all are there; what is put beside them comes with them."""
        return self._folder

    def add(self, chain: Chain) -> None:
        """Add a chain; raise `UsageError` where its problem comes back after another, or has the same id as it."""
        self._parts.add(chain)

    def add_table(self, table: ChainTable) -> None:
        """Add whole problems, which no problem before them was; what is written is what `add` writes of their chains.

        Raises `UsageError` where a problem comes back.
        """
        self._parts.add_table(table)

    def _close(self) -> None:
        self._parts.close()
        if not self._parts.counts.chains and read_places(self._folder) is None:
            raise UsageError(f"nothing was written to `{self.out}`: there is no chain", "a corpus has at least one")
        card = msgspec.structs.replace(self.card, buckets=())
        questions = write_keys(self._folder / FILE, self._parts.questions)
        self.card = complete(self._folder, card, self._parts.counts, questions, self._behind)


def complete(folder: Path, card: Card, counts: PartCounts, questions: int, behind: Keys) -> Card:
    """Put beside the parts of a corpus and its questions its card, with their counts filled in; return the card."""
    lessons = questions_of_teachers(counts.teachers)
    behind |= lessons.keys
    card = msgspec.structs.replace(
        card,
        questions=questions,
        behind=len(behind),
        unknown=tuple(dict.fromkeys((*card.unknown, *lessons.unknown))),
        teachers=counts.teachers,
        problems=counts.problems,
        chains=counts.chains,
        right=counts.right,
        graded=counts.graded,
        graders=tuple(sorted(counts.graders)),
        fingerprint=counts.fingerprint,
    )
    write_card(folder, card)
    if behind:
        write_keys(folder / BEHIND, behind)
    return card


def questions_of_teachers(teachers: Iterable[str]) -> Lessons:
    """Return what the teachers that are students of ours were trained on; a control's mark is no part of a name."""
    found = Lessons()
    for name in dict.fromkeys(one.partition("+")[0] for one in teachers):
        found = found.plus(seen_by(name) or Lessons())
    return found


def questions_of(folder: Path, card: Card) -> Keys:
    """Return the keys of a corpus's questions, from its file of them or, in one of 0.1.0, from its rows."""
    kept = read_keys(folder / FILE) if card.questions is not None else None
    return keys_of(group[0].problem for group in read_groups(folder, card)) if kept is None else kept


def check_out(out: Path, *, force: bool) -> None:
    """Raise `UsageError` where a new corpus cannot be put."""
    refuse_address(out, _KEEP)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / CARD).is_file():
        raise UsageError(f"`{out}` is there and is not a corpus", "name another folder: this one is not touched")
    if not force:
        raise UsageError(f"the corpus `{out}` is there already", "name another folder, or replace it with `--force`")


def parts_of(folder: Path, card: Card) -> list[Path]:
    """Return the parts of a corpus in order; raise `UsageError` where one is missing, cut off or of another shape."""
    paths = sorted(path for path in folder.glob("part-*.parquet") if PART.fullmatch(path.name))
    for number, path in enumerate(paths):
        if path.name != f"part-{number:05}.parquet":
            raise UsageError(f"`{folder / f'part-{number:05}.parquet'}` is missing", AGAIN)
    if not card.chains and (shard := read_places(folder)):
        hint = "`stepdown store merge` joins it with the others"
        raise UsageError(f"`{folder}` is shard {shard.shard} of a corpus and holds no {card.row}", hint)
    if not paths or not card.chains:
        raise UsageError(f"the corpus `{folder}` is empty", AGAIN)
    count = sum(_rows_of(path) for path in paths)
    if count != card.chains:
        raise UsageError(f"`{folder}` holds {count:,} chains, but its card says {card.chains:,}", AGAIN)
    return paths


def _rows_of(path: Path) -> int:
    """Return how many rows a part has, by its footer; raise `UsageError` where it is no part of a corpus."""
    polars = load_polars()
    with reading(f"`{path}` is not a whole parquet file", AGAIN):
        there = polars.read_parquet_schema(path)
        count: int = polars.scan_parquet(path, glob=False).select(polars.len()).collect().item()
    for name, dtype in schema().items():
        if name not in there:
            raise UsageError(f"`{path}` has no column `{name}`", f"its columns: {', '.join(there)[:500]}")
        if there[name] != dtype:
            raise UsageError(f"the column `{name}` of `{path}` is {there[name]}, not {dtype}", AGAIN)
    return count


def read_groups(folder: Path, card: Card) -> Iterator[list[Chain]]:
    """Stream the chains of one problem at a time; raise `BadRow` or `UsageError` where the corpus is broken."""
    met = ProblemOrder()
    group: list[Chain] = []
    for chain in _read_chains(folder, card):
        if met.meet(chain.problem) and group:
            yield group
            group = []
        group.append(chain)
    if met.count != card.problems:
        raise UsageError(f"`{folder}` holds {met.count:,} problems, but its card says {card.problems:,}", AGAIN)
    yield group


def _read_chains(folder: Path, card: Card) -> Iterator[Chain]:
    last: Problem | None = None
    for part in parts_of(folder, card):
        for start, frame in frames_of(part):
            with reading(f"`{part}` cannot be read", AGAIN):
                check_rows(frame, part, start)
                chains = chains_of(frame, last)
            last = chains[-1].problem
            yield from chains


def frames_of(part: Path) -> Iterator[tuple[int, Any]]:
    """Read a part by at most `ROWS` rows at a time, each with the number of its first row, from 1."""
    polars = load_polars()
    for start in range(0, _rows_of(part), ROWS):
        with reading(f"`{part}` cannot be read", AGAIN):
            frame = polars.scan_parquet(part, glob=False).select(*schema()).slice(start, ROWS).collect()
        yield start + 1, frame
