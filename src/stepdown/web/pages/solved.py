"""Two attempts at a problem side by side, by any two runs, and a problem solved again while that is written."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import StepdownError, UnknownName
from stepdown.models import Prices
from stepdown.store import SOURCE, Store, siblings
from stepdown.text import figures, method_of, plans_of
from stepdown.web.jobs.solve_jobs import SolveJob, SolveJobs
from stepdown.web.pages import FieldError, page, state_of, templates
from stepdown.web.security.scrubbing import scrub
from stepdown.web.state import State
from stepdown.web.views.addresses import address, place_of
from stepdown.web.views.edit_queue import changes, gains, side_of, words_of
from stepdown.web.views.lined_up import lined_up, shared_steps


def solve_jobs_of(request: Request) -> SolveJobs:
    """Return the problems that this server solves again."""
    jobs: SolveJobs = request.app.state.solve_jobs
    return jobs


async def show_solved(request: Request) -> Response:
    """Show two runs' attempts at a problem side by side; `other` is its id in the run `by`, where that differs."""
    state, (name, problem) = state_of(request), place_of(request)
    by, other = (request.query_params.get(one, "") for one in ("by", "other"))
    values = await state.read(lambda store: pair(store, (name, by), (problem, other or problem), state.prices))
    return page(request, "solved.html", figures=figures, method_of=method_of, plans_of=plans_of, **values)


async def choose_pair(request: Request) -> Response:
    """Lead from the form that chooses two runs to their page of a problem."""
    given = request.query_params
    run, by = (given.get(one, "") for one in ("run", "by"))
    return RedirectResponse(address(run, "solved", given.get("problem", ""), by=by), 303)


def pair(store: Store, runs: tuple[str, str], ids: tuple[str, str], prices: Prices) -> dict[str, Any]:
    """Return what the page needs: the two attempts, and the other runs that have the problem. Raises `UnknownName`."""
    values = sides(store, runs, ids, prices)
    before, after = store.run(runs[0]), store.run(runs[1])
    ordinal, trace, _ = before.attempts(ids[0])[0]
    firsts = [values[side].attempts[0][0] for side in ("before", "after")]
    same = trace.plan is not None and firsts[0].plan is not None and values["before"].steps == values["after"].steps
    return values | {
        "shared": shared_steps(trace.plan, [one.solution or "" for one in firsts]) if trace.plan and same else (),
        "apart": () if same else tuple(lined_up(one.plan, one.solution) for one in firsts),
        "again": after.settings.plans == SOURCE + before.id,
        "settings": (before.settings, after.settings),
        "ids": ids,
        "others": siblings(before, ordinal, trace.sample).shown,
    }


def sides(store: Store, runs: tuple[str, str], ids: tuple[str, str], prices: Prices) -> dict[str, Any]:
    """Return what the side-by-side view needs: both runs' attempts, what became of the plan, who changed it and why.

    `ids` are the problem's in either run: those of a file of one's own differ from a data set's.
    """
    before, after = (side_of(store.run(name), one, prices) for name, one in zip(runs, ids, strict=True))
    for side, one in ((before, ids[0]), (after, ids[1])):
        if side is None:
            raise UnknownName("problem of both runs", one[:200], [])
    assert before is not None and after is not None, "both were looked at"
    last = after.attempts[0][0]
    return {"before": before, "after": after, "changes": changes(before.steps, after.steps), "problem": last.problem,
            "plan": last.plan, "words": words_of(before, after)}  # fmt: skip


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
    values = await state.read(lambda store: sides(store, runs, (solving.problem, solving.problem), state.prices))
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
    Route("/pair", choose_pair),
]
