"""Starting a run from a page, following it and stopping it; the list of jobs; and the live rows of the list of runs."""

import shlex

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from stepdown.errors import UsageError
from stepdown.events import Costing
from stepdown.methods import summary_of
from stepdown.settings import FORM
from stepdown.text import figures
from stepdown.web.errors.objects import bare
from stepdown.web.jobs.run_form import (
    DEFAULTS,
    MANY,
    MOST,
    SECTIONS,
    SOURCES,
    Fields,
    ReadForm,
    at_field,
    chosen,
    fields_like,
    offers,
    read_form,
    with_local,
)
from stepdown.web.jobs.run_jobs import command_of
from stepdown.web.pages import fields_of, page, state_of
from stepdown.web.pages.runs import age
from stepdown.web.pages.solved import solve_jobs_of
from stepdown.web.views.advice import field_of
from stepdown.web.views.live import Live

_LONGEST = 500
_LEAST = {"method": 0, "student": 4, "teacher": 4}


async def new(request: Request) -> Response:
    """Show the form; the address may fill some of it in, field by field or by a run that it is to be `like`."""
    state, fields = state_of(request), [(name, text[:_LONGEST]) for name, text in request.query_params.multi_items()]
    if like := request.query_params.get("like", ""):
        fields = await state.read(lambda store: fields_like(store.run(like).settings, offers(store, state.offered)))
    return await _form(request, fields or [("method", "trace-of-thought")], ReadForm())


async def estimate(request: Request) -> Response:
    """Answer with what the runs of a form would take, while it is filled in; or with what is wrong with it yet."""
    state = state_of(request)
    fields = await fields_of(request)
    offered = await state.read(lambda store: offers(store, state.offered))
    form = read_form(fields, offered)
    costings, refused = list[Costing](), ""
    if form.settings is not None:
        try:
            costings = await state.jobs.estimate(form.settings)
        except UsageError as error:
            refused = at_field(error)
    return page(request, "parts/estimate.html", costings=costings, errors=form.errors, refused=refused, figures=figures)


async def start(request: Request) -> Response:
    """Start the run that a form describes and lead to its page, or show what it would take."""
    state = state_of(request)
    fields = await fields_of(request)
    offered = await state.read(lambda store: offers(store, state.offered))
    form = read_form(fields, offered)
    if form.settings is None:
        return await _form(request, fields, form, status=400)
    try:
        if ("do", "estimate") in fields:
            return await _form(request, fields, form, costings=await state.jobs.estimate(form.settings))
        job = await state.jobs.start(form.settings)
    except UsageError as error:
        if name := field_of(error.option):
            return await _form(request, fields, ReadForm(errors={name: at_field(error)}), status=400)
        return await _form(request, fields, form, status=400, refused=error)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


async def _form(
    request: Request,
    fields: Fields,
    form: ReadForm,
    *,
    status: int = 200,
    costings: list[Costing] | None = None,
    refused: UsageError | None = None,
) -> Response:
    state = state_of(request)
    offered = await state.read(lambda store: offers(store, state.offered))
    some = {name: chosen(fields, name) for name in MANY}
    return page(
        request,
        "new.html",
        status=status,
        offered=with_local(offered, await state.local_models.names()),
        values={**DEFAULTS, **{name: text[:_LONGEST] for name, text in fields if name in DEFAULTS}},
        many={name: (*values, *[""] * (_LEAST[name] - len(values)))[:MOST] for name, values in some.items()},
        settings=FORM,
        summary_of=summary_of,
        sections=SECTIONS,
        sources=SOURCES,
        errors=form.errors,
        refused=refused,
        costings=costings,
        figures=figures,
        constants={
            (one.name, one.value, one.measured): one for each in costings or () for one in each.constants
        }.values(),
        left_out=tuple(dict.fromkeys(line for each in costings or () for line in each.left_out)),
        command=shlex.join(["stepdown", *command_of(form.settings)]) if form.settings else "",
    )


async def show_jobs(request: Request) -> Response:
    """List the jobs of this server and the problems it solves again, newest first."""
    jobs, solving = list(state_of(request).jobs)[::-1], list(solve_jobs_of(request))[::-1]
    return page(request, "jobs.html", jobs=jobs, solving=solving, figures=figures, age=age)


async def show(request: Request) -> Response:
    """Show a job: how far its runs are, what became of it, and what it said."""
    return page(request, "job.html", job=state_of(request).jobs.find(request.path_params["job"]), figures=figures)


async def show_state(request: Request) -> Response:
    """Show the part of a job's page that changes."""
    return page(request, "parts/job.html", job=state_of(request).jobs.find(request.path_params["job"]), figures=figures)


async def stop(request: Request) -> Response:
    """Stop a job: the first time it finishes what it began, the second it ends at once."""
    job = state_of(request).jobs.stop(request.path_params["job"])
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


async def again(request: Request) -> Response:
    """Start a job that has ended once more, and lead to its page. Raises `UsageError`."""
    job = await state_of(request).jobs.again(request.path_params["job"])
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


async def events(request: Request) -> Response:
    """Stream the rows of the list of runs whenever something has changed, as the event `runs`."""
    live: Live = request.app.state.live
    if live.is_full:
        return bare(request.scope, 503, "too many pages listen", {"retry-after": "30"})
    return StreamingResponse(live.events("runs"), media_type="text/event-stream")


async def rows(request: Request) -> Response:
    """Answer with the rows of the list of runs as JSON, for a page that cannot listen; 204 where they are as `seen`."""
    live: Live = request.app.state.live
    page = await live.rows(request.query_params.get("seen", ""))
    return Response(status_code=204) if page is None else JSONResponse({"seen": page[0], "rows": page[1]})


ROUTES: list[BaseRoute] = [
    Route("/new", new),
    Route("/new/estimate", estimate, methods=["POST"]),
    Route("/jobs", show_jobs),
    Route("/jobs", start, methods=["POST"]),
    Route("/jobs/{job}", show),
    Route("/jobs/{job}/state", show_state),
    Route("/jobs/{job}/stop", stop, methods=["POST"]),
    Route("/jobs/{job}/again", again, methods=["POST"]),
    Route("/events", events),
    Route("/events/rows", rows),
]
