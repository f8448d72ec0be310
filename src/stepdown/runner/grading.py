"""Stored solutions graded again: page by page, here or by workers."""

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter

import msgspec

from stepdown.graders import Rubric, RubricGrader, load_grader, named
from stepdown.runner.live_run import grade_trace, vote_of
from stepdown.shards import Shard
from stepdown.store import Run, check_shard, put_rubric, put_shard
from stepdown.types import Grade, Grader, Trace
from stepdown.workers import WorkerPool

Page = list[tuple[int, Trace]]
Grades = list[tuple[int, int, Grade]]
PAGE = 64
# Of a page that is pickled twice, the way would cost more than the grading.
WORKERS_PAGE = 512


class _Pages:
    """The traces of a run, or of a shard's problems, by pages; `problems` counts those that were read."""

    def __init__(self, run: Run, grader: str, shard: Shard | None) -> None:
        self.run, self.grader, self.shard = run, grader, shard
        self.problems = 0

    def by(self, size: int) -> Iterator[Page]:
        """Stream pages of so many traces, with all of a page's last problem; the last page is shorter."""
        page: Page = []
        last = -1
        for ordinal, trace, _ in self.run.rows(self.grader):
            if self.shard is not None and not self.shard.holds(trace.problem):
                continue
            if len(page) >= size and ordinal != last:
                yield page
                page = []
            self.problems, last = self.problems + (ordinal != last), ordinal
            page.append((ordinal, trace))
        if page:
            yield page

    def end(self) -> None:
        """Make the grader the run's, all pages being graded."""
        if self.shard is not None:
            put_shard(self.run, self.shard, self.problems, self.grader)
        self.run.grader = self.grader


def _begin(run: Run, grader: Grader, shard: Shard | None) -> _Pages:
    if shard is not None:
        check_shard(run.store, run.id, shard, grader.name)
    if isinstance(grader, RubricGrader):
        keep_rubric(run, grader.rubric)
    return _Pages(run, grader.name, shard)


def keep_rubric(run: Run, rubric: Rubric) -> None:
    """Keep the rubric that a run is marked by, so that people are shown the same criteria as the judge."""
    put_rubric(run, rubric.key(), msgspec.json.encode(rubric))


async def grade_run(run: Run, grader: Grader, *, shard: Shard | None = None) -> None:
    """Grade every stored solution of a run, or of the problems of a shard, a page at a time.

    Raises what stops a judge, such as `BudgetReached`, once the grades of the page are kept.
    """
    grader = named(grader)
    pages = _begin(run, grader, shard)
    for page in pages.by(PAGE):
        await _grade_some(run, grader, page)
    pages.end()


async def _grade_some(run: Run, grader: Grader, some: Page) -> None:
    votes = await _votes_of(grader, some)
    asked = (grade_trace(grader, trace, votes[ordinal]) for ordinal, trace in some)
    grades = await asyncio.gather(*asked, return_exceptions=True)
    places = list(zip(some, grades, strict=True))
    run.put_grades((ordinal, trace.sample, one) for (ordinal, trace), one in places if isinstance(one, Grade))
    for one in grades:
        if isinstance(one, BaseException):
            raise one


async def _votes_of(grader: Grader, page: Page) -> dict[int, Grade | None]:
    problems = groupby(page, key=itemgetter(0))
    return {ordinal: await vote_of(grader, [trace for _, trace in some]) for ordinal, some in problems}


def grade_by_workers(run: Run, grader: str, pool: WorkerPool, *, shard: Shard | None = None) -> None:
    """Grade every stored solution of a run by a grader that asks no model, a page per worker; only this process stores.

    The name may be one of a file's, which runs that code: never a name from elsewhere.
    """
    pages = _begin(run, named(load_grader(grader, code=True)), shard)
    sent = map(_without_calls, pages.by(WORKERS_PAGE))
    for grades in pool.map(partial(grade_page, grader), sent, name=lambda page: f"solutions from {page[0][0]} on"):
        run.put_grades(grades)
    pages.end()


def _without_calls(page: Page) -> Page:
    """Return a page with what a grader reads, without the calls behind it."""
    return [
        (ordinal, Trace(one.problem, one.method, solution=one.solution, error=one.error, sample=one.sample))
        for ordinal, one in page
    ]


def grade_page(grader: str, page: Page) -> Grades:
    """Return the grades of a page, in a worker: each with its trace's ordinal and sample."""
    return asyncio.run(_graded(named(load_grader(grader, code=True)), page))


async def _graded(grader: Grader, page: Page) -> Grades:
    votes = await _votes_of(grader, page)
    grades = await asyncio.gather(*(grade_trace(grader, trace, votes[ordinal]) for ordinal, trace in page))
    return [(ordinal, trace.sample, grade) for (ordinal, trace), grade in zip(page, grades, strict=True)]
