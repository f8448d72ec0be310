"""Finding runs and grades in the store for the verbs that read them: the one place that says what a RUN may be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.options import CHOICE, Flag
from stepdown.errors import UnknownName, UsageError
from stepdown.store import Run, Store, ambiguous, ids_called, known_words, labels_of, last_command
from stepdown.types import Finish, Grade, Trace

# What is said of a trace with a reply that is not known to be whole.
ENDINGS: dict[Finish, str] = {
    "stop": "",
    "length": "cut at its token limit; a higher --max-tokens lets it go on",
    "filter": "stopped by a filter",
    "unknown": "ended for an unknown reason",
}
# What a word begins with that is no name: no name and no tag may.
MARK = "@"
LAST = "@last"


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class SelectionOptions:
    """Which runs, of those that are named or of all.

    Parameters
    ----------
    last
        Those that the last command ran or imported.
    tag
        Those with this tag; of several tags, those with all.
    """

    last: Flag = False
    tag: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()

    @property
    def narrows(self) -> bool:
        """Whether runs are chosen by more than their names."""
        return self.last or bool(self.tag)


def runs_called(store: Store, word: str) -> list[Run]:
    """Return the runs a word means, oldest first: by id, name or beginning of an id, else all on this data set.

    `@last` means those of the last command, `@TAG` those with a tag. Raises `UnknownName`.
    """
    if word == LAST:
        return runs_of(store, (), last=True)
    if word.startswith(MARK):
        return runs_of(store, (), tags=(word.removeprefix(MARK),))
    ids = ids_called(store, word)
    if ids:
        runs = {run.id: run for run in store.runs()}
        return [runs[name] for name in ids]
    file = Path(word).stem if Path(word).suffix else word
    found = [run for run in store.runs() if _is_on(run, word) or _is_on(run, file)]
    if not found:
        datasets = {run.settings.dataset for run in store.runs()}
        raise UnknownName("run", word, [*known_words(store), *datasets, *(one.partition("/")[0] for one in datasets)])
    return found


def one_run(store: Store, word: str) -> Run:
    """Return the only run a word means. Raises `UnknownName` for none, `UsageError` with the candidates for several."""
    found = runs_called(store, word)
    if len(found) > 1:
        raise ambiguous(word, [run.id for run in found])
    return found[0]


def runs_of(store: Store, names: Sequence[str], *, last: bool = False, tags: Sequence[str] = ()) -> list[Run]:
    """Return the runs these words mean, each once, in this order (all where there is none), narrowed by the rest.

    `last` keeps those of the last command, `tags` those that have all of these. Raises `UnknownName` for a word that
    means no run, `UsageError` where nothing is left.
    """
    found = list({run.id: run for name in names for run in runs_called(store, name)}.values())
    found = found if names else store.runs()
    if last:
        ids = last_command(store) or [run.id for run in store.runs()[-1:]]
        found = [run for run in found if run.id in ids]
    if tags:
        labels = labels_of(store)
        known = {tag for one in labels.values() for tag in one.tags}
        for tag in tags:
            if tag not in known:
                raise UnknownName("tag", tag, known, more="" if known else "`stepdown runs tag RUN TAG` gives one")
        found = [run for run in found if run.id in labels and {*tags} <= {*labels[run.id].tags}]
    if not found and (last or tags):
        raise UsageError("there is no such run", "`stepdown runs` lists runs with their names and tags")
    return found


def attempts_of(run: Run, *, problem: str | None = None, grader: str = "") -> Iterator[tuple[Trace, Grade]]:
    """Stream the traces of a run, or of one problem of it, with their grades. Raises `UnknownName`."""
    name = run.stored_grader(grader)
    if problem is None:
        yield from run.graded(name)
        return
    run.trace(problem)  # says which problems there are where this is none of them
    yield from ((trace, grade) for trace, grade in run.graded(name) if trace.problem.id == problem)


def _is_on(run: Run, dataset: str) -> bool:
    return run.settings.dataset == dataset or run.settings.dataset.startswith(f"{dataset}/")
