"""Which questions are there to test on: by the names of known test splits, and by what they ask, where at hand."""

from collections.abc import Iterator
from functools import cache

from stepdown.errors import StepdownError
from stepdown.problems import wordsums
from stepdown.problems.hub import kept_files
from stepdown.problems.loading import BENCHMARKS, Problems, load_problems
from stepdown.questions import Keys, keys_of

# A contrast set is made of test questions, to be tested on.
TESTS = ("test", "contrast")


def is_test(dataset: str) -> bool:
    """Whether a data set, or the id of a problem, names a test split of a data set that is known here."""
    name, _, rest = dataset.partition("/")
    return name in {*BENCHMARKS, *wordsums.NAMES} and rest.partition("/")[0] in TESTS


def at_hand(dataset: str = "") -> Iterator[tuple[str, Keys]]:
    """Stream the known test splits whose questions this machine has, each with its keys; nothing is fetched.

    Of word sums, whose splits share no question, those of the data set that is asked about, or of all where it is none.
    """
    named = dataset.partition("/")[0]
    for name in (named,) if named in wordsums.NAMES else wordsums.NAMES:
        yield f"{name}/test", _generated(name)
    for name, benchmark in BENCHMARKS.items():
        for split in TESTS:
            if split in benchmark.about.splits and kept_files(benchmark.hub, split):
                keys = _kept(name, split)
                if keys:
                    yield f"{name}/{split}", keys


def is_at_hand(dataset: str) -> bool:
    """Whether a named data set can be read without fetching: it is generated, or the hub's cache has a split of it."""
    benchmark = BENCHMARKS.get(dataset)
    return benchmark is None or any(kept_files(benchmark.hub, split) for split in benchmark.about.splits)


@cache
def _generated(name: str) -> Keys:
    return keys_of(load_problems(name, split="test"))


@cache
def _kept(name: str, split: str) -> Keys:
    """Return the keys of a split in the hub's cache; none where it cannot be read, which is no fault of who trains."""
    try:
        return keys_of(_loaded(name, split))
    except StepdownError:
        return frozenset()


def _loaded(name: str, split: str) -> Problems:
    return load_problems(name, split=split)
