"""The pages of reviewed runs: plans that wait for a person before their student sees them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import UnknownName, UsageError
from stepdown.store import Decision, PendingReview, Store, decide_review, pending_reviews
from stepdown.types import Plan
from stepdown.web.pages import FieldError, form_of, page, state_of
from stepdown.web.pages.plans import author_of, revised, typed_of
from stepdown.web.views.addresses import place_of
from stepdown.web.views.cookies import keep

SHOWN = 50


class Waiting(msgspec.Struct, frozen=True):
    """A held plan with its number in the line and the address that opens it."""

    held: PendingReview
    at: str


def line(store: Store) -> list[Waiting]:
    """Return all plans that wait, oldest first."""
    return [
        Waiting(review, urlencode({"run": review.run, "at": review.problem.id})) for review in pending_reviews(store)
    ]


async def show_reviews(request: Request) -> Response:
    """Show the plan that has waited longest, or the one asked for, and the others in line."""
    query = request.query_params
    waiting = await state_of(request).read(line)
    if query.get("count") == str(len(waiting)):
        return Response(status_code=204)  # nothing to say: htmx leaves the page as it is
    if "count" in query:
        return page(request, "parts/waiting.html", count=len(waiting), shown=query.get("shown", ""))
    places = [(one.held.run, one.held.problem.id) for one in waiting]
    wanted = (query.get("run", ""), query.get("at", ""))
    index = places.index(wanted) if wanted in places else 0
    return page(request, "reviews.html", **_review_view(waiting, index))


async def post_review(request: Request) -> Response:
    """Keep what a person decided on a held plan, and show the next one."""
    state, (run, problem) = state_of(request), place_of(request)
    form = await form_of(request)
    review = next((one for one in pending_reviews(state.store, run) if one.problem.id == problem), None)
    if review is None:
        return _late(request, form, known=any(one.id == run for one in state.store.runs()))
    try:
        plan = revised(review.plan, form, person=state.person)
    except FieldError as error:
        return await _again(request, review, form, error)
    decision = _decision(form.get("decision", ""), changed=plan != review.plan)
    if decision == "left":
        plan = msgspec.structs.replace(review.plan, author=author_of(form, state.person))
    if not await state.write(lambda store: decide_review(store, (run, problem), decision=decision, plan=plan)):
        return _late(request, form, known=True)
    return keep(RedirectResponse("/reviews", status_code=303), form, person=state.person)


async def _again(request: Request, review: PendingReview, form: Mapping[str, str], error: FieldError) -> Response:
    """Show the form again as it was filled in, with what is wrong at its field."""
    waiting = await state_of(request).read(line)
    index = next((at for at, one in enumerate(waiting) if one.held == review), 0)
    values = {"typed": typed_of(form), "errors": {error.field: error}}
    return page(request, "reviews.html", status=400, **_review_view(waiting, index), **values)


def _review_view(waiting: list[Waiting], index: int) -> dict[str, Any]:
    beside = [waiting[at] if 0 <= at < len(waiting) else None for at in (index - 1, index + 1)]
    return {"waiting": waiting, "place": index, "beside": beside, "shown": SHOWN}


def _late(request: Request, form: Mapping[str, str], *, known: bool) -> Response:
    """Say that somebody was first, with what was typed; a plan that was never held is an unknown name."""
    run, problem = place_of(request)
    if not known:
        raise UnknownName("plan that waits", f"{run[:40]}/{problem[:200]}", [])
    return page(request, "late.html", status=409, problem=problem, steps=Plan(form.get("steps", ""), "").steps)


def _decision(chosen: str, *, changed: bool) -> Decision:
    if chosen == "left":
        return "left"
    if chosen in {"accepted", "edited"}:
        return "edited" if changed else "accepted"
    raise UsageError(f"`{chosen[:40]}` is not a decision", "accept the plan, edit it, or leave the problem unsolved")


ROUTES: list[BaseRoute] = [
    Route("/reviews", show_reviews),
    Route("/reviews/{run}/{problem:path}", post_review, methods=["POST"]),
]
