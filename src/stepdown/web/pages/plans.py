"""The pages where a person improves plans: the editor with the plan's lineage, verdicts and remarks."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast, get_args
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import StepdownError, UnknownName, UsageError
from stepdown.store import Annotation, Edit, Run, Store, annotate, annotations_by_trace, copied_from, copies_of, correct
from stepdown.types import Grade, Plan, Trace, Verdict
from stepdown.web.jobs.run_form import check_model, offers
from stepdown.web.jobs.solve_jobs import SolveJob
from stepdown.web.pages import EditConflict, FieldError, form_of, mark, page, state_of
from stepdown.web.pages.solved import solve_jobs_of, solved_at, unsolved
from stepdown.web.state import State
from stepdown.web.views.addresses import BACK, address, inside, place_of
from stepdown.web.views.cookies import keep
from stepdown.web.views.edit_queue import MOST_SECONDS, Change, changes, derived_from

MOST_STEPS = 100
_LONGEST, _WORDS = 20_000, 500


class Subject(msgspec.Struct, frozen=True):
    """One problem of a run as its pages show it: its samples, and every plan it had, the first one's before edits."""

    run: Run
    attempts: tuple[tuple[int, Trace, Grade], ...]
    edits: tuple[Edit, ...]

    @property
    def trace(self) -> Trace:
        """The first sample's trace."""
        return self.attempts[0][1]

    @property
    def trace_key(self) -> tuple[int, int]:
        """The first sample's ordinal and sample."""
        return self.attempts[0][0], self.trace.sample

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plan of the trace, then each edit, oldest first."""
        first = (self.trace.plan,) if self.trace.plan else ()
        return (*first, *(edit.plan for edit in self.edits))


class PlanVersion(msgspec.Struct, frozen=True, kw_only=True):
    """An edit in the lineage of a plan: what it changed, when, how long it took, and the runs that solved by it."""

    plan: Plan
    when: str
    seconds: float | None
    changes: tuple[Change, ...]
    runs: tuple[str, ...]


def read_subject(store: Store, name: str, problem: str) -> Subject:
    """Return one problem of a run. Raises `UnknownName`."""
    run = store.run(name)
    attempts = tuple(run.attempts(problem))
    if not attempts:
        raise UnknownName("problem of this run", problem[:200], [])
    return Subject(run, attempts, tuple(edit for edit in run.edits() if edit.problem == problem))


# -- one plan


async def show_plan(request: Request) -> Response:
    """Show the editor of a plan, with the plan's lineage."""
    return page(request, "plan.html", **await _plan_page(state_of(request), *place_of(request)))


async def _plan_page(state: State, name: str, problem: str) -> dict[str, Any]:
    def read(store: Store) -> dict[str, Any]:
        subject = read_subject(store, name, problem)
        return editing(subject) | {
            "lineage": lineage(subject),
            "remarks": annotations_by_trace(subject.run).get((problem, 0), []),
            "students": offers(store, state.offered).models,
            "copies": copies_of(subject.run, subject.trace_key),
            "copied_from": copied_from(subject.run, subject.trace_key),
        }

    return await state.read(read)


def editing(subject: Subject) -> dict[str, Any]:
    """What the editor needs: the newest plan, and its number among the plans this problem had."""
    newest = len(subject.plans) - 1
    return {
        "run": subject.run,
        "trace": subject.trace,
        "grade": subject.attempts[0][2],
        "problem": subject.trace.problem,
        "plan": subject.plans[newest] if subject.plans else None,
        "base": newest,
    }


def lineage(subject: Subject) -> list[PlanVersion]:
    """Return a plan's edits, oldest first, each with the derived runs in which somebody solved by it."""
    derived = [(one.id, one.attempts(subject.trace.problem.id)) for one in derived_from(subject.run)]
    versions = []
    for edit in subject.edits:
        plan = edit.plan
        runs = tuple(one for one, attempts in derived if attempts and attempts[0][1].plan == plan)
        before = Plan(plan.edited_from or "", plan.author).steps
        versions.append(PlanVersion(plan=plan, when=when(edit.created), seconds=edit.seconds,
                         changes=tuple(changes(before, plan.steps)), runs=runs))  # fmt: skip
    return versions


def when(created: float) -> str:
    """Return a moment in words that are the same everywhere: `2026-11-22 07:50 UTC`."""
    return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d %H:%M} UTC"


