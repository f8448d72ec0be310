"""Votes of people on pairs of two runs' solutions.

Each vote is a row of its rater's among the labels of the run whose id comes first: nobody's is replaced by another's. A
final vote, given where raters differ, stands beside theirs.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from stepdown.store.labels import put_rows
from stepdown.store.records import damage_checked
from stepdown.store.run import Run, Store
from stepdown.store.schema import LABELS_SINCE

_VOTE, _FINAL = "vote", "final vote"
VoteChoice = Literal["first", "second", "tie", "skip", ""]
_TURNED: dict[VoteChoice, VoteChoice] = {"first": "second", "second": "first", "tie": "tie", "skip": "skip", "": ""}


class PersonVote(msgspec.Struct, frozen=True):
    """What `rater` said of two runs' solutions of a problem: `skip` where they would not say, "" takes it back.

    `left` says whose text was shown on the left, `texts` stands for both texts. A `final` one decides.
    """

    problem: str
    rater: str
    preferred: VoteChoice
    left: Literal["first", "second"]
    texts: str
    final: bool = False


class _VotePlace(msgspec.Struct, frozen=True, array_like=True):
    """What a row is about, as it is written: of a rater's the last is the rater."""

    other: str
    problem: str
    rater: str = ""


class _VoteBody(msgspec.Struct, frozen=True, array_like=True):
    """What a row says: `first` is the run it is kept with."""

    preferred: VoteChoice
    left: Literal["first", "second"]
    texts: str


class VotedRuns(msgspec.Struct, frozen=True):
    """Two runs that people voted on: how many votes there are, and by whom."""

    runs: tuple[str, str]
    votes: int
    raters: tuple[str, ...]


_place = damage_checked(msgspec.json.Decoder(_VotePlace).decode)
_body = damage_checked(msgspec.json.Decoder(_VoteBody).decode)


def put_votes(first: Run, second: Run, votes: Iterable[PersonVote]) -> None:
    """Keep votes on two runs; what the same rater said before of the same pair is gone."""
    turned = second.id < first.id
    run, other = (second, first) if turned else (first, second)
    by_rater: dict[str, list[tuple[str, str, str]]] = {}
    for one in votes:
        place = [other.id, one.problem] if one.final else [other.id, one.problem, one.rater]
        kept = _turned(one) if turned else one
        body = msgspec.json.encode([kept.preferred, kept.left, kept.texts]).decode() if one.preferred else ""
        row = (_FINAL if one.final else _VOTE, msgspec.json.encode(place).decode(), body)
        by_rater.setdefault(one.rater, []).append(row)
    with run.store.writing():
        for rater, rows in by_rater.items():
            put_rows(run, rows, rater)


def stored_votes(first: Run, second: Run) -> list[PersonVote]:
    """Return the votes on two runs, those that were skipped included, by problem and rater, the final ones last."""
    if first.store.value("pragma user_version") < LABELS_SINCE:
        return []
    turned = second.id < first.id
    run, other = (second.id, first.id) if turned else (first.id, second.id)
    # The other run's id stands first in a row's place.
    begin = msgspec.json.encode([other]).decode()[:-1] + ","
    rows = first.store.db.execute(
        """select kind, item, value, author from labels where run = ? and kind in (?, ?) and value != ''
           and substr(item, 1, ?) = ? order by kind desc, item""",
        (run, _VOTE, _FINAL, len(begin), begin),
    ).fetchall()
    found = []
    for kind, item, value, author in rows:
        place, body = _place(str(item).encode()), _body(str(value).encode())
        vote = PersonVote(place.problem, str(author), body.preferred, body.left, body.texts, kind == _FINAL)
        found.append(_turned(vote) if turned else vote)
    return found


def voted_runs(store: Store) -> list[VotedRuns]:
    """Return the pairs of runs that people voted on, the newest votes first; runs that are gone are left out."""
    if store.value("pragma user_version") < LABELS_SINCE:
        return []
    rows = store.db.execute(
        "select run, item, author from labels where kind = ? and value != '' order by created desc", (_VOTE,)
    ).fetchall()
    known, votes = {one.id for one in store.runs()}, dict[tuple[str, str], list[str]]()
    for run, item, author in rows:
        pair = (str(run), _place(str(item).encode()).other)
        if known.issuperset(pair):
            votes.setdefault(pair, []).append(str(author))
    return [VotedRuns(pair, len(raters), tuple(sorted(set(raters)))) for pair, raters in votes.items()]


def _turned(vote: PersonVote) -> PersonVote:
    left: Literal["first", "second"] = "second" if vote.left == "first" else "first"
    return msgspec.structs.replace(vote, preferred=_TURNED[vote.preferred], left=left)
