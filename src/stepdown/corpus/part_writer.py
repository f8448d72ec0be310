"""The parquet parts of a corpus, written one after the other with bounded memory, and what they hold, counted."""

from collections import Counter
from collections.abc import Set
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus.parquet_rows import Row, frame_of, problems_of, row_of, unicode_row
from stepdown.corpus.selection import ChainTable
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.full_disks import full_disk
from stepdown.questions import key
from stepdown.types import Chain, Problem

# A part is closed when it has this many rows, or texts of this many characters.
ROWS = 25_000
_CHARACTERS = 50_000_000


class PartCounts(msgspec.Struct, frozen=True):
    """What some parts hold; `fingerprint` is 32 hexadecimal digits over their rows, as JSON, in their order."""

    parts: int
    problems: int
    chains: int
    right: int
    graded: int
    teachers: dict[str, int]
    graders: frozenset[str]
    fingerprint: str


class PartWriter:
    """Writes parts into a folder, named by `name` and a number; chains of one problem must come together.

    A part has at most `rows` chains. `questions` are the keys of what was asked. Raises `UsageError`.
    """

    def __init__(self, folder: Path, *, name: str = "part", rows: int = ROWS) -> None:
        self._folder, self._name, self._most = folder, name, rows
        self._rows: list[Row] = []
        # Tables wait as they come, so that no row of theirs is made.
        self._frames: list[Any] = []
        self._waiting = self._characters = self._parts = self._graded = self._right = 0
        self._teachers: Counter[str] = Counter()
        self._graders: set[str] = set()
        self._met, self._questions = ProblemOrder(), set[int]()
        self._hash = blake2b(digest_size=16)
        self._encode = msgspec.json.Encoder().encode

    @property
    def questions(self) -> Set[int]:
        """What stands for each question so far."""
        return self._questions

    @property
    def counts(self) -> PartCounts:
        """What was added so far."""
        return PartCounts(
            parts=self._parts,
            problems=self._met.count,
            chains=self._teachers.total(),
            right=self._right,
            graded=self._graded,
            teachers=dict(sorted(self._teachers.items())),
            graders=frozenset(self._graders),
            fingerprint=self._hash.hexdigest(),
        )

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
        self._waiting += 1
        if self._waiting >= self._most or self._characters >= _CHARACTERS:
            self._flush()

    def add_table(self, table: ChainTable) -> None:
        """Add whole problems, which no problem before them was; what is written is what `add` writes of their chains.

        Raises `UsageError` where a problem comes back.
        """
        for problem in problems_of(table.firsts):
            self._met.meet(problem)
            self._questions.add(key(problem))
        self._count(table.frame)
        self._hash.update(table.encoded)
        if self._rows:
            self._frames.append(frame_of(self._rows))
            self._rows = []
        rest = table.frame
        while len(rest):
            taken, characters = self._room(rest)
            self._frames.append(rest[:taken])
            self._waiting, self._characters, rest = self._waiting + taken, self._characters + characters, rest[taken:]
            if self._waiting >= self._most or self._characters >= _CHARACTERS:
                self._flush()

    def _count(self, frame: Any) -> None:
        self._teachers.update(dict(frame["teacher"].value_counts().iter_rows()))
        self._graded += int((frame["verdict"] != "ungraded").sum())
        self._right += int((frame["verdict"] == "right").sum())
        self._graders.update(name for name in frame["grader"].unique() if name)

    def _room(self, frame: Any) -> tuple[int, int]:
        """Return how many rows of a frame the part that is open takes, and their characters."""
        polars = load_polars()
        total = (polars.col("text").str.len_chars() + polars.col("question").str.len_chars()).cast(polars.Int64)
        sums = frame[: self._most - self._waiting].select(total.cum_sum()).to_series()
        taken = min(len(sums), int((sums < _CHARACTERS - self._characters).sum()) + 1)
        return taken, sums[taken - 1]

    def _flush(self) -> None:
        polars = load_polars()
        path = self._folder / f"{self._name}-{self._parts:05}.parquet"
        if self._rows:
            self._frames.append(frame_of(self._rows))
        try:
            polars.concat(self._frames, rechunk=True).write_parquet(path, compression="zstd")
        except (OSError, polars.exceptions.ComputeError) as error:
            other = UsageError(f"cannot write `{path}`: {error}", "name a folder that can be written")
            raise full_disk(error, path) or other from error
        self._rows, self._frames = [], []
        self._parts, self._characters, self._waiting = self._parts + 1, 0, 0

    def close(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._flush()


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
