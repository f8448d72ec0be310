"""`stepdown ask`: one question, the plan, then the solution."""

import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from msgspec import structs

from stepdown.cli.aligned_lines import aligned_line
from stepdown.cli.console.editor import edited, person
from stepdown.cli.console.live_answer import LiveAnswer, numbered, show_answer
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.options import CHOICE, Flag, OutputOptions
from stepdown.cli.required_extras import check_extras
from stepdown.cli.resident_engine import KEEP, start_engine
from stepdown.cli.stored_runs import ENDINGS
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import CallFailed, UsageError
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import Prices, find_engine, find_setting, look_at
from stepdown.prompts import completes, load_prompts, with_stops
from stepdown.runner import ROLES, Calls, Delta, Plans, Task, as_problems, close_models, plain, stream_one
from stepdown.settings import PLANNING, EndpointSettings, RunSampling
from stepdown.store import StoredTrace
from stepdown.text import counted
from stepdown.types import LETTERS, Grade, Plan, Problem, Role, Trace

TEACHER, STUDENT = "embedded/qwen2.5-coder-1.5b", "embedded/qwen2.5-coder-0.5b"


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class AskOptions:
    """Who is asked and how.

    Parameters
    ----------
    teacher
        The model that writes the plan.
    student
        The model that solves.
    model
        The model that does both, unless --teacher names another for the plan.
    at
        The address of an OpenAI-compatible server, with or without `/v1`, nothing else set up: models are named as it
        lists them, and `-m` may be left out where it has one. Its key is looked for in `<HOST>_API_KEY`.
    method
        The way of solving.
    plan
        A file with your own plan, one step a line; `-` reads it from stdin. No teacher is asked.
    edit
        Open the plan in your editor before the student sees it.
    choices
        A choice, in order A, B, C...; may be given several times.
    prompts
        The prompt set.
    keep
        Keep models of this machine loaded for the next `ask`, in an engine in the background that ends when it was idle
        for 10 minutes; STEPDOWN_KEEP=1 does so always. One that runs is used in any case.
    """

    teacher: str = TEACHER
    student: str = STUDENT
    model: Annotated[str, Parameter(name=["--model", "-m"])] = ""
    at: str = ""
    method: str = "trace-of-thought"
    plan: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    edit: Flag = False
    choices: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    prompts: str = "default"
    keep: Flag = False


DEFAULTS, SAMPLING, ENDPOINT, OUTPUT = AskOptions(), RunSampling(), EndpointSettings(), OutputOptions()


@verb
def ask(
    question: str,
    /,
    *,
    options: AskOptions = DEFAULTS,
    sampling: RunSampling = SAMPLING,
    endpoint: EndpointSettings = ENDPOINT,
    output: OutputOptions = OUTPUT,
) -> int:
    """Ask one question and show the plan and the solution.

    Parameters
    ----------
    question
        The question's text.
    """
    _check_effects(options, sampling, endpoint)
    problem = problem_of(question, options.choices)
    plan = None if options.plan is None else read_plan(options.plan)
    with output.open() as store:
        keep = options.keep or find_setting(KEEP) not in ("", "0")
        players = Players(store, endpoint, engine=start_engine if keep else find_engine)
        cast = cast_of(options, players)
        check_extras((cast.student, *filter(None, (cast.teacher,))))
        task = task_of(problem, options, cast, sampling, players, teach=plan is None)
        task.check()
        players.fetch()
        trace = plain(solve_live(task, problem, plan, Calls(store), edit=options.edit, quiet=output.json))
    if output.json:
        show_json(aligned_line("", trace, Grade("ungraded", why="there is no gold"), Prices(), aligned=True))
    else:
        show_end(problem, trace)
    return 0


def _check_effects(options: AskOptions, sampling: RunSampling, endpoint: EndpointSettings) -> None:
    """Refuse options that would change nothing. Raises `UsageError`."""
    if load_method(options.method, code=True).plan is None:
        unused = given(options, "teacher", "plan", "edit") + given(sampling, *PLANNING)
        refuse(unused, f"`{options.method}` has no plan", "choose another --method, or leave it out")
    elif options.plan is not None:
        unused = given(options, "teacher") + given(sampling, *PLANNING)
        refuse(unused, "with --plan no teacher is used", "leave one of them out")
    if options.at:
        unused = given(options, "student") + given(endpoint, "servers", "on")
        refuse(unused, "the model at an address is named by -m", "leave it out, or leave --at out")
    elif options.model:
        refuse(given(options, "student"), "-m names the student", "leave one of them out")


