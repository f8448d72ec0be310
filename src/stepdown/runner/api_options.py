"""What a program may say of a run, in names or in objects, and the task that it means."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, cast

import msgspec

from stepdown.errors import UsageError
from stepdown.graders import PREFIX, RubricGrader, judged_by, load_grader, read_rubric, rubric_judge
from stepdown.methods import load_method
from stepdown.models import load_model
from stepdown.problems import Columns, Problems, load_problems
from stepdown.prompts import Demonstration, PromptSet, completes, load_demonstrations, with_demonstrations, with_stops
from stepdown.runner.budget import Budget
from stepdown.runner.cached_model import CachedModel
from stepdown.runner.calls import Calls
from stepdown.runner.held_plans import Review
from stepdown.runner.plan_sources import Plans, load_plans
from stepdown.runner.prompt_choice import prompt_set_for
from stepdown.runner.recorded import load_model_or_run
from stepdown.runner.task import Task
from stepdown.runner.together import ProgressCallback
from stepdown.shards import Shard, parse_shard
from stepdown.store import Run, Store
from stepdown.types import GREEDY, Grader, Method, Model, Problem, Sampling

JUDGE = "judge:"
_load = partial(load_model, code=True)


class SolveOptions(TypedDict, total=False):
    """Who solves, how it is said and drawn. Each may be a name, as on the command line, or the object itself."""

    student: Model | str
    """The model that solves; required. A model that was given by name is closed at the end."""
    teacher: Model | str
    """The model that writes plans."""
    plans: Plans | Run | str
    """Where plans come from: `teacher` (where not given), `own`, `gold`, a plans file, an earlier run or its id."""
    control: str
    """What is done to plans on purpose, such as `shuffled`."""
    grader: Grader | str
    """What reads solutions: a grader, its name, `judge:MODEL`, `rubric:FILE.toml` or `FILE.py:NAME`."""
    prompts: PromptSet | str
    """The prompt set; without one, the words that the models were trained on, else `default`."""
    demonstrations: Sequence[Demonstration] | str | Path
    """Worked examples for methods that show some, or their file; ours where none are given."""
    sampling: Sampling
    """How solutions are drawn; greedily where not given."""
    teacher_sampling: Sampling
    """How plans are drawn; greedily where not given."""
    stops: tuple[str, ...]
    """End a solution before any of these; the usual ones where not given."""
    store: Store | str | Path
    """Where calls and runs are kept; `STEPDOWN_STORE` or `stepdown.sqlite` where not given."""


class ProblemOptions(TypedDict, total=False):
    """Which problems, where a data set is given by name; the first two also choose of given ones."""

    limit: int
    """Take this many."""
    offset: int
    """Leave out the first ones."""
    split: str
    """The part of the data set; its default where not given."""
    data: str | Path
    """The data set's file, where it is not fetched."""
    columns: Columns
    """Which columns of a file hold what."""
    problems_seed: int
    """The seed of generated problems (`wordsums`)."""


class RunOptions(SolveOptions, ProblemOptions, total=False):
    """All that a run can be told."""

    shard: Shard | str | None
    """Solve this part of the problems only, such as `"2/3"`, by the hash of each question."""
    samples: int
    """Solutions drawn per problem, all by one plan; the majority decides."""
    plan_samples: int
    """Plans drawn per problem, among which the solutions take turns; give the teacher a temperature."""
    budget: Budget | float
    """A limit; a number is in US dollars, for this run with what it has cost before."""
    review: Review
    """Shown each plan before the student is; returns the one to follow."""
    progress: ProgressCallback
    """Called with what is done so far."""


