"""The queue of a run's plans that are worth a minute: edited one by one, put off, set aside, and shared out."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import UnknownName, UsageError
from stepdown.store import NO_MARK, Mark, QueueMark, Run, Store, mark_plans, marked_plans
from stepdown.web.jobs.run_form import offers
from stepdown.web.pages import form_of, page, state_of
from stepdown.web.pages.plans import author_of, editing, read_subject
from stepdown.web.state import State
from stepdown.web.views.cookies import STUDENT, keep, kept
from stepdown.web.views.edit_queue import (
    EditQueue,
    changes,
    edit_queue,
    gains,
    runs_beside,
    side_of,
    solved_again,
    words_of,
)
from stepdown.web.views.excerpts import excerpt, found_in
from stepdown.web.views.other_plans import OtherPlan, other_plans

SHOWN = 6
MOST_PEOPLE = 50
_LONGEST = 100


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a queue is: its problems in order, of one `person` or all; those edited, and what was said of each."""

    problems: tuple[str, ...]
    edited: frozenset[str]
    marks: Mapping[str, QueueMark]
    person: str = ""

    def mark(self, problem: str) -> QueueMark:
        """Return what was said last of a problem's plan."""
        return self.marks.get(problem, NO_MARK)

    def is_done(self, problem: str) -> bool:
        """Whether nothing is left to do: it was edited, or set aside for good."""
        return problem in self.edited or self.mark(problem).mark == "discarded"

    @property
    def done(self) -> int:
        """How many are edited or set aside."""
        return sum(map(self.is_done, self.problems))

    def marked(self, mark: Mark) -> int:
        """Return how many are put off or set aside and not edited."""
        return sum(self.mark(one).mark == mark and one not in self.edited for one in self.problems)

    def people(self) -> dict[str, tuple[int, int]]:
        """Return for each person how many of their plans are done, and how many they have."""
        theirs = Counter(self.mark(one).person for one in self.problems)
        done = Counter(self.mark(one).person for one in self.problems if self.is_done(one))
        return {name: (done[name], count) for name, count in sorted(theirs.items()) if name}

    def next(self, after: str = "") -> str:
        """Return what else is to be done behind a problem, from the start again at the end; those put off come last."""
        start = self.problems.index(after) + 1 if after in self.problems else 0
        turned = [
            one for one in self.problems[start:] + self.problems[:start] if one != after and not self.is_done(one)
        ]
        return next((one for one in turned if self.mark(one).mark != "skipped"), next(iter(turned), ""))

    def beside(self, problem: str) -> tuple[str, str]:
        """Return the problems before and after one, empty at either end."""
        at = self.problems.index(problem)
        return "".join(self.problems[max(0, at - 1) : at]), "".join(self.problems[at + 1 : at + 2])


def queue_state(run: Run, queue: EditQueue, person: str = "") -> QueueState:
    """Return how far a run's queue is, all of it or what is given to a person."""
    marks = marked_plans(run)
    problems = tuple(one for one in queue.reasons if not person or marks.get(one, NO_MARK).person == person)
    edited = frozenset(edit.problem for edit in run.edits())
    return QueueState(problems=problems, edited=edited, marks=marks, person=person)


async def show_queue(request: Request) -> Response:
    """Show the plan most worth a minute of those not done yet, or the one asked for, and what edits have gained."""
    state, name = state_of(request), request.path_params["run"]
    given, student = {key: text[:_LONGEST] for key, text in request.query_params.items()}, kept(request, STUDENT)
    # A problem's id may be longer than a person's name.
    asked = given | {key: request.query_params.get(key, "") for key in ("at", "left", "from")}

    def read(store: Store) -> dict[str, Any]:
        return _queue(store.run(name), asked, student=student, state=state)

    return page(request, "queue.html", **await state.read(read))


def _queue(run: Run, asked: Mapping[str, str], *, student: str, state: State) -> dict[str, Any]:
    queue, person = edit_queue(state.run_stats, run), asked.get("who", "")
    whole = queue_state(run, queue)
    shown = queue_state(run, queue, person) if person else whole
    at = asked.get("at", "")
    problem = at if at in shown.problems else shown.next() or "".join(shown.problems[:1])
    values = {"run": run, "queue": queue, "gained": gains(run), "shown": shown, "whole": whole, "at": problem}
    values |= {"left": asked.get("left", ""), "address_of": lambda **more: _address(run.id, person, **more)}
    return values | _work(run, problem, asked, student=student, state=state) if problem else values