async def post_plan(request: Request) -> Response:
    """Keep a person's edit; with `solve`, solve the problem again by the plan, with any student a page may name."""
    state, (name, problem) = state_of(request), place_of(request)
    form = await form_of(request)
    subject = read_subject(state.store, name, problem)
    if (base := overtaken(subject, form)) is not None:
        return await _tell_newer(request, subject, form, base)
    try:
        answer = await _kept_or_solved(request, subject, form)
    except FieldError as error:
        values = await _plan_page(state, name, problem) | {"plan": Plan(form.get("steps", "")[:_LONGEST], "")}
        values |= {"typed": typed_of(form), "errors": {error.field: error}, "base": begun_with(subject, form)}
        return page(request, "plan.html", status=400, **values)
    return keep(answer, form, run=name, person=state.person, student=subject.run.settings.student)


async def _kept_or_solved(request: Request, subject: Subject, form: Mapping[str, str]) -> Response:
    """Keep the edit, or solve by it. Raises `FieldError`."""
    if form.get("solve"):
        return await (_live if request.headers.get("hx-request") else _waited)(request, subject, form)
    problem = subject.trace.problem.id
    plan = edited(subject, form, person=state_of(request).person)
    if plan.edited_from is not None and plan not in subject.plans:
        run, state = subject.run.id, state_of(request)
        await state.write(lambda store: store.run(run).put_edit(problem, plan, seconds=seconds_of(form)))
    return _back(form, address(subject.run.id, "plans", problem) + "#lineage")


def overtaken(subject: Subject, form: Mapping[str, str]) -> int | None:
    """Return the number of the newest plan where it came after the one a form began with, and the form has another.

    None where nothing would be hidden by what the form says.
    """
    begun, newest = begun_with(subject, form), len(subject.plans) - 1
    if begun >= newest:
        return None
    steps = Plan(form.get("steps", ""), "").steps
    known = (subject.plans[begun].steps, subject.plans[newest].steps)
    return newest if steps and steps not in known and known[0] != known[1] else None


async def _tell_newer(request: Request, subject: Subject, form: Mapping[str, str], base: int) -> Response:
    """Show what somebody else made of the plan meanwhile, with what was typed in the fields; nothing is kept."""
    values = await _plan_page(state_of(request), subject.run.id, subject.trace.problem.id)
    values |= {"plan": Plan(form["steps"][:_LONGEST], ""), "typed": typed_of(form), "base": base}
    return page(request, "plan.html", status=409, theirs=subject.plans[base], **values)


def _start(request: Request, subject: Subject, form: Mapping[str, str]) -> SolveJob:
    state = state_of(request)
    plan = edited(subject, form, person=state.person)
    try:
        student = state.load(
            check_model(form.get("student", "").strip() or subject.run.settings.student, state.offered)
        )
    except UsageError as error:
        raise FieldError("student", error) from error
    problem = subject.trace.problem.id
    solving = solve_jobs_of(request).start(subject.run, problem, plan=plan, student=student, seconds=seconds_of(form))
    # An edit that is new is kept before the student is asked.
    solving.base = subject.plans.index(plan) if plan in subject.plans else len(subject.plans)
    return solving


async def _live(request: Request, subject: Subject, form: Mapping[str, str]) -> Response:
    """Answer at once with a part of the page that shows the solution as it is written."""
    try:
        solving = _start(request, subject, form)
    except StepdownError as error:
        return HTMLResponse(unsolved(state_of(request), error, kept=False))  # htmx shows no answer but a good one
    solving.counted = urlsplit(request.headers.get("hx-current-url", "")).path.endswith("/queue")
    return page(request, "parts/solving.html", solving=solving)


async def _waited(request: Request, subject: Subject, form: Mapping[str, str]) -> Response:
    solving = _start(request, subject, form)
    await solving.end()
    return RedirectResponse(solved_at(solving), status_code=303)


def edited(subject: Subject, form: Mapping[str, str], *, person: str) -> Plan:
    """Return the plan a form says, the one it began with where no step changed. Raises `UsageError`."""
    if not subject.plans:
        raise UsageError(f"`{subject.trace.problem.id}` has no plan in this run", "trace-of-thought runs have plans")
    return revised(subject.plans[begun_with(subject, form)], form, person=person)


def begun_with(subject: Subject, form: Mapping[str, str]) -> int:
    """Return the number of the plan a form began with, among all that its problem has had; the newest's by default."""
    base, newest = form.get("base", ""), len(subject.plans) - 1
    return min(int(base), newest) if base.isdecimal() and len(base) < 9 else newest


