"""People's votes on two runs' solutions: a pair at a time, blind, then where raters differ, until somebody decides."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stepdown.errors import UnknownName, UsageError
from stepdown.measuring import (
    Ballot,
    Preferences,
    Sides,
    Where,
    ballot,
    differing,
    left_of,
    pair_of,
    preferences_of,
    preferred_on,
    side_for,
    side_of,
    valid_votes,
    vote_item,
)
from stepdown.store import PersonVote, Run, Store, labels_of, put_votes, run_version, stored_votes, voted_runs
from stepdown.web.pages import EditConflict, page, state_of
from stepdown.web.pages.rated import keep_rating
from stepdown.web.state import State
from stepdown.web.views.rating import Rating, address_with, asked_number, rater_of

OFFERED = 300
_USUAL = {"where": "both-right", "n": 100, "seed": 0}
Left = Literal["first", "second"]


class VoteTask(msgspec.Struct, frozen=True, kw_only=True):
    """Which pairs of two runs are voted on: as an address asks for them."""

    runs: tuple[str, str]
    where: Where
    n: int
    seed: int

    def address(self, *, differ: bool = False, **more: str) -> str:
        """Return the address of these pairs, or of those that raters differ on."""
        path = f"/votes/{self.runs[0]}/{self.runs[1]}" + "/differ" * differ
        return address_with(path, {"where": self.where, "n": self.n, "seed": self.seed}, _USUAL, **more)

    def drawn(self, state: State, first: Run, second: Run) -> Ballot:
        """Return the pairs, drawn once as long as the runs stay as they are."""
        key = ("ballot", first.id, run_version(first), second.id, run_version(second), self.where, self.n, self.seed)
        return state.run_stats.remember(key, lambda: ballot(first, second, self.where, self.n, self.seed))


def task_of(request: Request) -> VoteTask:
    """Return what an address asks to vote on. Raises `UnknownName` and `UsageError`."""
    where = request.query_params.get("where") or "both-right"
    for known in get_args(Where):
        if where == known:
            runs = (request.path_params["run"], request.path_params["other"])
            n, seed = asked_number(request, "n", 100), asked_number(request, "seed", 0)
            return VoteTask(runs=runs, where=known, n=n, seed=seed)
    raise UnknownName("choice of problems", where[:40], get_args(Where))


async def show_index(request: Request) -> Response:
    """Show which runs were voted on, and a form to choose two; two that are chosen lead to their pairs."""
    chosen = [request.query_params.get(name, "") for name in ("first", "second")]
    if all(chosen):
        first, second = (state_of(request).store.run(one).id for one in chosen)
        return RedirectResponse(f"/votes/{first}/{second}", status_code=303)

    def read(store: Store) -> dict[str, Any]:
        labels = labels_of(store)
        runs = [one for one in reversed(store.runs()) if not (one.id in labels and labels[one.id].hidden)]
        return {"voted": voted_runs(store), "offered": runs[:OFFERED], "labels": labels}

    return page(request, "votes.html", **await state_of(request).read(read))


async def show_vote(request: Request) -> Response:
    """Show the next pair that this rater has not voted on, or the one asked for."""
    state, task, rater = state_of(request), task_of(request), rater_of(request)
    at = request.query_params.get("at", "")

    def read(store: Store) -> dict[str, Any]:
        first, second = (store.run(one) for one in task.runs)
        drawn = task.drawn(state, first, second)
        own = drawn.own(stored_votes(first, second), rater)
        rating = _rating(drawn, own)
        chosen = at if at in drawn.pairs else rating.next()
        values = {"task": task, "rater": rater, "rating": rating, "at": chosen, "own": "", "item": None}
        if not rater or not chosen:
            return values
        vote = own.get(chosen)
        left = vote.left if vote else side_for(first, second, chosen, rater, task.seed)
        return values | _shown(first, second, chosen, left) | {"own": side_of(vote, left) if vote else ""}

    return page(request, "vote.html", **await state.read(read))


def _rating(drawn: Ballot, own: Mapping[str, PersonVote]) -> Rating:
    skipped = frozenset(one for one, vote in own.items() if vote.preferred == "skip")
    return Rating(drawn=tuple(drawn.pairs), dealt=frozenset(own), skipped=skipped)


def _shown(first: Run, second: Run, problem: str, left: Left) -> dict[str, Any]:
    pair = pair_of(first, second, problem)
    return {"item": vote_item(first, second, pair, left), "problem": pair.problem}


async def post_vote(request: Request) -> Response:
    """Keep one vote and show the next pair, or keep who votes."""
    state, task = state_of(request), task_of(request)

    def keep(store: Store, form: Mapping[str, str], rater: str) -> str:
        first, second = (store.run(one) for one in task.runs)
        drawn = task.drawn(state, first, second)
        vote = _vote(first, second, drawn, form, rater)
        put_votes(first, second, [vote])
        own = drawn.own(stored_votes(first, second), rater)
        return _rating(drawn, own).next(vote.problem) if vote.preferred else vote.problem

    return await keep_rating(request, task, keep, required="vote")


def _vote(
    first: Run, second: Run, drawn: Ballot, form: Mapping[str, str], rater: str, *, final: bool = False
) -> PersonVote:
    """Return the vote that a form gives. Raises `UnknownName`, `UsageError`, and `EditConflict` for other texts."""
    problem, side = form.get("problem", ""), _side(form.get("vote", ""))
    if problem not in drawn.pairs:
        raise UnknownName("pair of these runs", problem[:200], [])
    if not rater:
        raise UsageError("nobody is named", "say your name first: it stands beside your vote")
    left = left_of(first, second, pair_of(first, second, problem), form.get("item", ""))
    if left is None:
        raise EditConflict("these solutions have changed since they were shown", "go back, and look at them again")
    return PersonVote(problem, rater, preferred_on(side, left), left, drawn.pairs[problem], final)


def _side(given: str) -> Sides:
    for known in get_args(Sides):
        if given == known:
            found: Sides = known
            return found
    raise UsageError(
        f"`{given[:40]}` is no vote", "vote for the left or the right solution, for a tie, or skip the pair"
    )


class Differences(msgspec.Struct, frozen=True):
    """What people said of two runs: the votes that count, the pairs they differ on, and those that were decided."""

    votes: tuple[PersonVote, ...]
    pairs: Mapping[str, Mapping[str, PersonVote]]
    finals: Mapping[str, PersonVote]
    outdated: int

    @property
    def rating(self) -> Rating:
        """How many of the pairs are decided."""
        return Rating(drawn=tuple(self.pairs), dealt=frozenset(one for one in self.pairs if one in self.finals))

    @property
    def ballot(self) -> Ballot:
        """The pairs to decide, with what stands for their texts."""
        return Ballot({problem: next(iter(given.values())).texts for problem, given in self.pairs.items()})


def differences(first: Run, second: Run) -> Differences:
    """Return where people differ on two runs' solutions."""
    votes, outdated = valid_votes(first, second)
    finals = {one.problem: one for one in votes if one.final and one.preferred}
    return Differences(tuple(votes), differing(votes), finals, outdated)


