"""People's votes in the store: which pairs a rater is asked about, what they said, and where they differ."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.files import replacing
from stepdown.measuring.preferences import Preferences, SolutionPair, Where, candidates, digest, pair_of
from stepdown.measuring.votes import Vote, VoteItem, count_votes, vote_item
from stepdown.store import PersonVote, Run, VoteChoice, put_votes, stored_votes

Sides = Literal["left", "right", "tie", "skip", ""]


class Ballot(msgspec.Struct, frozen=True):
    """The pairs that raters are asked about, in their order: problems, each with what stands for its two texts."""

    pairs: Mapping[str, str]

    def own(self, votes: Iterable[PersonVote], rater: str) -> dict[str, PersonVote]:
        """Return what a rater said of these pairs as they are now, by problem."""
        mine = (one for one in votes if one.rater == rater and not one.final)
        return {one.problem: one for one in mine if self.pairs.get(one.problem) == one.texts}


class SavedVote(VoteItem, frozen=True):
    """A vote as a line of a file, which also says whether it is final."""

    final: str = ""


def ballot(first: Run, second: Run, where: Where = "both-right", limit: int | None = 100, seed: int = 0) -> Ballot:
    """Draw the pairs that raters are asked about, all in the same order. Raises `UsageError` where there are none."""
    drawn = candidates(first, second, where).draw(limit, seed)
    return Ballot({one: texts_of(first, second, pair_of(first, second, one)) for one in drawn})


def texts_of(first: Run, second: Run, pair: SolutionPair) -> str:
    """Return sixteen digits that stand for two runs' texts, whichever run is named first."""
    texts = (pair.first, pair.second) if first.id < second.id else (pair.second, pair.first)
    return digest(pair.problem.id, *texts)[:8].hex()


def side_for(first: Run, second: Run, problem: str, rater: str, seed: int = 0) -> Literal["first", "second"]:
    """Draw whose text a rater sees on the left: for each rater anew, whichever run is named first."""
    turned = digest(str(seed), rater, problem, "side")[0] % 2 == 1
    return "second" if turned != (second.id < first.id) else "first"


def preferred_on(side: Sides, left: Literal["first", "second"]) -> VoteChoice:
    """Return the run that a vote for a side is for."""
    if side == "left":
        return left
    if side == "right":
        return "second" if left == "first" else "first"
    return side


def side_of(vote: PersonVote, left: Literal["first", "second"]) -> Sides:
    """Return the side that a vote is for where the text of the `left` run stands on the left."""
    if vote.preferred == "first" or vote.preferred == "second":
        return "left" if vote.preferred == left else "right"
    return vote.preferred


def keep_votes(first: Run, second: Run, votes: Sequence[Vote]) -> int:
    """Keep the votes of task files in the store and return how many; what the same rater said before is gone."""
    cast = [one for one in votes if one.side]
    texts = {
        one: texts_of(first, second, pair_of(first, second, one)) for one in dict.fromkeys(v.problem for v in cast)
    }
    rows = (PersonVote(v.problem, v.rater, v.preferred, v.left, texts[v.problem], v.final) for v in cast)
    put_votes(first, second, rows)
    return len(cast)


def valid_votes(first: Run, second: Run) -> tuple[list[PersonVote], int]:
    """Return the votes in the store on texts as they are now, and how many there are on others."""
    votes, now = stored_votes(first, second), dict[str, str]()
    for problem in dict.fromkeys(one.problem for one in votes):
        try:
            now[problem] = texts_of(first, second, pair_of(first, second, problem))
        except UnknownName:
            continue  # one of the runs has lost the problem
    valid = [one for one in votes if now.get(one.problem) == one.texts]
    return valid, sum(one.preferred != "skip" for one in votes) - sum(one.preferred != "skip" for one in valid)


def kept_preferences(first: Run, second: Run) -> Preferences:
    """Count the votes in the store: a final vote decides a pair, otherwise more than half of its votes, else it ties.

    Votes that were skipped say nothing. Raises `UsageError` where nobody has voted.
    """
    return preferences_of(first, second, *valid_votes(first, second))


def preferences_of(first: Run, second: Run, found: Sequence[PersonVote], outdated: int) -> Preferences:
    """Count these votes as `kept_preferences` does, beside so many on texts that have changed. Raises as it does."""
    votes = [_counted(one) for one in found if one.preferred != "skip"]
    if not votes:
        changed = f"; {outdated} votes are on texts that have changed since" if outdated else ""
        raise UsageError(
            f"nobody has voted on the solutions of `{first.id}` and `{second.id}`{changed}",
            f"let people vote at /votes/{first.id}/{second.id} of `stepdown serve`, or give --judge MODEL, --to FILE "
            "or --votes FILE",
        )
    return count_votes(first, second, votes, outdated=outdated)


def differing(votes: Iterable[PersonVote]) -> dict[str, dict[str, PersonVote]]:
    """Return the problems whose raters do not all say the same, each with what every rater says."""
    by_problem: dict[str, dict[str, PersonVote]] = {}
    for one in votes:
        if not one.final and one.preferred != "skip":
            by_problem.setdefault(one.problem, {})[one.rater] = one
    return {
        problem: given for problem, given in by_problem.items() if len({one.preferred for one in given.values()}) > 1
    }


def save_votes(first: Run, second: Run, path: str | Path, *, force: bool = False) -> int:
    """Write the votes in the store as a file that `read_votes` reads, and return how many.

    Raises `UsageError` where nobody has voted, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".jsonl":
        raise UsageError(f"`{path}` is not a file of votes", "name a .jsonl file")
    votes = [one for one in valid_votes(first, second)[0] if one.preferred != "skip"]
    if not votes:
        raise UsageError(f"nobody has voted on the solutions of `{first.id}` and `{second.id}`", "nothing was written")
    with replacing(path, force) as part, part.open("xb") as file:
        for one in votes:
            file.write(msgspec.json.encode(_saved(first, second, one)) + b"\n")
    return len(votes)


def _saved(first: Run, second: Run, vote: PersonVote) -> SavedVote:
    item = vote_item(first, second, pair_of(first, second, vote.problem), vote.left)
    fields = msgspec.structs.asdict(item) | {"vote": side_of(vote, vote.left), "rater": vote.rater}
    return SavedVote(**fields, final="yes" if vote.final else "")


def _counted(vote: PersonVote) -> Vote:
    return Vote(vote.problem, vote.rater, vote.left, side_of(vote, vote.left), vote.final)
