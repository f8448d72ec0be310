"""One trace: what was asked, planned, said and found, every call as it was, and every grade."""

from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.audits import EndingKind, Leak, PlanFault, faults, leak, letters_of_judges, termination_faults
from stepdown.errors import UnknownName
from stepdown.models import Prices
from stepdown.prompts import question_text
from stepdown.settings import in_words
from stepdown.store import (
    Annotation,
    Edit,
    Run,
    Siblings,
    Store,
    TraceFilter,
    TraceSummary,
    annotations_by_trace,
    copied_from,
    copies_of,
    grades_of,
    neighbours,
    payers,
    siblings,
)
from stepdown.text import figures, method_of, plans_of
from stepdown.types import Call, Grade, Trace
from stepdown.web.pages import page, state_of
from stepdown.web.pages.runs import asked_of, chosen_of, number, query
from stepdown.web.views.addresses import place_of
from stepdown.web.views.excerpts import LONGEST, Excerpt, excerpt, found_in
from stepdown.web.views.lined_up import LinedUp, lined_up, place_in

SAMPLES = 100


class ShownCall(msgspec.Struct, frozen=True):
    """A call with its texts as a page shows them; `payer` is the run that paid, `cost` in US dollars if known.

    `handed` are the parts of the form of its answer by name, `called` the tools it asks for.
    """

    call: Call
    messages: tuple[Excerpt, ...]
    reply: Excerpt
    reasoning: Excerpt
    payer: str
    cost: float | None
    handed: tuple[tuple[str, Excerpt], ...] = ()
    called: tuple[Excerpt, ...] = ()


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a page says of one trace; the notes on plan and ending are the audit's.

    `judges` are the models of which it is kept how they found the plan followed; `judge` is the one that is shown.
    """

    run: Run
    trace: Trace
    grades: tuple[Grade, ...]
    calls: tuple[ShownCall, ...]
    solution: Excerpt | None
    samples: tuple[tuple[int, Grade], ...]
    before: TraceSummary | None
    after: TraceSummary | None
    leak: Leak | None
    faults: tuple[PlanFault, ...]
    endings: tuple[EndingKind, ...]
    edits: tuple[Edit, ...]
    siblings: Siblings
    copies: tuple[str, ...]
    copied_from: str
    remarks: tuple[Annotation, ...]
    extra: str
    lined: LinedUp | None = None
    judges: tuple[str, ...] = ()
    judge: str = ""

    @property
    def grade(self) -> Grade:
        """The run's current grade."""
        return self.grades[0]


def find_trace(run: Run, problem: str, sample: int) -> tuple[int, Trace, Grade, list[tuple[int, Grade]]]:
    """Return ordinal, trace and grade, and (sample, grade) of all samples. Raises `UnknownName`."""
    attempts = run.attempts(problem)
    for ordinal, trace, grade in attempts:
        if trace.sample == sample:
            return ordinal, trace, grade, [(one.sample, its) for at, one, its in attempts if at == ordinal]
    run.trace(problem)  # says which problems there are where this is none of them
    raise UnknownName("sample", str(sample), [str(trace.sample) for _, trace, _ in attempts])


def describe(run: Run, prices: Prices, problem: str, sample: int, chosen: TraceFilter, *, judge: str = "") -> Shown:
    """Return what a page says of a trace, and how its plan was followed by a judge's word. Raises `UnknownName`."""
    ordinal, trace, grade, samples = find_trace(run, problem, sample)
    grades = grades_of(run, ordinal, sample)
    current = [one for one in grades if one.grader == run.grader] or [grade]
    before, after = neighbours(run, chosen, (ordinal, sample))
    solved = trace.solution is not None
    text = found_in(trace.problem, trace.solution, grade) if trace.solution is not None else None
    where = place_in(text) if text else None
    judges = letters_of_judges(run, trace, ordinal) if trace.plan and solved else {}
    if judge and judge not in judges:
        raise UnknownName("judge of this plan", judge[:80], judges)
    return Shown(
        run=run,
        trace=trace,
        grades=(*current, *(one for one in grades if one not in current)),
        calls=tuple(_calls(run, trace, payers(run, ordinal, sample), prices)),
        solution=text,
        lined=lined_up(trace.plan, trace.solution, where, letters=judges.get(judge, "")) if where is not None else None,
        judges=tuple(judges),
        judge=judge,
        samples=tuple(samples[:SAMPLES]),
        before=before,
        after=after,
        leak=leak(trace.problem, trace.handed) if trace.handed else None,
        faults=tuple(faults(trace.problem, trace.handed)) if trace.handed else (),
        endings=termination_faults(trace) if solved else (),
        edits=tuple(edit for edit in run.edits() if edit.problem == problem),
        siblings=siblings(run, ordinal, sample),
        copies=tuple(copies_of(run, (ordinal, sample))),
        copied_from=copied_from(run, (ordinal, sample)),
        remarks=tuple(annotations_by_trace(run).get((problem, sample), ())),
        extra=(run.extra(ordinal, sample) or b"").decode("utf-8", "replace")[:LONGEST],
    )


