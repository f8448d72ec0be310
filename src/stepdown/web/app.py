"""The application: every address, what answers it, and the guards before it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from stepdown.errors import StepdownError
from stepdown.web import openai
from stepdown.web.errors.handlers import refuse_error, refuse_status
from stepdown.web.jobs.batch_watch import watch_batches
from stepdown.web.jobs.solve_jobs import SolveJobs
from stepdown.web.pages import (
    cascades,
    compare,
    corpora,
    jobs,
    labels,
    login,
    marks,
    matrix,
    plans,
    queue,
    reviews,
    runs,
    served,
    solved,
    studies,
    traces,
    votes,
)
from stepdown.web.security.guards import guard
from stepdown.web.security.rules import AccessRules
from stepdown.web.state import State
from stepdown.web.views.live import Live


def routes() -> list[BaseRoute]:
    """Return every address of the pages and the endpoint, each of which lists its own."""
    pages = (
        runs,
        jobs,
        traces,
        compare,
        matrix,
        cascades,
        corpora,
        studies,
        solved,
        plans,
        queue,
        labels,
        reviews,
        votes,
        marks,
        served,
        login,
    )
    listed: list[BaseRoute] = [route for one in pages for route in one.ROUTES]
    static = Mount("/static", StaticFiles(packages=[("stepdown.web", "static")]), name="static")
    return [*listed, Mount("/v1", routes=openai.ROUTES), static]


def make_app(state: State, *, rules: AccessRules | None = None) -> Starlette:
    """Return the application over a server's state, behind its guards; closing it closes the state."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(watch_batches(state))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await state.close()

    app = Starlette(
        routes=routes(),
        middleware=[Middleware(partial(guard, state=state, rules=rules or AccessRules()))],
        exception_handlers={HTTPException: refuse_status, StepdownError: refuse_error},
        lifespan=lifespan,
    )
    # Every object of the application, by the name under which requests find it.
    app.state.stepdown = state
    app.state.live = Live(state, runs.live)
    app.state.solve_jobs = SolveJobs(state)
    app.state.service = openai.Service(state)
    return app
