"""One problem of a stored run, solved again by an edited plan, kept in a run derived from the first."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from threading import Event

import msgspec

from stepdown.errors import CallFailed, UnknownName, UsageError
from stepdown.graders import judge_of, load_grader, majority_grade
from stepdown.methods import load_method
from stepdown.prompts import PROMPT_SETS, PromptSet, load_prompts
from stepdown.runner.api_options import as_problems
from stepdown.runner.calls import Calls
from stepdown.runner.deltas import Delta
from stepdown.runner.fresh import FreshDraws
from stepdown.runner.live_run import grade_trace, vote_of
from stepdown.runner.plan_sources import Plans
from stepdown.runner.prompt_choice import trained_on
from stepdown.runner.streaming import stream_one
from stepdown.runner.task import Task
from stepdown.store import BY_PERSON, SOURCE, Run, Store, StoredTrace, carry_over, put_solved_again
from stepdown.types import Grade, Grader, Method, Model, Plan, Problem, Settings, Trace, Verdict
from stepdown.usercode import source_of

Graded = tuple[tuple[Trace, Grade], ...]


class Rerun(msgspec.Struct, frozen=True):
    """A problem solved again: its samples in the derived run `run`, and what the first run had `before`."""

    run: Run
    after: Graded
    before: Graded

    @property
    def flip(self) -> tuple[Verdict, Verdict]:
        """The verdict before and after; of several samples the one their vote gives."""
        old, new = (majority_grade(some).verdict for some in (self.before, self.after))
        return old, new


async def solve_again(
    run: Run,
    problem: str,
    *,
    plan: Plan,
    student: Model,
    calls: Calls,
    prompts: str = "",
    seconds: float | None = None,
) -> AsyncGenerator[Delta | Rerun, None]:
    """Solve one problem of a run by a plan, with any student; yield the student's text, then the rerun.

    The solution is graded by the run's grader and lies in a derived run (`plans="edited/RUN"`). With the run's own
    student and words that run begins as a copy of the first, so that the two differ in what was solved again and in
    nothing else; otherwise it holds only what was solved again. A plan that is an edit is kept in the first run before
    a model is asked, with the `seconds` it took. Solutions at a temperature above 0 without a seed are fresh draws,
    whatever the store has. Raises `UsageError` before anything is kept, `CallFailed`, `EndpointRefused`,
    `BudgetReached`; then the derived run is as it was.
    """
    before = tuple((trace, grade) for _, trace, grade in run.attempts(problem))
    if not before:
        raise UnknownName("problem of this run", problem, [])
    task = task_again(run, before[0][0].problem, student=student, prompts=prompts)
    if plan.edited_from is not None and plan not in [edit.plan for edit in run.edits() if edit.problem == problem]:
        await run.store.apart(lambda store: store.run(run.id).put_edit(problem, plan, seconds=seconds))
    settings, rows = settings_again(run, task), list[StoredTrace]()
    deltas = stream_one(task, task.problems[0], FreshDraws(calls), run=run.store.id_of(settings), plan=plan)
    async with aclosing(deltas) as written:
        async for one in written:
            if isinstance(one, StoredTrace):
                rows.append(one)
            elif one.role != "teacher":
                yield one
    _check(rows)
    derived = await _derive(run, task, settings)
    yield Rerun(derived, await _keep(derived, rows, task.grader, ordinal=run.attempts(problem)[0][0]), before)


def _check(rows: list[StoredTrace]) -> None:
    for row in rows:
        if row.trace.error is not None:
            raise CallFailed(row.trace.error, "the edit is kept; solve again to try once more")


def task_again(run: Run, problem: Problem, *, student: Model, prompts: str = "") -> Task:
    """Return the task of solving one problem of a run again. Raises `UsageError` where that cannot be as it was."""
    settings = run.settings
    if settings.code:
        raise UsageError(
            f"`{settings.method}` of run `{run.id}` is a method of somebody's own, and its code is not here",
            "solve by it from the program that has it: `stepdown.solve(problem, method, plan=...)`",
        )
    method = load_method(settings.method)
    if method.plan is None:
        raise UsageError(f"`{settings.method}` has no plans to solve by", "edit a plan of a trace-of-thought run")
    task = Task(
        problems=as_problems([problem]),
        method=method,
        student=student,
        plans=Plans(source=SOURCE + run.id),
        grader=_grader(run),
        prompts=words_again(settings, method, student, named=prompts),
        sampling=settings.sampling,
        samples=settings.samples,
    )
    task.check()
    return task


def _grader(run: Run) -> Grader:
    name = run.grader.removesuffix(BY_PERSON)
    if judge_of(name):
        raise UsageError(
            f"`{name}` graded run `{run.id}`, and a judge is not asked about one trace",
            f"`stepdown grade {run.id} --grader default` first",
        )
    return load_grader(name or "default")


def words_again(settings: Settings, method: Method, student: Model, *, named: str = "") -> PromptSet:
    """Return the prompt set a run was asked in; another student that was trained on words of its own is asked in those.

    Raises `UsageError` where the run's set was a file, or has been reworded since, and none is named.
    """
    if named:
        return load_prompts(named)
    if student.name != settings.student and trained_on(student) != "default":
        return load_prompts(trained_on(student))
    first, _, second = settings.prompt_set.partition("/")
    words, planner = PROMPT_SETS.get(first), PROMPT_SETS.get(second or first)
    if words is not None and planner is not None and second:
        words = words.planned_by(planner, method)
    if words is None or words.fingerprint_for(method) != settings.prompts:
        raise UsageError(
            f"the run was asked in the prompt set `{settings.prompt_set}`, whose words are not here",
            "name the file with `stepdown plans RUN --edit PROBLEM --solve --prompts FILE`, or a set by its name",
        )
    return words


def settings_again(run: Run, task: Task) -> Settings:
    """Return the settings of the derived run: the first one's, with who solves and where the plans come from."""
    return msgspec.structs.replace(
        run.settings,
        student=task.student.name,
        sources=(source_of(task.student), *run.settings.sources[1:]),
        prompt_set=task.prompts.name,
        prompts=task.prompts.fingerprint_for(task.method),
        plans=task.plans.source,
        plan_samples=1,
        origin="",
    )


