"""Where the problems of a shard's corpus stand in the whole one: a file beside its parts, by which it is joined."""

from array import array
from collections.abc import Iterator
from pathlib import Path
from sys import byteorder

import msgspec

from stepdown.errors import UsageError
from stepdown.files import write_whole
from stepdown.shards import Shard
from stepdown.types import Chain

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


class ShardWriter:
    """Chooses the problems of a shard from groups of chains, and notes the places of those that are written."""

    def __init__(self, shard: Shard, *, selections: int = 0) -> None:
        self.shard, self._selections = shard, selections
        self._total = self._problems = self._at = 0
        self._places = array("Q")

    def choose(self, groups: Iterator[list[Chain]]) -> Iterator[list[Chain]]:
        """Stream the groups of the shard, of all groups there are."""
        for self._at, group in enumerate(groups):
            self._total += 1
            if self.shard.holds(group[0].problem):
                self._problems += 1
                yield group

    def refuse_empty(self) -> None:
        """Raise `UsageError` where the shard holds no problem."""
        if not self._problems:
            raise UsageError(
                f"shard {self.shard} holds none of the {self._total:,} problems",
                "it may be left out where the others are joined",
            )

    def keep(self, place: int | None = None) -> None:
        """Note that the problem at hand is written, at this place of the whole, or where `choose` has just met it."""
        self._places.append(self._at if place is None else place)

    def write(self, folder: Path, *, total: int | None = None, problems: int | None = None) -> None:
        """Write the file into the folder of a corpus; `total` and `problems` where `choose` has not counted them."""
        head = [
            self.shard.number,
            self.shard.of,
            self._total if total is None else total,
            self._problems if problems is None else problems,
            self._selections,
        ]
        numbers = array("Q", head) + self._places
        if byteorder == "little":
            numbers.byteswap()
        write_whole(folder / PLACES, numbers.tobytes())


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
    if len(body) % _SIZE or len(body) <= _HEAD * _SIZE:
        raise UsageError(f"`{path}` is cut off", "copy the folder again, whole")
    numbers = array("Q", body)
    if byteorder == "little":
        numbers.byteswap()
    number, of, total, problems, selections = numbers[:_HEAD]
    return ShardPlaces(Shard(number, of), total, problems, selections, numbers[_HEAD:])
