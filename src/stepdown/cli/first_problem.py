"""One problem solved by several methods at once, and shown one after another as they are written."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from stepdown.cli.console.live_answer import LiveAnswer
from stepdown.cli.console.terminal import show
from stepdown.prompts import question_text
from stepdown.runner import Calls, Delta, Task, close_models, grade_trace, stream_one
from stepdown.store import Store, StoredTrace
from stepdown.types import Grade, Problem, Role, Trace


class FirstTrace(msgspec.Struct, frozen=True):
    """How one task's method did on the problem, and what it sent."""

    trace: Trace
    grade: Grade
    seconds: float


async def show_problem(tasks: Sequence[Task], problem: Problem, store: Store) -> list[FirstTrace]:
    """Solve a problem by every task at once and show each, in their order, as it is written.

    The calls are those of the tasks' runs, which then find them in the store. Raises `EndpointRefused`.
    """
    show(question_text(problem), "")
    calls, began = Calls(store), asyncio.get_running_loop().time()
    streams: list[asyncio.Queue[Delta | StoredTrace | None]] = [asyncio.Queue() for _ in tasks]
    solved: list[FirstTrace] = []
    try:
        async with asyncio.TaskGroup() as group:
            for task, stream in zip(tasks, streams, strict=True):
                group.create_task(_follow(task, problem, calls, stream))
            for task, stream in zip(tasks, streams, strict=True):
                trace = await _show(task, stream)
                grade = await grade_trace(task.grader, trace)
                show("", _verdict(trace, grade), "")
                solved.append(FirstTrace(trace, grade, asyncio.get_running_loop().time() - began))
    except ExceptionGroup as errors:
        # One reason is enough: the others are its consequence.
        raise errors.exceptions[0] from None
    finally:
        await calls.close()
        for task in tasks:
            await close_models(task)
    return solved


async def _follow(
    task: Task, problem: Problem, calls: Calls, stream: "asyncio.Queue[Delta | StoredTrace | None]"
) -> None:
    try:
        async with aclosing(stream_one(task, problem, calls)) as written:
            async for update in written:
                stream.put_nowait(update)
    finally:
        stream.put_nowait(None)


async def _show(task: Task, stream: "asyncio.Queue[Delta | StoredTrace | None]") -> Trace:
    """Show what one task writes, under its method's name, and return its trace."""
    names: dict[Role, str] = {"teacher": (task.planner or task.student).name, "student": task.student.name}
    show(f"── {task.method.name}")
    live, trace = LiveAnswer(lambda role: names[role]), None
    while (update := await stream.get()) is not None:
        if isinstance(update, Delta):
            live.add(update)
        else:
            trace = update.trace
    live.end()
    if trace is None:
        # It failed, which its group is about to say.
        raise asyncio.CancelledError
    return trace


def _verdict(trace: Trace, grade: Grade) -> str:
    if trace.error is not None:
        return f"failed: {trace.error}"
    why = grade.why or f"found {grade.found or 'nothing'}"
    return f"{grade.verdict} · gold {trace.problem.answer} · {why} ({grade.grader})"