async def show_differ(request: Request) -> Response:
    """Show how far raters agree, and the next pair that they differ on and nobody has decided."""
    state, task, rater = state_of(request), task_of(request), rater_of(request)
    at = request.query_params.get("at", "")

    def read(store: Store) -> dict[str, Any]:
        first, second = (store.run(one) for one in task.runs)
        found = differences(first, second)
        rating = found.rating
        chosen = at if at in found.pairs else rating.next() or "".join(rating.drawn[:1])
        values = {
            "task": task,
            "rater": rater,
            "rating": rating,
            "at": chosen,
            "counted": _counted(first, second, found),
        }
        if not chosen:
            return values
        left = side_for(first, second, chosen, "", task.seed)
        sides = {name: side_of(vote, left) for name, vote in sorted(found.pairs[chosen].items())}
        final = found.finals.get(chosen)
        values |= {"sides": sides, "final": final, "own": side_of(final, left) if final else ""}
        return values | _shown(first, second, chosen, left)

    return page(request, "votes_differ.html", **await state.read(read))


def _counted(first: Run, second: Run, found: Differences) -> Preferences | None:
    try:
        return preferences_of(first, second, found.votes, found.outdated)
    except UsageError:
        return None  # nobody has voted yet


async def post_differ(request: Request) -> Response:
    """Keep a final vote and show the next pair that raters differ on."""
    task = task_of(request)

    def keep(store: Store, form: Mapping[str, str], rater: str) -> str:
        first, second = (store.run(one) for one in task.runs)
        found = differences(first, second)
        vote = _vote(first, second, found.ballot, form, rater, final=True)
        if vote.preferred == "skip":
            raise UsageError("a final vote decides", "choose a side or a tie, or leave the pair as it is")
        put_votes(first, second, [vote])
        after = differences(first, second).rating
        return after.next(vote.problem) if vote.preferred else vote.problem

    return await keep_rating(request, task, keep, differ=True)


ROUTES: list[BaseRoute] = [
    Route("/votes", show_index),
    Route("/votes/{run}/{other}", show_vote),
    Route("/votes/{run}/{other}", post_vote, methods=["POST"]),
    Route("/votes/{run}/{other}/differ", show_differ),
    Route("/votes/{run}/{other}/differ", post_differ, methods=["POST"]),
]
