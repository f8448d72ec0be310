"""What is there to test on is not trained on: refused by name and by question, unless it is allowed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from stepdown.errors import UnknownName, UsageError
from stepdown.problems import at_hand, is_test
from stepdown.questions import Keys, key, keys_of
from stepdown.store import Store
from stepdown.types import Problem

ALLOWED = "test"
_SHOWN = 3


def check_allowed(allow: Sequence[str]) -> None:
    """Raise `UnknownName` for what is no refusal."""
    for name in allow:
        if name != ALLOWED:
            raise UnknownName("refusal to allow", name, (ALLOWED,))


def refuse_tests(
    dataset: str, problems: Iterable[Problem], *, allow: Sequence[str] = (), store: Store | None = None
) -> None:
    """Raise `UsageError` where questions that are there to test on would be sampled or trained on.

    A known test split is refused by its name, and by the ids of its problems; other data by what they ask, where that
    is at hand: word sums, benchmarks in the hub's cache, and test splits that runs of this store were asked. Nothing is
    refused where `allow` names `test`.
    """
    if ALLOWED in allow:
        return
    _refuse_name(dataset)
    refuse_test_questions(dataset, {key(problem): problem.id for problem in problems}, store=store)


def refuse_test_questions(dataset: str, questions: Mapping[int, str], *, store: Store | None = None) -> None:
    """Raise `UsageError` where questions, by key with a problem's id, are there to test on."""
    _refuse_name(dataset)
    for one in questions.values():
        if is_test(one):
            raise _refused(f"the problem `{one}` is of a test split", "other problems")
    for name, keys in chain(at_hand(dataset), _tested(store)):
        overlap = [questions[one] for one in questions.keys() & keys]
        # A known data set's own splits may share a question or two, which are its makers' to part.
        if len(overlap) > (len(questions) // 100 if _is_known(dataset) else 0):
            text = f"{len(overlap):,} of {len(questions):,} questions are questions of the test split `{name}`"
            raise _refused(f"{text}, under other ids: {_named(overlap)}", "data without them")


def _refuse_name(dataset: str) -> None:
    if is_test(dataset):
        raise _refused(f"`{dataset}` is there to test on", "another split, such as `--split train`")


def refuse_overlap(
    trained: Keys, tested: Iterable[Problem], test: str, *, named: str = "", allow: Sequence[str] = ()
) -> list[str]:
    """Return the ids of test problems whose questions are trained on; raise `UsageError` unless that is allowed.

    `named` is how `decontaminate` would be told of the test problems.
    """
    overlap = [problem.id for problem in tested if key(problem) in trained]
    if overlap and ALLOWED not in allow:
        raise UsageError(
            f"{len(overlap):,} problems of `{test}` ask what the corpus asks: {_named(overlap)}",
            f"take them out with `--keep decontaminate={named or test}`, or `--allow test`, which results then say",
        )
    return overlap


def _is_known(dataset: str) -> bool:
    name, _, rest = dataset.partition("/")
    return bool(rest) and is_test(f"{name}/{ALLOWED}")


def _tested(store: Store | None) -> Iterator[tuple[str, Keys]]:
    """Stream what runs of a store on known test splits were asked, each set of problems once."""
    names: set[str] = set()
    for run in store.runs() if store is not None else ():
        settings = run.settings
        if is_test(settings.dataset) and settings.problems not in names:
            names.add(settings.problems)
            yield settings.dataset, keys_of(trace.problem for trace in run.traces())


def _named(ids: Sequence[str]) -> str:
    listed = ", ".join(f"`{one}`" for one in islice(sorted(ids), _SHOWN))
    return listed if len(ids) <= _SHOWN else f"{listed} and {len(ids) - _SHOWN:,} more"


def _refused(what: str, instead: str) -> UsageError:
    return UsageError(
        what, f"name {instead}; or `--allow test`, which is kept on the card and said wherever the student is tested"
    )