def _work(run: Run, problem: str, asked: Mapping[str, str], *, student: str, state: State) -> dict[str, Any]:
    """What the page needs of the problem that is worked on."""
    before = side_of(run, problem, state.prices)
    after = solved_again(run, problem, student or run.settings.student, state.prices)
    values = editing(read_subject(run.store, run.id, problem))
    trace, grade = values["trace"], values["grade"]
    text = found_in(trace.problem, trace.solution, grade) if trace.solution else excerpt(trace.error or "")
    others = other_plans(run, problem, trace.plan, runs_beside(run))
    values |= {"side": before, "before": before, "after": after, "others": others[:SHOWN], "shown_solution": text}
    values |= {"students": offers(run.store, state.offered).models, "begun_from": _begun_from(others, asked)}
    if not before or not after:
        return values
    return values | {"changes": changes(before.steps, after.steps), "words": words_of(before, after)}


def _begun_from(others: tuple[OtherPlan, ...], asked: Mapping[str, str]) -> OtherPlan | None:
    """Return whose plan the editor begins with, where an address asks for another run's."""
    return next((one for one in others if one.steps and one.run == asked.get("from")), None)


def _address(run: str, person: str, **more: str) -> str:
    pairs = {name: value for name, value in {"who": person, **more}.items() if value}
    return f"/runs/{run}/queue" + (f"?{urlencode(pairs, errors='replace')}" if pairs else "")


async def post_mark(request: Request) -> Response:
    """Keep what a person says of one plan of the queue, or share plans out, and show what is to be done next."""
    state, form = state_of(request), await form_of(request)
    run = state.store.run(request.path_params["run"])
    author, who = author_of(form, state.person), form.get("who", "")[:_LONGEST]
    queue = await state.read(lambda store: edit_queue(state.run_stats, store.run(run.id)))
    if "people" in form:
        shares = _shares(queue_state(run, queue), form["people"])
        await state.write(lambda store: _share(store.run(run.id), shares, author))
        return RedirectResponse(_address(run.id, who), status_code=303)
    problem, mark = form.get("problem", ""), _mark(form.get("mark", ""))
    if problem not in queue.reasons:
        raise UnknownName("plan of this queue", problem[:200], [])
    person = " ".join(form.get("person", "").split())[:_LONGEST]
    await state.write(lambda store: mark_plans(store.run(run.id), [problem], mark, author=author, person=person))
    # Who put a plan off goes on with the next; who takes it back, or gives it away, stays at it.
    goes_on = mark in {"skipped", "discarded"}
    following = queue_state(run, queue, who).next(problem) if goes_on else problem
    answer = RedirectResponse(_address(run.id, who, at=following, left=problem if goes_on else ""), status_code=303)
    return keep(answer, form, person=state.person)


def _mark(given: str) -> Mark:
    for known in get_args(Mark):
        if given == known:
            found: Mark = known
            return found
    raise UsageError(f"`{given[:40]}` is nothing one says of a plan", "skip it, discard it, open it again or assign it")


def _shares(queue: QueueState, people: str) -> dict[str, list[str]]:
    """Deal the plans that nobody has and that are not done among people, named with commas. Raises `UsageError`."""
    names = list(dict.fromkeys(name for one in people.split(",") if (name := " ".join(one.split())[:_LONGEST])))
    if not 0 < len(names) <= MOST_PEOPLE:
        raise UsageError("there is nobody to share the plans among", "name people with commas between: Ann, Bob")
    free = [one for one in queue.problems if not queue.is_done(one) and not queue.mark(one).person]
    return {name: free[index :: len(names)] for index, name in enumerate(names)}


def _share(run: Run, shares: Mapping[str, list[str]], author: str) -> None:
    with run.store.writing():
        for person, problems in shares.items():
            mark_plans(run, problems, "assigned", author=author, person=person)


ROUTES: list[BaseRoute] = [
    Route("/runs/{run}/queue", show_queue),
    Route("/runs/{run}/queue", post_mark, methods=["POST"]),
]
