"""Preferences by people: a task file that names no model, and the votes that come back."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from html import escape
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.files import replacing
from stepdown.measuring.preferences import (
    Preference,
    Preferences,
    Preferred,
    SolutionPair,
    Where,
    candidates,
    digest,
    pair_of,
    position_bias,
    summarize,
)
from stepdown.prompts import question_text
from stepdown.stats import agreement
from stepdown.store import Run
from stepdown.tabular import Row, clip_value, find_file, read_rows

SIDES = ("left", "right", "tie")


class VoteItem(msgspec.Struct, frozen=True):
    """A line of a task file: a rater writes `left`, `right` or `tie` into `vote`, and a name into `rater`."""

    item: str
    problem: str
    question: str
    left: str
    right: str
    vote: str = ""
    rater: str = ""


class Vote(msgspec.Struct, frozen=True):
    """What one rater said of one problem; `left` says whose text was shown on the left, a `final` one decides."""

    problem: str
    rater: str
    left: Literal["first", "second"]
    side: str
    final: bool = False

    @property
    def preferred(self) -> Preferred:
        """The run whose text the rater preferred."""
        if self.side == "tie":
            return "tie"
        other: Preferred = "second" if self.left == "first" else "first"
        return self.left if self.side == "left" else other


def write_votes(
    first: Run,
    second: Run,
    path: str | Path,
    *,
    where: Where = "both-right",
    limit: int | None = 100,
    seed: int = 0,
    force: bool = False,
) -> int:
    """Write a blind task for people, `.jsonl` or a `.html` page to vote on, and return its number of items.

    Which run stands on the left is drawn for each item; an item's id stands for its texts and their places.
    Raises `UsageError` where nothing can be compared or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".jsonl", ".html"):
        raise UsageError(f"`{path}` is not a task file", "name a .jsonl or a .html file")
    drawn = candidates(first, second, where).draw(limit, seed)
    items = (_item(first, second, one, seed) for one in drawn)
    with replacing(path, force) as part, part.open("xb") as file:
        file.writelines(_page(items) if path.suffix == ".html" else _jsonl(items))
    return len(drawn)


def _item(first: Run, second: Run, problem: str, seed: int) -> VoteItem:
    turned = digest(str(seed), problem, "side")[0] % 2 == 1
    return vote_item(first, second, pair_of(first, second, problem), "second" if turned else "first")


def vote_item(first: Run, second: Run, pair: SolutionPair, left: Literal["first", "second"]) -> VoteItem:
    """Return what a rater is shown of a pair, with the text of the `left` run on the left."""
    shown = (pair.second, pair.first) if left == "second" else (pair.first, pair.second)
    name = _name(first, second, pair, turned=left == "second")
    return VoteItem(name, pair.problem.id, question_text(pair.problem), shown[0].strip(), shown[1].strip())


def left_of(first: Run, second: Run, pair: SolutionPair, item: str) -> Literal["first", "second"] | None:
    """Return whose text stands on the left in an item; None where it is none of this pair, as its texts are now."""
    if item == _name(first, second, pair, turned=False):
        return "first"
    return "second" if item == _name(first, second, pair, turned=True) else None


def _name(first: Run, second: Run, pair: SolutionPair, *, turned: bool) -> str:
    """The id of an item: 16 hexadecimal digits that tell, to who has the runs, which of them stands on the left."""
    shown_texts = [(first.id, pair.first), (second.id, pair.second)]
    parts = chain.from_iterable(reversed(shown_texts) if turned else shown_texts)
    return digest(pair.problem.id, *parts)[:8].hex()


def _jsonl(items: Iterable[VoteItem]) -> Iterator[bytes]:
    return (msgspec.json.encode(item) + b"\n" for item in items)


def _page(items: Iterable[VoteItem]) -> Iterator[bytes]:
    head, _, tail = files("stepdown.measuring").joinpath("votes.html").read_text("utf-8").partition("{{items}}")
    yield head.encode()
    for index, item in enumerate(items, 1):
        yield _section(index, item).encode(errors="replace")
    yield tail.encode()


def _section(index: int, item: VoteItem) -> str:
    texts = "".join(f"<pre><b>{side}</b>\n{escape(getattr(item, side))}</pre>" for side in ("left", "right"))
    choices = "".join(f'<label><input type="radio" name="{item.item}" value="{side}"> {side}</label>' for side in SIDES)
    return (
        f'<section data-item="{item.item}" data-problem="{escape(item.problem)}"><h2>{index}</h2>'
        f"<pre>{escape(item.question)}</pre><div>{texts}</div><p>{choices}</p></section>\n"
    )


def read_votes(first: Run, second: Run, *paths: str | Path) -> Preferences:
    """Count the votes of filled task files of these two runs; each file may hold one rater's votes or several's.

    A rater without a name is called after the file. More than half of an item's votes decide it, else it is a tie;
    without votes it has no verdict, and a final vote goes before all others. Raises `UsageError` without files,
    `BadRow` for a row that is no vote on these.
    """
    return count_votes(first, second, votes_in(first, second, *paths))


