"""People's marks of a run's solutions: one solution at a time, blind to the judge, then where raters differ."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import UnknownName, UsageError
from stepdown.graders import Rubric
from stepdown.identity import fingerprint
from stepdown.measuring import (
    MarkQuestion,
    RunMarks,
    dealt_with,
    differing_marks,
    drawn_places,
    final_marks,
    mark_of,
    marks_on,
    questions_of,
    rubrics_to_mark,
    run_marks,
)
from stepdown.reports import marks_table
from stepdown.store import SKIPPED, PersonMark, Run, Store, put_marks, run_version, stored_marks
from stepdown.text import Table
from stepdown.types import Trace
from stepdown.web.pages import EditConflict, page, state_of
from stepdown.web.pages.rated import keep_rating
from stepdown.web.state import State
from stepdown.web.views.rating import Rating, address_with, asked_number, rater_of

_FIELD = "mark-"  # and the number of a criterion


class MarkTask(msgspec.Struct, frozen=True, kw_only=True):
    """Which solutions of a run are marked, and by what: `by` is a rubric's key, `right`, or "" for the usual."""

    run: str
    by: str
    n: int
    seed: int

    def address(self, *, differ: bool = False, **more: str) -> str:
        """Return the address of these solutions, or of those that raters differ on."""
        usual = {"by": "", "n": 50, "seed": 0}
        asked = {"by": self.by, "n": self.n, "seed": self.seed}
        return address_with(f"/marks/{self.run}" + "/differ" * differ, asked, usual, **more)

    def drawn(self, state: State, run: Run) -> tuple[str, ...]:
        """Return the problems whose solutions are marked, in their order."""
        key = ("drawn marks", run.id, run_version(run), self.n, self.seed)
        return state.run_stats.remember(key, lambda: tuple(drawn_places(run, self.n, self.seed)))


class MarkingChoice(msgspec.Struct, frozen=True):
    """By what solutions are marked: the choices there are, the chosen one, and what is asked by it."""

    choices: tuple[str, ...]
    chosen: str
    rubric: Rubric | None
    questions: tuple[MarkQuestion, ...]


def task_of(request: Request) -> MarkTask:
    """Return what an address asks to mark. Raises `UsageError`."""
    n, seed = asked_number(request, "n", 50), asked_number(request, "seed", 0)
    return MarkTask(run=request.path_params["run"], by=request.query_params.get("by", "")[:200], n=n, seed=seed)


def _by(run: Run, task: MarkTask) -> MarkingChoice:
    choices = rubrics_to_mark(run)
    chosen = task.by or next(iter(choices))
    if chosen not in choices:
        raise UnknownName("rubric of this run", chosen[:80], choices)
    return MarkingChoice(tuple(choices), chosen, choices[chosen], questions_of(choices[chosen]))


def _rating(
    drawn: tuple[str, ...], own: Mapping[str, Mapping[str, str]], questions: tuple[MarkQuestion, ...]
) -> Rating:
    dealt = frozenset(one for one in drawn if len(own.get(one, {})) == len(questions))
    skipped = frozenset(one for one in dealt if SKIPPED in own[one].values())
    return Rating(drawn=drawn, dealt=dealt, skipped=skipped)


async def show_mark(request: Request) -> Response:
    """Show the next solution that this rater has not marked, or the one asked for."""
    state, task, rater = state_of(request), task_of(request), rater_of(request)
    at = request.query_params.get("at", "")

    def read(store: Store) -> dict[str, Any]:
        run = store.run(task.run)
        by, drawn = _by(run, task), task.drawn(state, run)
        own = dealt_with(stored_marks(run), by.questions, rater)
        rating = _rating(drawn, own, by.questions)
        chosen = at if at in drawn else rating.next()
        values = {"task": task, "by": by, "rater": rater, "rating": rating, "at": chosen, "trace": None}
        if not rater or not chosen:
            return values
        return values | _shown(run, chosen) | {"own": own.get(chosen, {})}

    return page(request, "mark.html", **await state.read(read), marks_on=marks_on)


def _shown(run: Run, problem: str, sample: int = 0) -> dict[str, Any]:
    trace = next((one for _, one, _ in run.attempts(problem) if one.sample == sample), None)
    if trace is None:
        raise UnknownName("solution of this run", problem[:200], [])
    return {"trace": trace, "shown": _stands_for(trace)}


def _stands_for(trace: Trace) -> str:
    return fingerprint([trace.problem.id, trace.sample, trace.solution])