async def _derive(run: Run, task: Task, settings: Settings) -> Run:
    """Return the derived run, a copy of the first where the same student is asked in the same words."""
    if (settings.student, settings.prompts) == (run.settings.student, run.settings.prompts):
        await _copy(run, settings)
    else:
        await run.store.apart(lambda store: _open_derived(store, settings, task.grader.name))
    return run.store.run(run.store.id_of(settings))


def _open_derived(store: Store, settings: Settings, grader: str) -> None:
    derived = store.open_run(settings)
    if not derived.grader:
        derived.grader = grader


async def _copy(run: Run, settings: Settings) -> None:
    """Carry a run over on a thread with its own connection, which ends soon after nobody waits for it any more."""
    left = Event()

    def work() -> None:
        with Store(run.store.path, journal=run.store.journal) as store:
            carry_over(store.run(run.id), settings, stopped=left.is_set)

    try:
        await asyncio.to_thread(work)
    finally:
        left.set()


async def _keep(derived: Run, rows: list[StoredTrace], grader: Grader, *, ordinal: int) -> Graded:
    vote = await vote_of(grader, [row.trace for row in rows])
    grades = [await grade_trace(grader, row.trace, vote) for row in rows]

    def work(store: Store) -> None:
        own = store.run(derived.id)
        with store.writing():
            own.put_traces([msgspec.structs.replace(row, ordinal=ordinal) for row in rows])
            put_solved_again(own, [(ordinal, row.trace.sample, grade) for row, grade in zip(rows, grades, strict=True)])

    await derived.store.apart(work)
    return tuple((row.trace, grade) for row, grade in zip(rows, grades, strict=True))