def revised(begun: Plan, form: Mapping[str, str], *, person: str) -> Plan:
    """Return a plan as a form's fields `steps`, `author` and `why` leave it. Raises `FieldError`."""
    before = "\n".join(begun.steps)
    after = form.get("steps", before)
    steps = Plan(after, "").steps
    if steps == Plan(before, "").steps:
        return begun
    if not steps:
        raise FieldError("steps", UsageError("the plan has no steps", "write one step a line"))
    if len(steps) > MOST_STEPS or len(after) > _LONGEST:
        most = f"at most {MOST_STEPS} steps and {_LONGEST:,} characters"
        raise FieldError("steps", UsageError("the plan is too long", most))
    return begun.edit(*steps, author=author_of(form, person), why=words_of(form, "why"))


def typed_of(form: Mapping[str, str]) -> dict[str, str]:
    """Return what was typed into a plan's form beside the steps, and where its page was, to show the form again."""
    return {name: form.get(name, "")[:_WORDS] for name in ("why", "author", "student")} | {
        "back": inside(form.get(BACK, ""), ""),
        "steps": form.get("steps", "")[:_LONGEST],
    }


def author_of(form: Mapping[str, str], person: str) -> str:
    """Return who did it, as the form says, otherwise the server's person."""
    return words_of(form, "author")[:100] or person


def words_of(form: Mapping[str, str], field: str) -> str:
    """Return a field's text without blanks around it, at most some hundred characters."""
    return form.get(field, "").strip()[:_WORDS]


def seconds_of(form: Mapping[str, str]) -> float | None:
    """Return how long the plan was before a person, at most ten minutes; None where the page did not measure."""
    try:
        seconds = float(form.get("seconds", ""))
    except ValueError:
        return None
    return min(seconds, MOST_SECONDS) if math.isfinite(seconds) and seconds > 0 else None


# -- verdicts and remarks


async def post_verdict(request: Request) -> Response:
    """Keep a person's verdict on one sample, and go back to its trace."""
    state, (name, problem) = state_of(request), place_of(request)
    form = await form_of(request)
    ordinal, trace, grade = _sample(state.store, name, problem, form)
    verdict = form.get("verdict", "")
    if verdict not in get_args(Verdict):
        raise UsageError(f"`{verdict[:40]}` is not a verdict", "choose right, wrong or ungraded")
    if form.get("shown", now := mark(grade)) != now:
        raise EditConflict(
            f"the verdict was changed meanwhile: `{grade.verdict}`, {grade.why}", "load the page anew, then correct it"
        )
    await state.write(
        lambda store: correct(
            store.run(name),
            (ordinal, trace.sample),
            verdict=cast(Verdict, verdict),
            found=words_of(form, "found") or grade.found,
            author=author_of(form, state.person),
            why=words_of(form, "why"),
        )
    )
    return keep(_back(form, _trace_at(name, trace)), form, person=state.person)


async def post_annotation(request: Request) -> Response:
    """Keep a person's remarks on the plan and the solution of one sample, and go back to its trace."""
    state, (name, problem) = state_of(request), place_of(request)
    form = await form_of(request)
    _, trace, _ = _sample(state.store, name, problem, form)
    texts = [form.get(field, "").strip()[:_LONGEST] for field in ("delegation", "answer")]
    remarks = Annotation(texts[0], texts[1], author=author_of(form, state.person))
    await state.write(lambda store: annotate(store.run(name), problem, annotation=remarks, sample=trace.sample))
    return keep(_back(form, _trace_at(name, trace)), form, person=state.person)


def _sample(store: Store, name: str, problem: str, form: Mapping[str, str]) -> tuple[int, Trace, Grade]:
    wanted = form.get("sample") or "0"
    attempts = [one for one in read_subject(store, name, problem).attempts if str(one[1].sample) == wanted]
    if not attempts:
        raise UnknownName("sample", wanted[:20], [])
    return attempts[0]


def _trace_at(run: str, trace: Trace) -> str:
    return address(run, "traces", trace.problem.id, sample=trace.sample or "")


def _back(form: Mapping[str, str], otherwise: str) -> Response:
    """Lead back to the page that a form stood on, with its filters, or to another where the form does not say."""
    return RedirectResponse(inside(form.get(BACK, ""), otherwise), status_code=303)


ROUTES: list[BaseRoute] = [
    Route("/runs/{run}/plans/{problem:path}", show_plan),
    Route("/runs/{run}/plans/{problem:path}", post_plan, methods=["POST"]),
    Route("/runs/{run}/verdicts/{problem:path}", post_verdict, methods=["POST"]),
    Route("/runs/{run}/annotations/{problem:path}", post_annotation, methods=["POST"]),
]
