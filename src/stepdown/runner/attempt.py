"""One attempt at a problem: the plan, the calls it takes, and what becomes of it when a call fails."""

import asyncio
from bisect import bisect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import msgspec

from stepdown.errors import CallFailed, UsageError
from stepdown.runner.calls import Asker
from stepdown.runner.deltas import Delta, Deltas
from stepdown.runner.request import KeyedCall, Request
from stepdown.runner.task import Task
from stepdown.store import StoredTrace
from stepdown.types import Message, Messages, Plan, Problem, Prompt, Role, Sampling, Trace

T = TypeVar("T")
# Draws of one prompt within an attempt, so that those of its samples have numbers of their own.
MOST_DRAWS = 64
# Where a run is greedy, whose draws would all be the same (Wang et al., ICLR 2023, arXiv 2203.11171, section 3.1).
DRAWN = 0.7


class Attempt:
    """The `ask` of one attempt: it puts roles to models and prompts to words, and records every call.

    `context` are messages before each prompt. Of a student's replies only that to a `final` prompt, which is the
    solution, is streamed to `deltas`.
    """

    def __init__(
        self,
        task: Task,
        calls: Asker,
        run: str = "",
        sample: int = 0,
        *,
        context: Messages = (),
        deltas: Deltas | None = None,
    ) -> None:
        self.task, self.calls, self.run, self.sample = task, calls, run, sample
        # Which draw of the problem's plan this sample follows.
        self.plan_sample = sample % task.plan_samples
        self.context, self.deltas = context, deltas
        self.asked: list[KeyedCall] = []
        self.final = False
        self._begun, self._places = 0, list[int]()

    async def __call__(self, role: Role, prompt: Prompt | str) -> str:
        """Ask the model that plays this role; a plan is drawn once and serves all samples that follow it."""
        request, place = self._request(role, prompt), self._begun
        self._begun += 1
        answered = await self.calls.ask(request, self.deltas)
        # Calls that are made together stand in the order in which they were asked, whichever was answered first.
        at = bisect(self._places, place)
        self._places.insert(at, place)
        self.asked.insert(len(self.asked) - len(self._places) + 1 + at, answered)
        return answered[1].reply.text

    def _request(self, role: Role, prompt: Prompt | str) -> Request:
        task, messages = self.task, self._messages(prompt)
        model = task.planner if role == "teacher" else task.student
        if model is None:
            raise UsageError(f"`{task.method.name}` asks a {role}, and there is none", f"name a {role}")
        if self.final and role == "student":
            raise UsageError(
                f"`{task.method.name}` asks its student again after a final prompt",
                "leave `final` out where more follows",
            )
        self.final = isinstance(prompt, Prompt) and prompt.final
        stream = self.deltas is not None and role in self.deltas.roles and (role == "teacher" or self.final)
        number = self._draw(prompt)
        if role == "teacher":
            sampling = _asked_as(task.teacher_sampling, prompt)
            draw = self.plan_sample if number is None else number
            return Request("teacher", model, messages, sampling, draw, self.run, stream=stream)
        sampling = _asked_as(task.sampling, prompt)
        if sampling.form is not None and not self.final:
            # Tools and the form of the answer are for the call that answers.
            sampling = msgspec.structs.replace(sampling, form=None)
        draw = self.sample if number is None else number
        return Request(task.role, model, messages, sampling, draw, self.run, stream=stream)

    def _draw(self, prompt: Prompt | str) -> int | None:
        """Return the number of a draw among those of all samples; None for a prompt that is asked once."""
        if isinstance(prompt, str) or prompt.draw is None:
            return None
        if not 0 <= prompt.draw < MOST_DRAWS:
            raise UsageError(
                f"`{self.task.method.name}` asks for draw `{prompt.draw}` of one prompt",
                f"number its draws from 0, and take {MOST_DRAWS} at most",
            )
        return self.sample * MOST_DRAWS + prompt.draw

    def _messages(self, prompt: Prompt | str) -> Messages:
        task = self.task
        own = (Message("user", prompt),) if isinstance(prompt, str) else task.prompts.render(task.method, prompt)
        return joined(self.context, own) if self.context else own

    def row(self, ordinal: int, problem: Problem, plan: Plan | None, ended: str | CallFailed) -> StoredTrace:
        """Return the trace of what was asked, with the solution or the error it ended in."""
        trace = Trace(
            problem=problem,
            method=self.task.method.name,
            plan=plan,
            calls=tuple(call for _, call in self.asked),
            solution=ended if isinstance(ended, str) else None,
            error=None if isinstance(ended, str) else ended.what,
            sample=self.sample,
        )
        failure = None if isinstance(ended, str) else ended
        return StoredTrace(ordinal, trace, tuple(key for key, _ in self.asked), failure=failure)


def _asked_as(sampling: Sampling, prompt: Prompt | str) -> Sampling:
    """Return how one prompt is asked: of several draws never greedily, and within its own limit."""
    if isinstance(prompt, str):
        return sampling
    if prompt.draw is not None and sampling.temperature <= 0:
        sampling = msgspec.structs.replace(sampling, temperature=DRAWN)
    if prompt.limit is not None and prompt.limit < sampling.max_tokens:
        sampling = msgspec.structs.replace(sampling, max_tokens=prompt.limit)
    return sampling


