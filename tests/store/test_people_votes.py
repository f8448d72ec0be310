"""People's votes are rows of the runs they are on: joined with those of another store, and gone with their run."""

from pathlib import Path

from stepdown.store import PersonVote, Run, Store, VoteChoice, put_votes, remove_runs, stored_votes, voted_runs
from stepdown.store.merging import merge
from stored_runs import keep_run


def two_runs(store: Store) -> tuple[Run, Run]:
    return keep_run(store, [], student="openai/good"), keep_run(store, [], student="openai/bad")


def vote(store: Store, rater: str, preferred: VoteChoice, *, final: bool = False) -> None:
    put_votes(*two_runs(store), [PersonVote("sums/1", rater, preferred, "first", "0" * 16, final)])


def test_votes_of_several_stores_are_joined_and_nobody_s_replaces_another_s(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.sqlite", tmp_path / "theirs.sqlite"
    for path, rater, preferred in ((ours, "ann", "first"), (theirs, "ben", "second"), (theirs, "ann", "tie")):
        with Store(path) as store:
            vote(store, rater, preferred)  # type: ignore[arg-type]
    merge([theirs], ours)
    with Store(ours) as store:
        found = {one.rater: one.preferred for one in stored_votes(*two_runs(store))}
        assert found == {"ann": "tie", "ben": "second"}, "of one rater's two votes the later counts"
        assert [(one.votes, one.raters) for one in voted_runs(store)] == [(2, ("ann", "ben"))]


def test_a_final_vote_stands_beside_the_others_and_is_replaced_by_a_later_one(store: Store) -> None:
    vote(store, "ann", "first")
    vote(store, "cleo", "second", final=True)
    vote(store, "dan", "tie", final=True)
    found = [(one.rater, one.preferred, one.final) for one in stored_votes(*two_runs(store))]
    assert found == [("ann", "first", False), ("dan", "tie", True)]


def test_votes_on_a_run_that_is_gone_are_not_listed(store: Store) -> None:
    vote(store, "ann", "first")
    assert len(voted_runs(store)) == 1
    remove_runs(store, [two_runs(store)[1]])
    assert voted_runs(store) == []