def check_options(given: dict[str, Any], kind: type) -> None:
    """Raise `TypeError` for an option that there is not, as Python does for a keyword."""
    known = {name for one in kind.__mro__ for name in getattr(one, "__annotations__", ())} | set(kind.__annotations__)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise TypeError(f"there is no option `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""))


def problem_options(given: ProblemOptions) -> ProblemOptions:
    """Return the options that choose problems."""
    return cast(ProblemOptions, {name: one for name, one in given.items() if name in ProblemOptions.__annotations__})


def as_model(given: Model | str, store: Store) -> Model:
    """Return a model, by its name where a name is given. Raises `UsageError`."""
    return load_model_or_run(given, store, load=_load) if isinstance(given, str) else given


def as_grader(given: Grader | str, store: Store) -> Grader:
    """Return a grader, by its name where a name is given; a judge's replies are kept in the store."""
    if not isinstance(given, str):
        return given
    if given.startswith(PREFIX):
        rubric = read_rubric(given.removeprefix(PREFIX))
        model = load_model_or_run(rubric_judge(rubric, given), store, load=_load)
        return RubricGrader(rubric, CachedModel(model, Calls(store)))
    if given.startswith(JUDGE):
        return judged_by(CachedModel(load_model_or_run(given.removeprefix(JUDGE), store, load=_load), Calls(store)))
    return load_grader(given, code=True)


def as_problems(given: Problems | Iterable[Problem] | str, options: ProblemOptions | None = None) -> Problems:
    """Return problems; a sequence becomes the data set its first id names, a name is looked up."""
    options = options or {}
    limit, offset = options.get("limit"), options.get("offset", 0)
    if isinstance(given, str | Path):
        chosen = {name: options.get(name) for name in ("split", "data", "columns")}
        seed = options.get("problems_seed", 0)
        return load_problems(str(given), limit=limit, offset=offset, seed=seed, code=True, **chosen)  # type: ignore[arg-type]
    for name in ("split", "data", "columns", "problems_seed"):
        if name in options:
            raise UsageError(f"`{name}` chooses of a data set that is given by its name", "leave it out")
    problems = given if isinstance(given, Problems) else _listed(tuple(given))
    if limit is None and not offset:
        return problems
    end = None if limit is None else offset + limit
    return Problems(problems.dataset, lambda: islice(problems.places(), offset, end), id_column=problems.id_column)


def _listed(problems: Sequence[Problem]) -> Problems:
    name = problems[0].id.rpartition("/")[0] if problems else ""
    return Problems(name or "problems", lambda: ((None, problem) for problem in problems))


def as_plans(given: Plans | Run | str, control: str, store: Store) -> Plans:
    """Return a source of plans, by its name or of a run. Raises `UnknownName`."""
    if isinstance(given, Plans):
        return msgspec.structs.replace(given, control=control or given.control)
    if isinstance(given, Run):
        return load_plans(given.id, control, find_run=given.store.run)
    return load_plans(given, control, find_run=store.run)


def task_of(
    problems: Problems, method: Method | str, given: RunOptions, store: Store, *, source: Plans | None = None
) -> Task:
    """Return the task that these options mean; `source` takes the place of theirs. Raises `UsageError`."""
    method = load_method(method, code=True) if isinstance(method, str) else method
    if (solver := given.get("student")) is None:
        raise UsageError("there is no student", 'name one: `student="ollama/llama3.2:1b"`')
    student, writer = as_model(solver, store), given.get("teacher")
    teacher = None if writer is None else as_model(writer, store)
    plans = source or as_plans(given.get("plans", "teacher"), given.get("control", ""), store)
    named = given.get("prompts", "")
    words = prompt_set_for(method, named, student, teacher, code=True) if isinstance(named, str) else named
    planner = student if plans.source == "own" else teacher
    demonstrations = as_demonstrations(given.get("demonstrations", ()))
    return Task(
        problems=problems,
        method=method,
        student=student,
        teacher=teacher,
        plans=plans,
        grader=as_grader(given.get("grader", "default"), store),
        prompts=with_demonstrations(words, demonstrations) if method.shows_examples else words,
        sampling=with_stops(
            given.get("sampling", GREEDY),
            given.get("stops"),
            words,
            examples=method.shows_examples,
            completes=completes(student),
        ),
        teacher_sampling=with_stops(given.get("teacher_sampling", GREEDY), None, words, completes=completes(planner)),
        samples=given.get("samples", 1),
        plan_samples=given.get("plan_samples", 1),
        review=given.get("review"),
        shard=as_shard(given.get("shard")),
    )


def as_shard(given: Shard | str | None) -> Shard | None:
    """Return a shard, by its text where one is given. Raises `UsageError`."""
    return parse_shard(given) if isinstance(given, str) else given


def as_demonstrations(demonstrations: Sequence[Demonstration] | str | Path) -> tuple[Demonstration, ...]:
    """Return demonstrations, by their file where one is named."""
    return load_demonstrations(demonstrations) if isinstance(demonstrations, str | Path) else tuple(demonstrations)
