"""A run's marks by criterion at a terminal."""

import msgspec

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import show, show_json
from stepdown.graders import Rubric
from stepdown.measuring import RunMarks, differing_marks, final_marks, questions_of
from stepdown.reports import marks_table
from stepdown.store import Run, stored_marks
from stepdown.text import clipped


class DifferingMark(msgspec.Struct, frozen=True):
    """A solution that raters mark differently by a criterion: each one's mark, and the final one where there is any."""

    problem: str
    sample: int
    criterion: str
    marks: dict[str, str]
    final: str | None


class DifferingMarks(msgspec.Struct, frozen=True):
    """What `marks --differ --json` says."""

    run: str
    differing: tuple[DifferingMark, ...]


def show_marks(result: RunMarks) -> None:
    """Write the marks of a run as a table."""
    table = marks_table([result])
    show_table(table.title, table.header, table.rows, words=table.numbers, note=table.note)


def show_differing(run: Run, rubric: Rubric | None, *, as_json: bool) -> int:
    """Write the solutions that raters mark differently, as a table or as JSON; 0."""
    found = DifferingMarks(run.id, _differing(run, rubric))
    if as_json:
        show_json(found)
    elif not found.differing:
        show("raters differ on no solution that more than one of them marked")
    else:
        rows = [
            (clipped(one.problem, 40), str(one.sample), one.criterion or "verdict", _marks(one.marks), one.final or "")
            for one in found.differing
        ]
        note = f"Decide with `stepdown marks {run.id} --final PROBLEM=MARK`, or at /marks/{run.id}/differ of `serve`."
        show_table(
            "Where raters differ", ("problem", "sample", "criterion", "marks", "final"), rows, words=5, note=note
        )
    return 0


def _differing(run: Run, rubric: Rubric | None) -> tuple[DifferingMark, ...]:
    stored, questions = stored_marks(run), questions_of(rubric)
    names, finals = {one.key: one.criterion for one in questions}, final_marks(stored)
    return tuple(
        DifferingMark(*place, names[key], marks, finals[*place, key].mark if (*place, key) in finals else None)
        for place, by in differing_marks(stored, questions).items()
        for key, marks in by.items()
    )


def _marks(marks: dict[str, str]) -> str:
    return ", ".join(f"{clipped(rater, 20)} {mark}" for rater, mark in marks.items())