def _calls(run: Run, trace: Trace, paid_by: list[str], prices: Prices) -> Iterator[ShownCall]:
    for call, payer in zip(trace.calls, paid_by, strict=True):
        yield ShownCall(
            call=call,
            messages=tuple(excerpt(message.content) for message in call.messages),
            reply=excerpt(call.reply.text),
            reasoning=excerpt(call.reply.reasoning),
            payer=payer,
            cost=prices.cost(call.model, call.reply.usage),
            handed=tuple((name, excerpt(text)) for name, text in handed_in(call)),
            called=tuple(map(excerpt, called_in(call))),
        )


def handed_in(call: Call) -> list[tuple[str, str]]:
    """Return the parts of the form that a call's answer was to have, by name."""
    form = call.sampling.form
    parts = [] if form is None else [("tools", form.tools), ("choice of tools", form.tool_choice)]
    parts += (
        [] if form is None else [("calls of tools so far", form.turns), ("form of the answer", form.response_format)]
    )
    return [part for part in parts if part[1]]


def called_in(call: Call) -> list[str]:
    """Return the tools that a call's reply asks for, each as a line."""
    return [f"{one.name}({one.arguments})" for one in call.reply.tool_calls]


def whole_text(trace: Trace, grades: tuple[Grade, ...]) -> str:
    """Return a trace as one plain text with nothing left out."""
    parts = [
        f"# {trace.problem.id}, sample {trace.sample}",
        question_text(trace.problem),
        f"gold: {trace.problem.answer}",
    ]
    parts += [f"## plan by {trace.plan.author}", trace.plan.text] if trace.plan else []
    for index, call in enumerate(trace.calls, 1):
        parts.append(f"## call {index}: {call.role}, {call.model}, {in_words(call.sampling)}")
        parts += [f"### {message.role}\n{message.content}" for message in call.messages]
        parts += [f"### {name}\n{text}" for name, text in handed_in(call)]
        parts += [f"### reasoning\n{call.reply.reasoning}"] if call.reply.reasoning else []
        parts.append(f"### reply\n{call.reply.text}")
        parts += [f"### call of a tool\n{text}" for text in called_in(call)]
    parts += ["## solution", trace.solution] if trace.solution is not None else []
    parts += ["## error", trace.error] if trace.error is not None else []
    parts += [f"{one.grader}: {one.verdict}, found {one.found}; {one.why}" for one in grades]
    return "\n\n".join(parts) + "\n"


async def show_trace(request: Request) -> Response:
    """Answer with one trace, or with `?text=1` as plain text with nothing left out."""
    state, chosen, given = state_of(request), chosen_of(request), request.query_params.get("sample") or "0"
    if not (given.isdecimal() and len(given) < 9):
        raise UnknownName("sample", given[:80], ())
    name, problem = place_of(request)

    def work(store: Store) -> Shown:
        judge = request.query_params.get("judge", "")
        return describe(store.run(name), state.prices, problem, int(given), chosen, judge=judge)

    view = await state.read(work)
    if request.query_params.get("text"):
        return _plain(whole_text(view.trace, view.grades))
    parts = _editing(view)
    return page(
        request, "trace.html", shown=view, chosen=chosen, query=query, asked_of=asked_of, figures=figures,
        came=came_from(request),
        sampled=in_words, method_of=method_of, plans_of=plans_of, **parts,
    )  # fmt: skip


def came_from(request: Request) -> int | str:
    """Return the page of the list that a trace was opened from, as an address says it: nothing for the first."""
    at = number(request, "page")
    return at if at > 1 else ""


def _editing(page: Shown) -> dict[str, Any]:
    """What the forms on plan, verdict and remarks need: the newest plan, and its number among those there were."""
    return {
        "run": page.run,
        "trace": page.trace,
        "grade": page.grade,
        "problem": page.trace.problem,
        "plan": page.edits[-1].plan if page.edits else page.trace.plan,
        "base": len(page.edits) - (page.trace.plan is None),
        "remarks": page.remarks,
        "copies": page.copies,
        "copied_from": page.copied_from,
    }


def _plain(text: str) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": 'attachment; filename="trace.txt"'}
    body = text.encode("utf-8", "replace")
    return Response(body, media_type="text/plain; charset=utf-8", headers=headers)


ROUTES: list[BaseRoute] = [Route("/runs/{run}/traces/{problem:path}", show_trace)]
