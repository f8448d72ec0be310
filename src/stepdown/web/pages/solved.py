"""Problems solved again: the solution while it is written, and old and new side by side."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import StepdownError, UnknownName
from stepdown.models import Prices
from stepdown.store import Store
from stepdown.web.jobs.solve_jobs import SolveJob, SolveJobs
from stepdown.web.pages import FieldError, page, state_of, templates
from stepdown.web.security.scrubbing import scrub
from stepdown.web.state import State
from stepdown.web.views.addresses import address, place_of
from stepdown.web.views.edit_queue import changes, gains, side_of


def solve_jobs_of(request: Request) -> SolveJobs:
    """Return the problems that this server solves again."""
    jobs: SolveJobs = request.app.state.solve_jobs
    return jobs


async def show_solved(request: Request) -> Response:
    """Show what a run had and what a derived run has, side by side."""
    state, (name, problem) = state_of(request), place_of(request)
    by = request.query_params.get("by", "")
    return page(
        request, "solved.html", **await state.read(lambda store: sides(store, (name, by), problem, state.prices))
    )


def sides(store: Store, runs: tuple[str, str], problem: str, prices: Prices) -> dict[str, Any]:
    """Return what the side-by-side view needs: both runs' attempts, what became of the plan, who changed it and why."""
    before, after = (side_of(store.run(name), problem, prices) for name in runs)
    if before is None or after is None:
        raise UnknownName("problem of both runs", problem[:200], [])
    return {"before": before, "after": after, "changes": changes(before.steps, after.steps),
            "problem": after.attempts[0][0].problem, "plan": after.attempts[0][0].plan}  # fmt: skip


async def show_solving(request: Request) -> Response:
    """Answer with what was written from the place `at` on; `done` is old and new side by side once it has ended."""
    solving = solve_jobs_of(request).find(request.path_params["id"])
    given = request.query_params.get("at", "")
    at = int(given) if given.isdecimal() and len(given) < 12 else 0
    # In this order: what is written after the end was looked for comes with the next answer.
    done, text = solving.is_done, solving.text
    parts = await _ended(state_of(request), solving) if done else None
    return JSONResponse({"text": text[at:], "at": len(text), "done": parts})


async def _ended(state: State, solving: SolveJob) -> str:
    try:
        solved_at(solving)
    except StepdownError as error:
        return unsolved(state, error, kept=True)
    assert solving.result is not None, "what ended without an error has a result"
    runs = solving.run, solving.result.run.id
    values = await state.read(lambda store: sides(store, runs, solving.problem, state.prices))
    text = templates().get_template("parts/solved.html").render(**values)
    if not solving.counted:
        return text
    gained = await state.read(lambda store: gains(store.run(solving.run)))
    return text + templates().get_template("parts/gained.html").render(gained=gained, oob=True)


def unsolved(state: State, error: StepdownError, *, kept: bool) -> str:
    """Return the part of a page that says why nothing was solved."""
    what, hint = (scrub(text, state.token) for text in (error.what, error.hint))
    field = error.field if isinstance(error, FieldError) else ""
    return templates().get_template("parts/unsolved.html").render(what=what, hint=hint, kept=kept, field=field)


def solved_at(solving: SolveJob) -> str:
    """Return where old and new stand side by side. Raises what the solving ended in."""
    if solving.error is not None:
        raise solving.error
    assert solving.result is not None, "what ended without an error has a result"
    return address(solving.run, "solved", solving.problem, by=solving.result.run.id)


ROUTES: list[BaseRoute] = [
    Route("/runs/{run}/solving/{id}", show_solving),
    Route("/runs/{run}/solved/{problem:path}", show_solved),
]
