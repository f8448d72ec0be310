"""`stepdown demo`: the main job on this machine, with real models and no key."""

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
from stepdown.settings import BudgetSettings, EndpointSettings, GridSettings, ProblemSettings, RunSampling
from stepdown.store import Run, Store
from stepdown.types import Grade, Trace

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
        session = Session(tasks_of(problems, grid, sampling, players), players, BudgetSettings())
        session.work()
        if session.stopped is None and not output.json:
            show_story(store, session)
            return session.exit_code
        return finish(session, as_json=output.json)


def show_story(store: Store, session: Session) -> None:
    """Write one worked example, the report, and what it took."""
    runs = [store.run(result.run) for result in session.results]
    example = worked_example(runs[-1], runs[0])
    if example is not None:
        show(f"One problem, by {runs[-1].settings.method}:", "", block(*example), "")
    show(str(report(*runs, prices=session.prices)))
    calls, cached = (sum(getattr(result, name) for result in session.results) for name in ("calls", "cached"))
    seconds = sum(result.seconds for result in session.results)
    show("", f"{calls} calls in {seconds:.0f} s; {cached} calls were answered by the store.")
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
