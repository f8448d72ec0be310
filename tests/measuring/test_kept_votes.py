"""People's votes in the store: drawn, kept, counted, differed on, decided, and as a file."""

import json
from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.corpus import open_corpus
from stepdown.errors import UsageError
from stepdown.measuring import (
    ballot,
    differing,
    keep_votes,
    kept_preferences,
    preferred_on,
    read_votes,
    save_votes,
    side_for,
    valid_votes,
    votes_in,
    write_votes,
)
from stepdown.store import PersonVote, Run, Store, VoteChoice, put_votes, stored_votes
from stepdown.types import Problem, Trace
from stored_runs import keep_alike

GOOD, BAD, COUNT = "Add one, because it says so. Answer: 1", "It is so. Answer: 1", 12


def two_runs(store: Store) -> tuple[Run, Run]:
    good, bad = (
        keep_alike(store, text, COUNT, dataset="sums/train", student=student)
        for text, student in ((GOOD, "openai/good"), (BAD, "openai/bad"))
    )
    return good, bad


@pytest.fixture
def runs(store: Store) -> tuple[Run, Run]:
    return two_runs(store)


def vote(runs: tuple[Run, Run], rater: str, said: VoteChoice, count: int = COUNT, *, final: bool = False) -> None:
    """A rater says the same of the first so many pairs that are drawn."""
    drawn = list(ballot(*runs).pairs.items())[:count]
    put_votes(*runs, [PersonVote(one, rater, said, "first", texts, final) for one, texts in drawn])


def test_most_votes_decide_and_votes_that_were_skipped_say_nothing(runs: tuple[Run, Run]) -> None:
    for rater, said in (("ann", "first"), ("ben", "first"), ("cleo", "second")):
        vote(runs, rater, said)  # type: ignore[arg-type]
    vote(runs, "dan", "skip")
    found = kept_preferences(*runs)
    assert (found.won, found.raters, found.pairs) == (COUNT, ("ann", "ben", "cleo"), COUNT)
    assert found.agreement and found.agreement.pairs == 3 * COUNT and found.position.first == 2 * COUNT


def test_a_final_vote_decides_where_raters_differ(runs: tuple[Run, Run]) -> None:
    vote(runs, "ann", "first")
    vote(runs, "ben", "second", 5)
    assert kept_preferences(*runs).ties == 5 and len(differing(valid_votes(*runs)[0])) == 5
    vote(runs, "cleo", "second", 3, final=True)
    found = kept_preferences(*runs)
    assert (found.won, found.lost, found.ties, len(found.adjudicated), found.raters) == (7, 3, 2, 3, ("ann", "ben"))
    assert "3  of these were adjudicated" in str(found) and found.split == 2


def test_the_order_of_the_runs_turns_votes_round(runs: tuple[Run, Run]) -> None:
    vote(runs, "ann", "first")
    vote((runs[1], runs[0]), "ben", "first", 2)
    turned = kept_preferences(runs[1], runs[0])
    assert (turned.won, turned.lost, turned.ties) == (0, COUNT - 2, 2)
    assert {one.left for one in stored_votes(runs[1], runs[0]) if one.rater == "ann"} == {"second"}


def test_whoever_votes_again_changes_their_vote_and_can_take_it_back(runs: tuple[Run, Run]) -> None:
    vote(runs, "ann", "first")
    vote(runs, "ann", "second", 4)
    vote(runs, "ann", "", 1)
    found = kept_preferences(*runs)
    assert (found.won, found.lost, found.pairs) == (COUNT - 4, 3, COUNT - 1)


def test_votes_on_texts_that_have_changed_are_counted_as_such_only(runs: tuple[Run, Run]) -> None:
    vote(runs, "ann", "first")
    runs[0].put_trace(0, Trace(Problem("sums/train/0", "What is 0 plus one?", "1"), "direct", solution="Other."))
    found = kept_preferences(*runs)
    assert (found.pairs, found.outdated) == (COUNT - 1, 1) and "Not counted: 1 votes" in str(found)


def test_sides_are_drawn_for_each_rater_whichever_run_is_named_first(runs: tuple[Run, Run]) -> None:
    problems = [f"sums/train/{n}" for n in range(40)]
    ann, ben = ([side_for(*runs, one, rater) for one in problems] for rater in ("ann", "ben"))
    assert ann != ben and {"first", "second"} == set(ann)
    turned = [side_for(runs[1], runs[0], one, "ann") for one in problems]
    assert [preferred_on("left", one) for one in turned] == [preferred_on("right", one) for one in ann]


def test_all_raters_see_the_pairs_in_one_drawn_order(runs: tuple[Run, Run]) -> None:
    drawn = list(ballot(*runs).pairs)
    assert list(ballot(*runs, limit=4).pairs) == drawn[:4] and drawn != sorted(drawn)
    assert ballot(*runs).pairs == ballot(runs[1], runs[0]).pairs


def test_votes_are_saved_as_a_file_that_is_read_and_kept_elsewhere(runs: tuple[Run, Run], tmp_path: Path) -> None:
    vote(runs, "ann", "first")
    vote(runs, "ben", "tie")
    vote(runs, "cleo", "second", 2, final=True)
    assert save_votes(*runs, tmp_path / "votes.jsonl") == 2 * COUNT + 2
    before = kept_preferences(*runs)
    assert read_votes(*runs, tmp_path / "votes.jsonl") == before
    with Store(tmp_path / "other.sqlite") as other:
        there = two_runs(other)
        keep_votes(*there, votes_in(*there, tmp_path / "votes.jsonl"))
        assert kept_preferences(*there) == before


def test_two_final_votes_of_a_pair_in_files_are_refused(runs: tuple[Run, Run], tmp_path: Path) -> None:
    vote(runs, "ann", "first", 1, final=True)
    save_votes(*runs, tmp_path / "votes.jsonl")
    with pytest.raises(UsageError, match="has 2 final votes"):
        read_votes(*runs, tmp_path / "votes.jsonl", tmp_path / "votes.jsonl")


def test_the_verb_keeps_files_of_votes_and_writes_what_people_preferred_as_a_corpus(
    runs: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vote(runs, "ann", "first")
    write_votes(*runs, tmp_path / "ben.jsonl", limit=2)
    text = (tmp_path / "ben.jsonl").read_text().replace('"vote":""', '"vote":"tie"')
    (tmp_path / "ben.jsonl").write_text(text)
    words = ["prefer", runs[0].id, runs[1].id, "--store", str(runs[0].store.path)]
    assert main([*words, "--votes", str(tmp_path / "ben.jsonl"), "--keep"]) == 0
    assert main([*words, "--out", str(tmp_path / "pairs"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ties"] == 2
    card = open_corpus(tmp_path / "pairs").card
    assert card.problems == COUNT - 2 and "by 2 raters, 0 adjudicated" in card.notes[0] and "2 ties" in card.notes[2]
