"""`stepdown traces`: what was asked and answered, problem by problem."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from stepdown.audits import leaked
from stepdown.cli.aligned_lines import aligned_line, alignment_of, steps_text
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Flag, Limit, OutputOptions, PricesFile, RunName
from stepdown.cli.stored_runs import ENDINGS, attempts_of, one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.models import Prices
from stepdown.prompts import question_text
from stepdown.store import Run, TraceFilter, TraceTests, trace_places
from stepdown.types import Grade, Trace

Where = Literal["wrong", "right", "ungraded", "truncated", "leaked", "edited"]
YesOrNo = Literal["yes", "no"]
Test = Callable[[Trace, Grade], bool]


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """Which traces.

    Parameters
    ----------
    where
        Only those that are so.
    grader
        Show this grader's stored grades, such as `strict`; otherwise the run's current ones.
    problem
        Only this problem's.
    words
        Only those with these words in the question or the problem's id.
    text
        Only those with these words in the plan or the solution.
    answer
        Only those in which this answer was found.
    tokens
        Only those of so many tokens in all their calls: `100-500`, `100-`, `-500` or `100`.
    steps
        Only those whose plan has so many steps: `3-5`, `3-`, `-5` or `3`.
    leaked
        Only those whose plan holds the answer: `yes`, or `no`.
    cut
        Only those cut at a limit: `yes`, or `no`.
    edited
        Only those whose plan a person edited: `yes`, or `no`.
    limit
        At most this many.
    aligned
        Also say what became of each step of the plan in the solution.
    """

    where: Where | None = None
    grader: Annotated[str, Parameter(show_default=False)] = ""
    problem: Annotated[str | None, Parameter(name="--problem")] = None
    words: str = ""
    text: str = ""
    answer: str = ""
    tokens: str = ""
    steps: str = ""
    leaked: YesOrNo | None = None
    cut: YesOrNo | None = None
    edited: YesOrNo | None = None
    limit: Limit = None
    prices: PricesFile = None
    aligned: Flag = False


ALL, OUTPUT = TraceOptions(), OutputOptions()


def traces(run: RunName, /, *, chosen: TraceOptions = ALL, output: OutputOptions = OUTPUT) -> int:
    """Show the traces of a run."""
    if not output.json:
        refuse(given(chosen, "prices"), "only --json gives what a trace cost", "add --json, or leave it out")
    with output.read() as store:
        stored = one_run(store, run)
        prices, number = Prices(chosen.prices), 0
        for trace, grade in islice(select(stored, chosen), chosen.limit):
            number += 1
            if output.json:
                show_json(aligned_line(stored.id, trace, grade, prices, aligned=chosen.aligned))
            else:
                show(block(trace, grade, aligned=chosen.aligned), "")
        if not number:
            say(f"run {stored.id} has no such trace")
    return 0


def select(run: Run, chosen: TraceOptions) -> Iterator[tuple[Trace, Grade]]:
    """Stream the traces that were chosen."""
    chosen_one = chooser(run, chosen.where)
    attempts = _looked_into(run, chosen) or attempts_of(run, problem=chosen.problem, grader=chosen.grader)
    return ((trace, grade) for trace, grade in attempts if chosen_one(trace, grade))


def _looked_into(run: Run, chosen: TraceOptions) -> Iterator[tuple[Trace, Grade]] | None:
    """Stream the traces that pass the tests of a search, None where none is asked for. Raises `UsageError`."""
    tests: dict[str, Any] = {name: getattr(chosen, name) or "" for name in TraceTests.__struct_fields__}
    wanted = TraceFilter(words=chosen.words, **tests)
    if not wanted.looks_inside:
        return None
    grader = run.stored_grader(chosen.grader)
    if chosen.problem is not None:
        run.trace(chosen.problem)  # says which problems there are where this is none of them
    places = set(trace_places(run, wanted, grader))
    return (
        (trace, grade)
        for ordinal, trace, grade in run.rows(grader)
        if (ordinal, trace.sample) in places and chosen.problem in (None, trace.problem.id)
    )


def chooser(run: Run, where: Where | None) -> Test:
    """Return what decides whether a trace is so."""
    edited = {edit.problem for edit in run.edits()} if where == "edited" else set()
    tests: dict[Where | None, Test] = {
        None: lambda trace, grade: True,
        "truncated": lambda trace, grade: trace.truncated,
        "leaked": lambda trace, grade: leaked(trace),
        "edited": lambda trace, grade: trace.problem.id in edited or bool(trace.plan and trace.plan.edited_from),
    }
    return tests.get(where, lambda trace, grade: grade.verdict == where)


def block(trace: Trace, grade: Grade, *, aligned: bool = False) -> str:
    """Return a trace as a person reads it, if `aligned` with what became of the plan's steps."""
    sample = f" · sample {trace.sample}" if trace.sample else ""
    cut = f" · {ENDINGS[trace.ending]}" if trace.truncated else ""
    head = f"── {trace.problem.id}{sample} · {grade.verdict}{cut}"
    parts = [head, question_text(trace.problem)]
    if trace.plan is not None:
        edited = ", edited" if trace.plan.edited_from is not None else ""
        parts.append(f"plan ({trace.plan.author}{edited}):\n{trace.plan.text.strip()}")
    if trace.solution is not None:
        parts.append(f"solution:\n{trace.solution.strip()}")
    if aligned and (alignment := alignment_of(trace)):
        parts.append(steps_text(alignment))
    if trace.error is not None:
        parts.append(f"failed: {trace.error}")
    else:
        why = grade.why or f"found {grade.found or 'nothing'}"
        parts.append(f"gold {trace.problem.answer} · {why} ({grade.grader or 'not graded yet'})")
    return "\n\n".join(parts)