class Cast(msgspec.Struct, frozen=True):
    """The model strings of who plays which role."""

    student: str
    teacher: str = ""


def cast_of(options: AskOptions, players: Players) -> Cast:
    """Return who plays which role; models at an address that was given are loaded. Raises `UsageError`."""
    named = given(options, "teacher")
    plans = load_method(options.method, code=True).plan is not None
    if not options.at:
        student = options.model or options.student
        return Cast(student, (options.teacher if named or not options.model else student) if plans else "")
    offer = plain(look_at(options.at))
    student = players.add(offer, offer.choose(options.model, "-m"))
    if not (plans and named):
        return Cast(student, student if plans else "")
    known = offer.models is None or options.teacher in offer.models
    # A teacher may be elsewhere: what is not listed here is a model string like any other.
    return Cast(student, players.add(offer, options.teacher) if known else options.teacher)


def problem_of(question: str, choices: tuple[str, ...]) -> Problem:
    """Return the question as a problem without a gold answer."""
    if not question.strip():
        raise UsageError("the question is empty", 'give a question: stepdown ask "QUESTION"')
    if len(choices) == 1 or len(choices) > len(LETTERS):
        raise UsageError(f"`{len(choices)}` choices cannot be asked about", "repeat --choices for each of them")
    return Problem("ask", question, "", choices, kind="choice" if choices else "text")


def read_plan(source: str) -> Plan:
    """Return the plan in a file, or on stdin where the place is `-`."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read a plan from `{source}`: {why}", "give a text file, or `-` for stdin") from error
    plan = Plan(text.strip(), author=person())
    if not plan.steps:
        raise UsageError(f"`{source}` holds no steps", "write one step a line")
    return plan


def task_of(
    problem: Problem, options: AskOptions, cast: Cast, sampling: RunSampling, players: Players, *, teach: bool
) -> Task:
    """Return the task of one question; `teach` says that a teacher writes the plan."""
    method = load_method(options.method, code=True)
    teacher = players.load(cast.teacher) if teach and cast.teacher else None
    student, words = players.load(cast.student), load_prompts(options.prompts, code=True)
    return Task(
        problems=as_problems([problem]),
        method=method,
        student=student,
        teacher=teacher,
        plans=Plans(source="teacher" if teacher else "own"),
        grader=load_grader("text"),
        prompts=words,
        sampling=with_stops(sampling.sampling(), sampling.stops, words, completes=completes(student)),
        teacher_sampling=with_stops(sampling.teacher_sampling(), None, words, completes=completes(teacher or student)),
    )


async def solve_live(
    task: Task, problem: Problem, plan: Plan | None, calls: Calls, *, edit: bool = False, quiet: bool = False
) -> Trace:
    """Solve a problem and show the plan and the solution as they are written, unless it is to be `quiet`.

    With `edit` the plan is opened in the editor before the student sees it. Raises `CallFailed`.
    """
    authors: dict[Role, str] = {"teacher": plan.author if plan else (task.planner or task.student).name}
    live = LiveAnswer(lambda role: authors.get(role, task.student.name))
    if edit:
        task = structs.replace(task, review=_Editing(live, quiet=quiet))
    roles = () if quiet else ("student",) if edit else ROLES
    rows: list[StoredTrace] = []
    try:
        async with aclosing(stream_one(task, problem, calls, plan=plan, roles=roles)) as written:
            async for update in written:
                if isinstance(update, Delta):
                    live.add(update)
                else:
                    rows.append(update)
    finally:
        live.end()
        await calls.close()
        await close_models(task)
    [row] = rows
    if row.trace.error is not None:
        raise CallFailed(row.trace.error, "the next same call tries again")
    return row.trace


class _Editing:
    """Opens each plan in the editor, and shows what became of it."""

    def __init__(self, live: LiveAnswer, *, quiet: bool) -> None:
        self.live, self.quiet = live, quiet

    async def __call__(self, run: str, problem: Problem, plan: Plan) -> Plan:
        changed = edited(plan, author=person())
        if not self.quiet:
            show(f"plan ({changed.author}):", *numbered(changed.steps), "")
        return changed


def show_end(problem: Problem, trace: Trace) -> None:
    """Write what the solution concludes, and what it took."""
    show_answer(problem, trace, ending=ENDINGS[trace.ending] if trace.truncated else "")
    sent = sum(not call.reply.cached for call in trace.calls)
    say("", f"{counted(sent, 'call')} sent, {len(trace.calls) - sent} answered by the store")