def joined(context: Messages, own: Messages) -> Messages:
    """Return a prompt's own messages after those of a context; all system lines become one, the context's first."""
    every = (*context, *own)
    lines = [message.content for message in every if message.role == "system"]
    system = (Message("system", "\n\n".join(lines)),) if lines else ()
    return (*system, *(message for message in every if message.role != "system"))


def _tell_nobody(rows: Sequence[StoredTrace]) -> None:
    """Take the rows of a problem that has no span."""


_NO_SPAN = nullcontext(_tell_nobody)


async def _all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all of these return; all are waited for before one's error is raised: what is in flight is paid."""
    found: list[T] = []
    for one in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


class Attempts:
    """All samples of one task's attempts at a problem, by one plan or in turn by each of several."""

    def __init__(
        self, task: Task, calls: Asker, run: str = "", *, context: Messages = (), deltas: Deltas | None = None
    ) -> None:
        self.task, self.calls, self.run, self.context, self.deltas = task, calls, run, context, deltas

    async def rows(
        self, ordinal: int, problem: Problem, planned: Problem, plan: Plan | None = None
    ) -> list[StoredTrace]:
        """Solve a problem by a given plan, or the one made for `planned`.

        That is the problem itself, or another one under the control `shuffled`.
        """
        with self.spanned(problem) as end:
            rows = await self._rows(ordinal, problem, planned, plan)
            end(rows)
        return rows

    def spanned(self, problem: Problem) -> AbstractContextManager[Callable[[Sequence[StoredTrace]], None]]:
        """Return what is entered while a problem is solved and takes its rows: its span, if spans are written."""
        if (spans := self.calls.spans) is None:
            return _NO_SPAN
        return spans.problem(problem, self.task.method.name, self.run, self.task.samples)

    async def _rows(self, ordinal: int, problem: Problem, planned: Problem, plan: Plan | None) -> list[StoredTrace]:
        samples, plans = range(self.task.samples), self.task.plan_samples
        if plan is not None or plans == 1:
            return await self._by_plan(ordinal, problem, planned, samples=samples, plan=plan)
        planning = (self._by_plan(ordinal, problem, planned, samples=samples[at::plans]) for at in range(plans))
        rows = [row for some in await _all_of(planning) for row in some]
        return sorted(rows, key=lambda row: row.trace.sample)

    async def _by_plan(
        self, ordinal: int, problem: Problem, planned: Problem, *, samples: range, plan: Plan | None = None
    ) -> list[StoredTrace]:
        """Solve a problem by one plan, the given one or the draw of the first of these samples."""
        first = self.attempt(samples[0])
        try:
            plan = plan or await self.plan(planned, first)
            if not first.asked:
                self._add("teacher", plan.text if plan else "")
            if plan is not None and self.task.review is not None:
                plan = await self.task.review(self.run, problem, plan)
        except CallFailed as error:
            drawn = (self.attempt(sample, first) for sample in samples)
            return [attempt.row(ordinal, problem, None, error) for attempt in drawn]
        if len(samples) == 1:
            return [await self.solve(ordinal, problem, plan, first)]
        drawn = (self.attempt(sample, first) for sample in samples)
        return await _all_of(self.solve(ordinal, problem, plan, attempt) for attempt in drawn)

    def attempt(self, sample: int = 0, after: Attempt | None = None) -> Attempt:
        """Return a new attempt; one `after` another shares the calls made so far."""
        attempt = Attempt(self.task, self.calls, self.run, sample, context=self.context, deltas=self.deltas)
        attempt.asked = list(after.asked) if after else []
        return attempt

    def _add(self, role: Role, text: str, sample: int = 0) -> None:
        """Show text that no call of this attempt has streamed."""
        if text and self.deltas is not None and role in self.deltas.roles:
            self.deltas.add(Delta(role, text, sample))

    async def plan(self, problem: Problem, attempt: Attempt) -> Plan | None:
        """Return the plan for a problem, None for a method without plans. Raises `CallFailed`."""
        if self.task.method.plan is None:
            return None
        planner, spans = self.task.planner, self.calls.spans
        with spans.plan(self.run) if planner and spans else _NO_SPAN:
            return await self.task.plans.plan(problem, self.task.method, attempt, planner.name if planner else "")

    async def solve(self, ordinal: int, problem: Problem, plan: Plan | None, attempt: Attempt) -> StoredTrace:
        """Return the row of one sample; a call that failed is its error.

        A solution that was no reply to a final prompt is shown once the method has ended, as one delta.
        """
        try:
            solution = await self.task.method.solve(problem, plan, attempt)
        except CallFailed as error:
            return attempt.row(ordinal, problem, plan, error)
        if not attempt.final:
            self._add("student", solution, attempt.sample)
        return attempt.row(ordinal, problem, plan, solution)
