"""What lists say of a run: the object of `runs --json`, and a line of the table."""

import time
from collections.abc import Sequence

import msgspec

from stepdown.cli.console.tables import show_table
from stepdown.store import NO_LABELS, Run, RunLabels, StoredShards
from stepdown.text import clipped, method_of, plans_of, short
from stepdown.types import StudyFile

_NAMES = ("run", "date", "problems", "method", "student", "plans")
_FIGURES = "right/graded/total"
_STUDY = " study: how the SHA-256 of its study file begins; *: options of the command line went before the file's."


class ListedRun(msgspec.Struct, frozen=True):
    """A line of `runs --json`; counts are of traces, `total` those the settings ask for, `created` in unix seconds.

    `shards` says of a run which parts of it are here (`1 of 3 shards`), and is empty where the others are too. `name`,
    `tags`, `note` and `hidden` are what people say of it, `studies` the study files that it was run by.
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
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    hidden: bool = False
    studies: tuple[StudyFile, ...] = ()


def show_runs(rows: Sequence[ListedRun], note: str) -> None:
    """Write the table of runs to stdout; what people call them and note has a column where there is any."""
    more = {"called": list(map(called, rows)), "note": [clipped(" ".join(one.note.split()), 40) for one in rows]}
    more["study"] = [", ".join(file.short for file in one.studies) for one in rows]
    more = {name: texts for name, texts in more.items() if any(texts)}
    lines = [(*cells(one)[:-1], *texts, cells(one)[-1]) for one, *texts in zip(rows, *more.values(), strict=True)]
    show_table(
        "Runs", (*_NAMES, *more, _FIGURES), lines, words=len(_NAMES) + len(more), note=note + _STUDY * ("study" in more)
    )


def called(one: ListedRun) -> str:
    """Return a run's name and tags, and whether it is hidden; "" where nothing is said of it."""
    return " ".join([one.name] * bool(one.name) + [f"@{word}" for word in one.tags] + ["(hidden)"] * one.hidden)


def listed(run: Run, cut: StoredShards | None = None, labels: RunLabels = NO_LABELS) -> ListedRun:
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
        name=labels.name,
        tags=labels.tags,
        note=labels.note,
        hidden=labels.hidden,
        studies=labels.studies,
    )


def cells(one: ListedRun) -> tuple[str, ...]:
    """Return the cells of a run's line."""
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.created))
    figures = f"{one.right}/{one.graded}/{one.total}" + (f", {one.shards}" if one.shards else "")
    return one.run, date, clipped(one.dataset, 30), method_of(one), short(one.student), plans_of(one), figures
