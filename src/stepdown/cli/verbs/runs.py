"""`stepdown runs`: the runs of the store."""

import time

import msgspec

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.options import OutputOptions
from stepdown.store import Run, StoredShards, cut_runs
from stepdown.text import clipped, method_of, plans_of, short

OUTPUT = OutputOptions()


class ListedRun(msgspec.Struct, frozen=True):
    """A line of `runs --json`; counts are of traces, `total` those the settings ask for, `created` in unix seconds.

    `shards` says of a run which parts of it are here (`1 of 3 shards`), and is empty where the others are too.
    """

    run: str
    created: float
    dataset: str
    method: str
    student: str
    teacher: str
    plans: str
    control: str
    samples: int
    right: int
    graded: int
    total: int
    grader: str
    origin: str
    shards: str = ""


def runs(*, output: OutputOptions = OUTPUT) -> int:
    """List the runs of the store, oldest first."""
    rows = []
    if output.store_path.exists():
        with output.read() as store:
            cut = cut_runs(store)
            rows = [listed(run, cut.get(run.id)) for run in store.runs()]
    if output.json:
        for one in rows:
            show_json(one)
    elif rows:
        show_table("Runs", _HEADER, map(cells, rows), words=6, note=f"Counts are of traces. Store: {output.store_path}")
    else:
        say(f"there are no runs in {output.store_path}; `stepdown demo` makes some")
    return 0


_HEADER = ("run", "date", "problems", "method", "student", "plans", "right/graded/total")


def listed(run: Run, cut: StoredShards | None = None) -> ListedRun:
    """Return what the list says of a run."""
    settings, tally = run.settings, run.tally()
    return ListedRun(
        run=run.id,
        created=run.created,
        dataset=settings.dataset,
        method=settings.method,
        student=settings.student,
        teacher=settings.teacher,
        plans=settings.plans,
        control=settings.control,
        samples=settings.samples,
        right=tally.rights,
        graded=tally.rights + tally.wrongs,
        total=max(settings.count * settings.samples, tally.traces),
        grader=run.grader,
        origin=settings.origin,
        shards=str(cut or ""),
    )


def cells(one: ListedRun) -> tuple[str, ...]:
    """Return the cells of a run's line."""
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.created))
    figures = f"{one.right}/{one.graded}/{one.total}" + (f", {one.shards}" if one.shards else "")
    return one.run, date, clipped(one.dataset, 30), method_of(one), short(one.student), plans_of(one), figures
