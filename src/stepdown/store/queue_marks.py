"""What people say of the plans in a run's queue: put off, not worth an edit, and who edits which."""

import time
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from stepdown.store.run import Run
from stepdown.store.schema import QUEUE_SINCE

Mark = Literal["skipped", "discarded", "open", "assigned"]


class QueueMark(msgspec.Struct, frozen=True):
    """What was said last of a problem's plan: `skipped` or `discarded` by whom, or `open`; `person` is to edit it."""

    mark: Mark = "open"
    author: str = ""
    person: str = ""


NO_MARK = QueueMark()


def mark_plans(run: Run, problems: Sequence[str], mark: Mark, *, author: str, person: str = "") -> None:
    """Add what somebody says of plans: `open` takes back what was said before, `assigned` gives them to a person.

    Nothing is ever replaced: what was said last counts.
    """
    now = time.time()
    rows = [(run.id, problem, mark, person, author, now) for problem in problems]
    with run.store.writing() as db:
        db.executemany(
            "insert into queue_marks (run, problem, mark, person, author, created) values (?, ?, ?, ?, ?, ?)", rows
        )


def marked_plans(run: Run) -> Mapping[str, QueueMark]:
    """Return, by problem id, what was said last of the plans of a run that anything was said of."""
    if run.store.value("pragma user_version") < QUEUE_SINCE:
        return {}  # an older file that is only read
    marks: dict[str, QueueMark] = {}
    rows = run.store.db.execute(
        "select problem, mark, person, author from queue_marks where run = ? order by id", (run.id,)
    )
    for problem, mark, person, author in rows:
        before = marks.get(problem, NO_MARK)
        if mark == "assigned":
            marks[problem] = msgspec.structs.replace(before, person=person)
        else:
            marks[problem] = QueueMark(mark, author, before.person)
    return marks