def votes_in(first: Run, second: Run, *paths: str | Path) -> list[Vote]:
    """Return the votes of filled task files; `side` is empty where nobody voted. Raises as `read_votes` does."""
    if not paths:
        raise UsageError("there are no votes", "name one or more filled task files")
    pairs: dict[str, SolutionPair] = {}
    votes = [vote for path in map(find_file, paths) for vote in _votes(first, second, path, pairs)]
    _check_once(votes)
    return votes


def count_votes(first: Run, second: Run, votes: Sequence[Vote], *, outdated: int = 0) -> Preferences:
    """Count votes; final ones decide, and count neither for the agreement nor for the places.

    `outdated` says how many more there are on texts that have changed.
    """
    finals = {one.problem: one.preferred for one in votes if one.final and one.side}
    cast = [vote for vote in votes if vote.side and not vote.final]
    raters = tuple(sorted({vote.rater for vote in cast}))
    items = _items(votes, raters, finals)
    sides = Counter(vote.side for vote in cast)
    preferences = summarize(
        first, second, items, by="people", where="", counts=(len(items), 0),
        position=position_bias(sides["left"], sides["right"]),
    )  # fmt: skip
    # A final tie is no tie because verdicts did not agree.
    final_ties = sum(
        one.problem in finals and one.preferred == "tie" and set(one.votes) - {None} != {"tie"} for one in items
    )
    return msgspec.structs.replace(
        preferences, raters=raters, agreement=agreement([one.votes for one in items]), adjudicated=tuple(finals),
        outdated=outdated, split=preferences.split - final_ties,
    )  # fmt: skip


def _votes(first: Run, second: Run, path: Path, pairs: dict[str, SolutionPair]) -> Iterator[Vote]:
    with closing(read_rows(path)) as rows:
        for row in rows:
            problem = row.text("problem", "a problem's id")
            if problem not in pairs:
                pairs[problem] = _pair(first, second, row, problem)
            side, final = row.optional("vote").casefold(), row.optional("final").casefold()
            if side not in ("", *SIDES):
                raise row.bad("vote", f"`left`, `right`, `tie` or nothing, found {clip_value(side)}")
            if final not in ("", "yes"):
                raise row.bad("final", f"`yes` or nothing, found {clip_value(final)}")
            rater, left = row.optional("rater") or path.stem, _left(first, second, row, pairs[problem])
            yield Vote(problem, rater, left, side, bool(final))


def _pair(first: Run, second: Run, row: Row, problem: str) -> SolutionPair:
    try:
        return pair_of(first, second, problem)
    except UnknownName as error:
        hint = "name the two runs that the task was written of"
        raise row.bad("problem", f"a problem of both runs, found {clip_value(problem)}", hint) from error


def _left(first: Run, second: Run, row: Row, pair: SolutionPair) -> Literal["first", "second"]:
    item = row.text("item", "an item's id")
    left = left_of(first, second, pair, item)
    if left is not None:
        return left
    hint = "name the two runs that the task was written of; texts that were solved anew are another task"
    raise row.bad("item", f"an item of runs `{first.id}` and `{second.id}`, found {clip_value(item)}", hint)


def _check_once(votes: Sequence[Vote]) -> None:
    times = Counter(("" if vote.final else vote.rater, vote.problem) for vote in votes)
    for (rater, problem), count in times.items():
        if count > 1 and not rater:
            raise UsageError(f"`{problem}` has {count} final votes", "leave one of them in the files")
        if count > 1:
            raise UsageError(
                f"`{rater}` votes {count} times on `{problem}`",
                "give each rater a name in `rater`, or a file of a name of its own",
            )


def _items(votes: Sequence[Vote], raters: Sequence[str], finals: Mapping[str, Preferred]) -> list[Preference]:
    """Return a preference for each problem, with the votes in the raters' order."""
    by_problem: dict[str, dict[str, Preferred]] = {}
    for vote in votes:
        ratings = by_problem.setdefault(vote.problem, {})
        if vote.side and not vote.final:
            ratings[vote.rater] = vote.preferred
    return [_item_of(problem, ratings, raters, finals.get(problem)) for problem, ratings in by_problem.items()]


def _item_of(
    problem: str, verdicts: Mapping[str, Preferred], raters: Sequence[str], final: Preferred | None
) -> Preference:
    votes = tuple(verdicts.get(rater) for rater in raters)
    if final is not None:
        return Preference(problem, final, votes)
    most = Counter(verdicts.values()).most_common(1)
    if not most:
        return Preference(problem, None, votes, "nobody voted")
    return Preference(problem, most[0][0] if 2 * most[0][1] > len(verdicts) else "tie", votes)
