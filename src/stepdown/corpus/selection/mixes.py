"""Filters that hold a ratio over the whole corpus: short to long chains, one teacher's to another's."""

import itertools
from array import array
from collections.abc import Callable, Iterator, Sequence
from statistics import median_low

from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, Keep, only, rank
from stepdown.corpus.selection.provenance import pattern
from stepdown.errors import UsageError
from stepdown.types import Chain

Part = Callable[[Chain], int | None]


def short_to_long(request: FilterSpec) -> Filter:
    """Return the filter that holds a ratio of short to long chains."""
    ratio = request.ratio(request.value)
    if len(ratio) != 2:
        raise request.refused("two numbers, such as `short:long=4:1`")
    definition = (
        f"short and long chains in the ratio {request.value} over the corpus, each side thinned at random; short is"
        " at most the corpus's median number of words (after Li et al. 2025, who mix two teachers: `teachers=`)"
    )

    def count(groups: Iterator[Group]) -> "tuple[array[int], array[int]]":
        lengths, ranks = array("L"), array("Q")
        for group in groups:
            lengths.extend(map(_length, group))
            ranks.extend(rank(request.seed, chain) for chain in group)
        return lengths, ranks

    def ready(seen: "Sequence[tuple[array[int], array[int]]]") -> Filter:
        middle = median_low(array("L", (one for lengths, _ in seen for one in lengths)) or [0])
        drawn = [array("Q"), array("Q")]
        for lengths, ranks in seen:
            for length, place in zip(lengths, ranks, strict=True):
                drawn[length > middle].append(place)
        part: Part = lambda chain: int(_length(chain) > middle)  # noqa: E731
        names = (f"a chain of at most {middle} words", f"a chain of more than {middle} words")
        return request.filter(definition, _mixed(request, drawn, part, ratio, names))

    return request.surveyed(definition, ready, count)


def teachers(request: FilterSpec) -> Filter:
    """Return the filter that holds a ratio of several teachers' chains."""
    named, _, amounts = request.value.rpartition("=")
    ratio = request.ratio(amounts)
    names = tuple(one.strip() for one in named.split("," if "," in named else ":"))
    if len(names) != len(ratio) or not all(names):
        raise request.refused(
            f"as many teachers as numbers, found {len(names)} and {len(ratio)}",
            "put commas between names that hold colons: `teachers=ollama/llama3:8b,openai/*=4:1`",
        )
    fits = [pattern(name) for name in names]
    definition = (
        f"chains of the teachers {', '.join(f'`{name}`' for name in names)} in the ratio {amounts} over the corpus,"
        " each side thinned at random (mix of a strong and a weak teacher: Li et al. 2025)"
    )

    def part(chain: Chain) -> int | None:
        return next((at for at, fit in enumerate(fits) if fit(chain.teacher)), None)

    def count(groups: Iterator[Group]) -> "list[array[int]]":
        drawn = [array("Q") for _ in ratio]
        for group in groups:
            for chain in group:
                at = part(chain)
                if at is not None:
                    drawn[at].append(rank(request.seed, chain))
        return drawn

    def ready(seen: "Sequence[list[array[int]]]") -> Filter:
        wanted = tuple(f"a chain of a teacher `{name}`" for name in names)
        drawn = [array("Q", itertools.chain.from_iterable(one[at] for one in seen)) for at in range(len(ratio))]
        return request.filter(definition, _mixed(request, drawn, part, ratio, wanted))

    return request.surveyed(definition, ready, count)


def _mixed(
    request: FilterSpec, drawn: "list[array[int]]", part: Part, ratio: tuple[int, ...], names: tuple[str, ...]
) -> Keep:
    """Return the function that keeps of each part its first in the seeded order, as many as the ratio allows."""
    whole = min(len(one) // share for one, share in zip(drawn, ratio, strict=True))
    if not whole:
        raise _too_few(request, drawn, ratio, names)
    last = [sorted(one)[whole * share - 1] for one, share in zip(drawn, ratio, strict=True)]
    return only(lambda chain: (at := part(chain)) is not None and rank(request.seed, chain) <= last[at])


def _too_few(
    request: FilterSpec, drawn: "list[array[int]]", ratio: tuple[int, ...], names: tuple[str, ...]
) -> UsageError:
    at = next(at for at, one in enumerate(drawn) if len(one) < ratio[at])
    there = f"{len(drawn[at]):,} in the corpus" if drawn[at] else "none in the corpus"
    return UsageError(
        f"`{request.text}` needs {names[at]} at least {ratio[at]} times; there are {there}", "see its card"
    )


def _length(chain: Chain) -> int:
    return len(chain.text.split())
