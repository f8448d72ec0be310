"""What a run would take, from names alone: nothing is fetched, loaded as code, sent or written."""

import asyncio
from collections.abc import Callable

from stepdown.cli.estimates import costing_of
from stepdown.cli.mcp.bounds import Answer, bounded
from stepdown.cli.mcp.readings import StoreReadings
from stepdown.errors import UnknownName
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import load_model, unset_keys
from stepdown.problems import datasets, load_problems
from stepdown.prompts import completes, with_stops
from stepdown.runner import Plans, Task, estimate, load_plans, models_of, prompt_set_for
from stepdown.settings import ProblemSettings, RunSampling, check
from stepdown.store import Run

_TEXT = 1_500


def estimated(
    readings: StoreReadings,
    *,
    dataset: str,
    method: str,
    student: str,
    teacher: str,
    plans: str,
    problems: ProblemSettings,
    sampling: RunSampling,
) -> Answer:
    """Return what a run of these would take and cost. Raises `UsageError` for what cannot be, `UnknownName`."""
    check(problems)
    check(sampling)
    with readings.open() as store:
        task = _task(dataset, method, student, teacher, _plans(plans, store.run), problems, sampling)
        task.check()
        found = asyncio.run(estimate(task, store, readings.prices))
        unset = unset_keys(models_of(task))
        costing = costing_of(store.id_of(task.settings()), task, found, found.seconds, unset=unset)
    return bounded({"estimate": costing}, text=_TEXT)


def _plans(name: str, find_run: Callable[[str], Run]) -> Plans:
    return load_plans(name, "", find_run=find_run)


def _task(
    dataset: str,
    method: str,
    student: str,
    teacher: str,
    plans: Plans,
    problems: ProblemSettings,
    sampling: RunSampling,
) -> Task:
    """Return the run that is meant; names of code, of plugins and of files of problems lead nowhere here."""
    known = [one.name for one in datasets()]
    if dataset not in known:
        raise UnknownName("data set", dataset, known)
    chosen, solver = load_method(method), load_model(student, keyless=True)
    writer = load_model(teacher, keyless=True) if teacher else None
    words = prompt_set_for(chosen, "", solver, writer)
    examples = chosen.shows_examples
    planner = solver if plans.source == "own" else writer
    return Task(
        problems=load_problems(
            dataset, split=problems.split, limit=problems.limit, offset=problems.offset, seed=problems.problems_seed
        ),
        method=chosen,
        student=solver,
        teacher=writer,
        plans=plans if chosen.plan is not None else Plans(),
        grader=load_grader("default"),
        prompts=words,
        sampling=with_stops(sampling.sampling(), None, words, examples=examples, completes=completes(solver)),
        teacher_sampling=with_stops(sampling.teacher_sampling(), None, words, completes=completes(planner)),
    )
