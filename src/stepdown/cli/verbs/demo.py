"""`stepdown demo`: the main job on this machine, with real models and no key."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.grid_table import GridTable
from stepdown.cli.console.report_text import report_text
from stepdown.cli.console.terminal import is_lively, say, say_error, show
from stepdown.cli.first_problem import FirstTrace, show_problem
from stepdown.cli.grid import Players, tasks_of
from stepdown.cli.options import CHOICE, OutputOptions
from stepdown.cli.problem_choice import load_chosen
from stepdown.cli.session import Session
from stepdown.cli.verbs.ask import STUDENT, TEACHER
from stepdown.cli.verbs.run import finish
from stepdown.errors import Interrupted
from stepdown.reports import report
from stepdown.runner import plain
from stepdown.settings import BudgetSettings, EndpointSettings, GridSettings, ProblemSettings, RunSampling
from stepdown.text import counted

DATASET = "wordsums"
# Room for every step of a word sum; a small model that rambles on is cut here.
MAX_TOKENS = 400


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
        session = Session(tasks, players, BudgetSettings())
        if output.json:
            session.work()
            return finish(session, as_json=True)
        players.fetch()
        say("", "the first problem, by each method:", "")
        first = plain(show_problem(tasks, next(iter(problems)), store))
        say(f"now all {counted(options.limit, 'problem')}; Ctrl-C reports what there is by then", "")
        if is_lively(sys.stderr):
            session.screen = GridTable(session.entries)
        session.work()
        return end(session, first)


def end(session: Session, first: Sequence[FirstTrace]) -> int:
    """Write the report of what there is, and what it took; return the exit code."""
    if session.stopped is not None and not isinstance(session.stopped, Interrupted):
        return finish(session, as_json=False)
    runs = [session.store.run(result.run) for result in session.results if result.graded]
    if runs:
        show(report_text(report(*runs, prices=session.prices)))
    # What the first problem took was sent before the runs, which found it in the store.
    sent = sent_by(first)
    calls, cached = (sum(getattr(result, name) for result in session.results) for name in ("calls", "cached"))
    seconds = session.seconds + max((one.seconds for one in first), default=0.0)
    show("", f"{calls + sent} calls in {seconds:.0f} s; {max(0, cached - sent)} calls were answered by the store.")
    if runs:
        ids = " ".join(run.id for run in runs)
        say("", f"next: `stepdown traces {runs[-1].id} --where wrong`, `stepdown report {ids} --html report.html`, "
            f"`stepdown plans {runs[-1].id}`")  # fmt: skip
    if session.stopped is not None:
        say_error(session.stopped)
    return session.exit_code


def sent_by(first: Sequence[FirstTrace]) -> int:
    """Return how many calls the first problem sent; one that several methods share was sent once."""
    return sum(not call.reply.cached for one in first for call in one.trace.calls)
