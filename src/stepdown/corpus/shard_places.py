"""Where the problems of a shard's corpus stand in the whole one: a file beside its parts, by which it is joined."""

from array import array
from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from sys import byteorder

import msgspec

from stepdown.corpus.parquet_rows import problems_of
from stepdown.corpus.selection import ChainTable
from stepdown.errors import UsageError
from stepdown.extras import load_polars
from stepdown.files import write_whole
from stepdown.shards import Shard, problem_hash

PLACES = "places.bin"
_HEAD = 5
_SIZE = 8


class ShardPlaces(msgspec.Struct, frozen=True):
    """What the file says: which shard it is, the problems of the whole and of the shard before anything was left out,
    how many selections of the card are of before the cut, and for each problem of the corpus its place in the whole.
    """

    shard: Shard
    total: int
    problems: int
    selections: int
    places: "array[int]"

    def write(self, folder: Path) -> None:
        """Write the file into the folder of a corpus."""
        head = [self.shard.number, self.shard.of, self.total, self.problems, self.selections]
        numbers = array("Q", head) + self.places
        if byteorder == "little":
            numbers.byteswap()
        write_whole(folder / PLACES, numbers.tobytes())


class ShardCut:
    """Takes a shard's problems out of tables, and notes where those that are written stand in the whole.

    Where the whole is split into `buckets`, its places follow the buckets, though the tables do not.
    """

    def __init__(self, shard: Shard, *, buckets: int = 1) -> None:
        self.shard = shard
        self._totals, self._problems = [0] * buckets, 0
        self._places = [array("Q") for _ in range(buckets)]
        # The id, the bucket and the place in it of each problem that is not known to be written or left out, in order.
        self._open = deque[tuple[str, int, int]]()

    def choose(self, tables: Iterator[ChainTable]) -> Iterator[ChainTable]:
        """Stream of all tables what is of the shard."""
        polars = load_polars()
        for table in tables:
            holds = [self._meet(problem.id, problem_hash(problem)) for problem in problems_of(table.firsts)]
            yield table.keep(polars.Series("holds", holds, dtype=polars.Boolean).gather(table.numbers))

    def _meet(self, name: str, hashed: int) -> bool:
        bucket = hashed % len(self._totals)
        mine = hashed % self.shard.of == self.shard.number - 1
        if mine:
            self._open.append((name, bucket, self._totals[bucket]))
            self._problems += 1
        self._totals[bucket] += 1
        return mine

    def note(self, table: ChainTable) -> None:
        """Note that the problems of a table are written, and so that those before them were left out."""
        for name in table.firsts["problem"]:
            one, bucket, place = self._open.popleft()
            while one != name:
                one, bucket, place = self._open.popleft()
            self._places[bucket].append(place)

    @property
    def problems(self) -> int:
        """The problems of the shard so far."""
        return self._problems

    def places(self, selections: int) -> ShardPlaces:
        """Return what was noted; of the card's selections, so many are of before the cut."""
        noted = array("Q")
        for start, places in zip(accumulate(self._totals, initial=0), self._places, strict=False):
            noted.extend(start + place for place in places)
        return ShardPlaces(self.shard, sum(self._totals), self._problems, selections, noted)


def note_of(shard: Shard) -> str:
    """Return what the card of a shard's corpus says of it."""
    return f"shard {shard} of the problems; `stepdown store merge` joins all {shard.of}"


def read_places(folder: Path) -> ShardPlaces | None:
    """Return what a corpus says of being a shard, None for a whole one. Raises `UsageError` for a broken file."""
    path = folder / PLACES
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {error.strerror}", "copy the folder again, whole") from error
    if len(body) % _SIZE or len(body) < _HEAD * _SIZE:
        raise UsageError(f"`{path}` is cut off", "copy the folder again, whole")
    numbers = array("Q", body)
    if byteorder == "little":
        numbers.byteswap()
    number, of, total, problems, selections = numbers[:_HEAD]
    return ShardPlaces(Shard(number, of), total, problems, selections, numbers[_HEAD:])