async def post_mark(request: Request) -> Response:
    """Keep what a rater says of one solution and show the next, or keep who marks."""
    state, task = state_of(request), task_of(request)

    def keep(store: Store, form: Mapping[str, str], rater: str) -> str:
        run = store.run(task.run)
        by, drawn = _by(run, task), task.drawn(state, run)
        put_marks(run, _marks(run, by.questions, form, rater))
        own = dealt_with(stored_marks(run), by.questions, rater)
        return _rating(drawn, own, by.questions).next(form["problem"])

    return await keep_rating(request, task, keep, required="problem")


def _marks(
    run: Run, questions: tuple[MarkQuestion, ...], form: Mapping[str, str], rater: str, *, final: bool = False
) -> list[PersonMark]:
    """Return the marks that a form gives. Raises `UnknownName`, `UsageError`, and `EditConflict` for another text."""
    if not rater:
        raise UsageError("nobody is named", "say your name first: it stands beside your marks")
    given = form.get("sample", "0")
    sample = int(given) if given.isdecimal() and len(given) < 9 else -1
    trace = _shown(run, form.get("problem", ""), sample)["trace"]
    if form.get("shown") != _stands_for(trace):
        raise EditConflict("this solution has changed since it was shown", "go back, and look at it again")
    marks = []
    for number, one in enumerate(questions):
        written = form.get(f"{_FIELD}{number}", "")
        mark = mark_of(written, one.scale) if written else None
        if written and (mark is None or (final and mark == SKIPPED)):
            hint = f"choose one of {', '.join(marks_on(one.scale))}"
            raise UsageError(f"`{written[:40]}` is no mark by `{one.criterion or 'verdict'}`", hint)
        if mark or (final and f"{_FIELD}{number}" in form):
            marks.append(PersonMark(trace.problem.id, sample, one.key, rater, mark or "", final))
    return marks


class MarkDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """The solutions that raters mark differently: with each rater's mark by criterion, and the final ones."""

    solutions: Mapping[tuple[str, int], Mapping[str, Mapping[str, str]]]
    finals: Mapping[tuple[str, int, str], PersonMark]
    raters: tuple[str, ...]

    @property
    def rating(self) -> Rating:
        """How many of the solutions have a final mark by each criterion that raters differ on."""
        places = {_written(place): place for place in self.solutions}
        dealt = (
            name for name, place in places.items() if all((*place, key) in self.finals for key in self.solutions[place])
        )
        return Rating(drawn=tuple(places), dealt=frozenset(dealt))


def _written(place: tuple[str, int]) -> str:
    return f"{place[1]}:{place[0]}"


def _differences(run: Run, by: MarkingChoice) -> MarkDifferences:
    marks = stored_marks(run)
    keys = {one.key for one in by.questions}
    raters = sorted({one.rater for one in marks if one.key in keys and not one.final and one.mark != SKIPPED})
    return MarkDifferences(
        solutions=differing_marks(marks, by.questions), finals=final_marks(marks), raters=tuple(raters)
    )


async def show_differ(request: Request) -> Response:
    """Show how far raters agree by each criterion, and the next solution that they mark differently."""
    state, task, rater = state_of(request), task_of(request), rater_of(request)
    at = request.query_params.get("at", "")

    def read(store: Store) -> dict[str, Any]:
        run = store.run(task.run)
        by = _by(run, task)
        found = _differences(run, by)
        rating = found.rating
        chosen = at if at in rating.drawn else rating.next() or "".join(rating.drawn[:1])
        values = {"task": task, "by": by, "rater": rater, "rating": rating, "at": chosen, "found": found}
        values |= {"judged": _judged(run, by)}
        if not chosen:
            return values
        sample, _, problem = chosen.partition(":")
        return values | _shown(run, problem, int(sample)) | {"place": (problem, int(sample))}

    return page(request, "marks_differ.html", **await state.read(read), marks_on=marks_on)


def _judged(run: Run, by: MarkingChoice) -> tuple[RunMarks, Table] | None:
    """Return what people and the judge say, where there is anything to hold side by side."""
    try:
        found = run_marks(run, rubric=by.rubric)
    except UsageError:
        return None  # without a rubric, and nothing graded yet
    return found, marks_table([found])


async def post_differ(request: Request) -> Response:
    """Keep final marks of one solution and show the next that raters mark differently."""
    task = task_of(request)

    def keep(store: Store, form: Mapping[str, str], rater: str) -> str:
        run = store.run(task.run)
        by = _by(run, task)
        put_marks(run, _marks(run, by.questions, form, rater, final=True))
        return _differences(run, by).rating.next(f"{form.get('sample', '0')}:{form.get('problem', '')}")

    return await keep_rating(request, task, keep, differ=True)


ROUTES: list[BaseRoute] = [
    Route("/marks/{run}", show_mark),
    Route("/marks/{run}", post_mark, methods=["POST"]),
    Route("/marks/{run}/differ", show_differ),
    Route("/marks/{run}/differ", post_differ, methods=["POST"]),
]
