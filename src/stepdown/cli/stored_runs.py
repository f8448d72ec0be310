"""Finding runs and grades in the store for the verbs that read them."""

from collections.abc import Iterator

from stepdown.store import Run, Store
from stepdown.types import Finish, Grade, Trace

# What is said of a trace with a reply that is not known to be whole.
ENDINGS: dict[Finish, str] = {
    "stop": "",
    "length": "cut at its token limit; a higher --max-tokens lets it go on",
    "filter": "stopped by a filter",
    "unknown": "ended for an unknown reason",
}


def runs_of(store: Store, names: tuple[str, ...]) -> list[Run]:
    """Return the runs of these ids or beginnings of ids, each once, in this order; all runs where none is named."""
    if not names:
        return store.runs()
    return list({run.id: run for run in (store.run(name) for name in names)}.values())


def attempts_of(run: Run, *, problem: str | None = None, grader: str = "") -> Iterator[tuple[Trace, Grade]]:
    """Stream the traces of a run, or of one problem of it, with their grades. Raises `UnknownName`."""
    name = run.stored_grader(grader)
    if problem is None:
        yield from run.graded(name)
        return
    run.trace(problem)  # says which problems there are where this is none of them
    yield from ((trace, grade) for trace, grade in run.graded(name) if trace.problem.id == problem)
