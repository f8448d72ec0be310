"""A shard: one of several parts of the problems, chosen by what each asks, so that machines need not meet."""

import re
from hashlib import blake2b

import msgspec

from stepdown.errors import UsageError
from stepdown.types import Problem

MOST_SHARDS = 100_000
_SHARD = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


class Shard(msgspec.Struct, frozen=True, order=True):
    """Part `number`, from 1, of a set of problems that is cut into `of` parts."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def holds(self, problem: Problem) -> bool:
        """Whether a problem is of this part: by `problem_hash`, modulo `of`."""
        return problem_hash(problem) % self.of == self.number - 1


class Part(msgspec.Struct, frozen=True):
    """What one of `of` processes of a command does, by places: of every `of` stripes of problems the one at `number`.

    Numbers count from 0. Nothing keeps which process did what: the next command may be cut into others.
    """

    number: int
    of: int
    stripe: int = 1

    def holds(self, place: int) -> bool:
        """Whether the problem at a place is of this part."""
        return place // self.stripe % self.of == self.number

    def count(self, total: int) -> int:
        """Return how many of so many problems are of this part."""
        rounds, rest = divmod(total, self.stripe * self.of)
        return rounds * self.stripe + min(max(rest - self.number * self.stripe, 0), self.stripe)


def problem_hash(problem: Problem) -> int:
    """Return 64 bits of the hash of a problem's question and choices.

    Problems that ask the same have the same, so that no two machines pay for one prompt. What is hashed must never
    change: machines of different versions would leave problems out, and corpora would be split otherwise.
    """
    question = "\n".join((problem.question, *problem.choices)).encode(errors="replace")
    return int.from_bytes(blake2b(question, digest_size=8).digest(), "big")


def parse_shard(text: str) -> Shard:
    """Return the shard of a text such as `2/3`. Raises `UsageError`."""
    found = _SHARD.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"`--shard` cannot be `{text[:40]}`", "give i/n, such as 1/3: the first of three parts", option="--shard"
        )
    number, of = map(int, found.groups())
    if of > MOST_SHARDS:
        raise UsageError(f"`{of}` shards are too many", f"cut into {MOST_SHARDS:,} at most", option="--shard")
    if not 1 <= number <= of:
        known = f"they are 1/{of} to {of}/{of}" if of > 1 else "there is 1/1 only" if of else "cut into 1 or more"
        raise UsageError(f"there is no shard `{number}/{of}`", known, option="--shard")
    return Shard(number, of)
