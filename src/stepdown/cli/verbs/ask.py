"""`stepdown ask`: one question, the plan, then the solution."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.editor import edited, person
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.from_settings import verb
from stepdown.cli.grid import Players
from stepdown.cli.options import CHOICE, Flag, OutputOptions
from stepdown.cli.required_extras import check_extras
from stepdown.cli.stored_runs import ENDINGS
from stepdown.cli.unused_options import given, refuse
from stepdown.errors import UsageError
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import Prices
from stepdown.prompts import completes, load_prompts, with_stops
from stepdown.runner import Calls, Plans, Task, as_problems, plain, solve_one
from stepdown.settings import PLANNING, EndpointSettings, RunSampling
from stepdown.store import trace_line
from stepdown.text import counted
from stepdown.types import LETTERS, Grade, Plan, Problem, Trace

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
    """

    teacher: str = TEACHER
    student: str = STUDENT
    method: str = "trace-of-thought"
    plan: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    edit: Flag = False
    choices: Annotated[tuple[str, ...], Parameter(show_default=False)] = ()
    prompts: str = "default"


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
    if load_method(options.method, code=True).plan is None:
        unused = given(options, "teacher", "plan", "edit") + given(sampling, *PLANNING)
        refuse(unused, f"`{options.method}` has no plan", "choose another --method, or leave it out")
    elif options.plan is not None:
        unused = given(options, "teacher") + given(sampling, *PLANNING)
        refuse(unused, "with --plan no teacher is used", "leave one of them out")
    check_extras((options.student, options.teacher))
    problem = problem_of(question, options.choices)
    plan = None if options.plan is None else read_plan(options.plan)
    with output.open() as store:
        players = Players(store, endpoint)
        task = task_of(problem, options, sampling, players, teach=plan is None)
        task.check()
        players.fetch()
        trace = plain(solve_one(task, problem, plan, Calls(store), revise=reviser(options, output)))
    if output.json:
        show_json(trace_line("", trace, Grade("ungraded", why="there is no gold"), Prices()))
    else:
        show_solution(trace)
    return 0


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


def task_of(problem: Problem, options: AskOptions, sampling: RunSampling, players: Players, *, teach: bool) -> Task:
    """Return the task of one question; `teach` says that a teacher writes the plan."""
    method = load_method(options.method, code=True)
    teacher = players.load(options.teacher) if teach and method.plan is not None else None
    student, words = players.load(options.student), load_prompts(options.prompts, code=True)
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


def reviser(options: AskOptions, output: OutputOptions) -> Callable[[Plan], Plan]:
    """Return what shows the plan, once a person has edited it if they want to."""

    def revise(plan: Plan) -> Plan:
        changed = edited(plan, author=person()) if options.edit else plan
        if not output.json:
            show(f"plan ({changed.author}):", *steps_of(changed), "")
            say(f"solving with {options.student} ...")
        return changed

    return revise


def steps_of(plan: Plan) -> list[str]:
    """Return a plan's steps, numbered."""
    return [f"  {number}. {step}" for number, step in enumerate(plan.steps, 1)]


def show_solution(trace: Trace) -> None:
    """Write the solution, and what it took."""
    cut = f" ({ENDINGS[trace.ending]})" if trace.truncated else ""
    show(f"solution ({trace.calls[-1].model}){cut}:", (trace.solution or "").strip())
    sent = sum(not call.reply.cached for call in trace.calls)
    say("", f"{counted(sent, 'call')} sent, {len(trace.calls) - sent} answered by the store")
