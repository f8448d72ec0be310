"""Lists with commas: `--method cot,tot` is `--method cot --method tot`."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

# The options of `run` and `study` that may be given several times; filters have commas of their own.
LISTS = frozenset(
    {"--method", "--student", "--teacher", "--plans", "--control", "--chains", "--by", "--targets", "--tag"},
)


def split_lists(tokens: Sequence[str]) -> list[str]:
    """Return a command line on which each list with commas stands as several options; a file's name stays whole."""
    return list(chain.from_iterable(_split_lists(tokens)))


def _split_lists(tokens: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(tokens)
    for token in rest:
        name, equals, value = token.partition("=")
        if token == "--":
            yield [token, *rest]
        elif name not in LISTS:
            yield [token]
        elif equals:
            yield [f"{name}={part}" for part in _parts(value)]
        else:
            following = next(rest, None)
            yield [name] if following is None else [word for part in _parts(following) for word in (name, part)]


def _parts(value: str) -> list[str]:
    if "," not in value or Path(value).exists():
        return [value]
    return [part for one in value.split(",") if (part := one.strip())] or [value]
