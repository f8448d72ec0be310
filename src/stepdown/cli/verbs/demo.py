"""`stepdown demo`: the main job on this machine, with real models and no key."""

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show
from stepdown.cli.grid import Players, tasks_of
from stepdown.cli.options import CHOICE, OutputOptions
from stepdown.cli.problem_choice import load_chosen
from stepdown.cli.session import Session
from stepdown.cli.verbs.ask import STUDENT, TEACHER
from stepdown.cli.verbs.run import finish
from stepdown.cli.verbs.traces import block
from stepdown.reports import report
from stepdown.runner import LiveCounts
from stepdown.settings import BudgetSettings, EndpointSettings, GridSettings, ProblemSettings, RunSampling
from stepdown.store import Run, Store
from stepdown.types import Grade, Trace

DATASET = "wordsums"
# Room for every step of a word sum; a small model that rambles on is cut here.
MAX_TOKENS = 400
_MOMENT = 0.1


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What is shown.

    Parameters
    ----------
    limit
        How many word sums.
    teacher
        The model that writes plans.
    student
        The model that solves.
    """

    limit: Annotated[int, Parameter(name=["--limit", "-n"])] = 12
    teacher: str = TEACHER
    student: str = STUDENT


DEFAULTS, OUTPUT = DemoOptions(), OutputOptions()


def demo(*, options: DemoOptions = DEFAULTS, output: OutputOptions = OUTPUT) -> int:
    """Solve word sums by all four methods with small models, and compare."""
    grid = GridSettings(method=("all",), student=(options.student,), teacher=(options.teacher,))
    sampling = RunSampling(max_tokens=MAX_TOKENS, teacher_max_tokens=MAX_TOKENS)
    with output.open() as store:
        players = Players(store, EndpointSettings())
        problems = load_chosen(ProblemSettings(limit=options.limit, split="test"), DATASET)
        say(f"{options.limit} generated word sums, four methods; teacher {options.teacher}, student {options.student}; "
            f"store {store.path}")  # fmt: skip
        tasks = tasks_of(problems, grid, sampling, players)
        # The example is of the last run, which teacher and student work on in turn: it would be the last to come.
        session = Session(tasks, players, BudgetSettings(), first=len(tasks) - 1)
        story = Story(store, session)
        session.watch = None if output.json else story.follow
        session.work()
        if session.stopped is None and not output.json:
            story.end()
            return session.exit_code
        return finish(session, as_json=output.json)


class Story:
    """Writes one worked example of the last run as soon as there is one, at the end the report and what it took."""

    def __init__(self, store: Store, session: Session) -> None:
        self.store, self.session = store, session
        self.plain, *_, self.run = session.settings
        self.shown = self.due = False

    def follow(self, counts: LiveCounts) -> None:
        """Look for the example once a problem of the last run is right."""
        if counts.run == self.run and counts.right and not (self.shown or self.due):
            self.due = True
            # What was graded now is in the store a moment later.
            asyncio.get_running_loop().call_later(_MOMENT, self._look)

    def _look(self) -> None:
        self.due = False
        if self.store.run(self.run).summary().right:
            self.session.screen.aside(self._tell)

    def _tell(self) -> None:
        run = self.store.run(self.run)
        example = worked_example(run, self.store.run(self.plain))
        if example is not None and not self.shown:
            self.shown = True
            show(f"One problem, by {run.settings.method}:", "", block(*example), "")
            sys.stdout.flush()

    def end(self) -> None:
        """Write the example if there was none before, the report and what it took."""
        self._tell()
        results, runs = self.session.results, [self.store.run(run) for run in self.session.settings]
        show(str(report(*runs, prices=self.session.prices)))
        calls, cached = (sum(getattr(result, name) for result in results) for name in ("calls", "cached"))
        show("", f"{calls} calls in {self.session.seconds:.0f} s; {cached} calls were answered by the store.")
        ids = " ".join(run.id for run in runs)
        say("", f"next: `stepdown traces {runs[-1].id} --where wrong`, `stepdown report {ids} --html report.html`, "
            f"`stepdown plans {runs[-1].id}`")  # fmt: skip


def worked_example(run: Run, plain: Run) -> tuple[Trace, Grade] | None:
    """Return a trace of a run that is right where the plain run is wrong, else a right one, else the first."""
    wrong = {trace.problem.id for trace, grade in plain.graded() if grade.verdict == "wrong"}
    best, rank = None, -1
    for trace, grade in run.graded():
        here = (grade.verdict == "right") + (grade.verdict == "right" and trace.problem.id in wrong)
        if here > rank:
            best, rank = (trace, grade), here
    return best
