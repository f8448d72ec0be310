"""The folder of a corpus: parquet parts that are written once and read as streams, with bounded memory."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from stepdown.corpus.card import CARD, Card, write_card
from stepdown.corpus.parquet_rows import Row, chains_of, check_rows, frame_of, row_of, schema, unicode_row
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.files import replacing_folder
from stepdown.models.weights import SeenQuestions as Lessons
from stepdown.models.weights import seen_by
from stepdown.questions import FILE, NONE, Keys, key, keys_of, read_keys, write_keys
from stepdown.types import Chain, Problem
from stepdown.untrusted import reading

# A part is closed when it has this many rows, or texts of this many characters.
ROWS = 25_000
_CHARACTERS = 50_000_000
BEHIND = "behind.bin"
_PART = re.compile(r"part-(\d{5,})\.parquet")
_AGAIN = "copy the folder again from where it came, or make the corpus anew"


class CorpusWriter:
    """Writes a new corpus folder: `with CorpusWriter(out, card=card) as writer: writer.add(chain)`.

    The folder appears under its name at a clean exit, with the card's counts filled in; at an error nothing is left.
    `card` may be replaced before the exit. A part has at most `rows` chains; those of one problem must come together.
    With `force` a corpus that is there is replaced at the end; a folder that is no corpus never is. `behind` are the
    questions that whoever wrote the chains was shown; what its teachers were trained on, if they are students of ours,
    is added. Raises `UsageError`, `MissingExtra`.
    """

    def __init__(
        self, out: str | Path, *, card: Card, force: bool = False, rows: int = ROWS, behind: Keys = NONE
    ) -> None:
        load_polars()
        self.out = Path(out).expanduser().resolve()
        check_out(self.out, force=force)
        self.card, self._most = card, rows
        self._stack = ExitStack()
        self._rows: list[Row] = []
        self._parts = self._characters = self._graded = self._right = 0
        self._teachers: Counter[str] = Counter()
        self._graders: set[str] = set()
        self._met, self._behind, self._questions = ProblemOrder(), behind, set[int]()
        self._hash = blake2b(digest_size=16)
        self._encode = msgspec.json.Encoder().encode

    def __enter__(self) -> Self:
        with self._writing():
            self._folder = self._stack.enter_context(replacing_folder(self.out))
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
            raise UsageError(f"cannot write `{self.out}`: {error}", "name a folder that can be written") from error

    def add(self, chain: Chain) -> None:
        """Add a chain; raise `UsageError` where its problem comes back after another, or has the same id as it."""
        row = row_of(chain)
        if self._met.meet(chain.problem):
            self._questions.add(key(chain.problem))
        try:
            self._hash.update(self._encode(row))
        except UnicodeEncodeError:
            row = unicode_row(row)
            self._hash.update(self._encode(row))
        self._rows.append(row)
        self._teachers[row[8]] += 1
        self._characters += len(chain.text) + len(chain.problem.question)
        if chain.grade.verdict != "ungraded":
            self._graded += 1
            self._right += chain.grade.verdict == "right"
        if chain.grade.grader:
            self._graders.add(row[13])
        if len(self._rows) >= self._most or self._characters >= _CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        polars = load_polars()
        path = self._folder / f"part-{self._parts:05}.parquet"
        try:
            frame_of(self._rows).write_parquet(path, compression="zstd")
        except (OSError, polars.exceptions.ComputeError) as error:
            raise UsageError(f"cannot write `{path}`: {error}", "is the disk full? nothing is left of it") from error
        self._rows.clear()
        self._parts, self._characters = self._parts + 1, 0

    def _close(self) -> None:
        if self._rows:
            self._flush()
        if not self._parts:
            raise UsageError(f"nothing was written to `{self.out}`: there is no chain", "a corpus has at least one")
        lessons = questions_of_teachers(self._teachers)
        behind = self._behind | lessons.keys
        self.card = msgspec.structs.replace(
            self.card,
            questions=len(self._questions),
            behind=len(behind),
            unknown=tuple(dict.fromkeys((*self.card.unknown, *lessons.unknown))),
            teachers=dict(sorted(self._teachers.items())),
            problems=self._met.count,
            chains=self._teachers.total(),
            right=self._right,
            graded=self._graded,
            graders=tuple(sorted(self._graders)),
            fingerprint=self._hash.hexdigest(),
        )
        write_card(self._folder, self.card)
        write_keys(self._folder / FILE, self._questions)
        if behind:
            write_keys(self._folder / BEHIND, behind)


class ProblemOrder:
    """The problems that were met so far, by hash (8 bytes each), and the one that is at hand."""

    def __init__(self) -> None:
        self.count = 0
        self._problem: Problem | None = None
        self._hashes: set[int] = set()

    def meet(self, problem: Problem) -> bool:
        """Tell whether this is another problem than before; raise `UsageError` where it comes back or has changed."""
        before = self._problem
        if problem is before:
            return False
        self._problem = problem
        if before is not None and problem.id == before.id:
            if problem != before:
                raise UsageError(f"two problems have the id `{problem.id}`", "give each problem an id of its own")
            return False
        self.count += 1
        self._hashes.add(hash(problem.id))
        if len(self._hashes) < self.count:
            what = f"the chains of the problem `{problem.id}` do not lie together"
            raise UsageError(what, "sort the chains by problem first")
        return True


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
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / CARD).is_file():
        raise UsageError(f"`{out}` is there and is no corpus", "name another folder: this one is not touched")
    if not force:
        raise UsageError(f"the corpus `{out}` is there already", "name another folder, or replace it with `--force`")


def parts_of(folder: Path, card: Card) -> list[Path]:
    """Return the parts of a corpus in order; raise `UsageError` where one is missing, cut off or of another shape."""
    paths = sorted(path for path in folder.glob("part-*.parquet") if _PART.fullmatch(path.name))
    for number, path in enumerate(paths):
        if path.name != f"part-{number:05}.parquet":
            raise UsageError(f"`{folder / f'part-{number:05}.parquet'}` is missing", _AGAIN)
    if not paths or not card.chains:
        raise UsageError(f"the corpus `{folder}` is empty", _AGAIN)
    count = sum(_rows_of(path) for path in paths)
    if count != card.chains:
        raise UsageError(f"`{folder}` holds {count:,} chains, but its card says {card.chains:,}", _AGAIN)
    return paths


def _rows_of(path: Path) -> int:
    """Return how many rows a part has, by its footer; raise `UsageError` where it is no part of a corpus."""
    polars = load_polars()
    with reading(f"`{path}` is no whole parquet file", _AGAIN):
        there = polars.read_parquet_schema(path)
        count: int = polars.scan_parquet(path, glob=False).select(polars.len()).collect().item()
    for name, dtype in schema().items():
        if name not in there:
            raise UsageError(f"`{path}` has no column `{name}`", f"its columns: {', '.join(there)[:500]}")
        if there[name] != dtype:
            raise UsageError(f"the column `{name}` of `{path}` is {there[name]}, not {dtype}", _AGAIN)
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
        raise UsageError(f"`{folder}` holds {met.count:,} problems, but its card says {card.problems:,}", _AGAIN)
    yield group


def _read_chains(folder: Path, card: Card) -> Iterator[Chain]:
    last: Problem | None = None
    for part in parts_of(folder, card):
        for start, frame in _frames(part):
            with reading(f"`{part}` cannot be read", _AGAIN):
                check_rows(frame, part, start)
                chains = chains_of(frame, last)
            last = chains[-1].problem
            yield from chains


def _frames(part: Path) -> Iterator[tuple[int, Any]]:
    """Read a part by at most `ROWS` rows at a time, each with the number of its first row, from 1."""
    polars = load_polars()
    for start in range(0, _rows_of(part), ROWS):
        with reading(f"`{part}` cannot be read", _AGAIN):
            frame = polars.scan_parquet(part, glob=False).select(*schema()).slice(start, ROWS).collect()
        yield start + 1, frame
