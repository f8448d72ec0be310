"""What a report of a data set leaves out is what says nothing more: hidden runs, and tries that a larger run holds."""

from collections.abc import Sequence
from typing import Any

from stepdown.reports import left_out, report, words_of
from stepdown.store import Run, Store, label
from stepdown.types import Grade, Problem, Trace
from stored_runs import LETTERS, keep_run


def solved(store: Store, letters: str, *, first: int = 0, **changes: Any) -> Run:
    """Keep a run that has a problem for each letter, counted from a first one."""
    rows = [
        [(Trace(Problem(f"sums/{place}", f"What is {place}?", "1"), "direct", None, (), "1"),
          Grade(LETTERS[letter], "1", "", "default@2"))]
        for place, letter in enumerate(letters, first)
    ]  # fmt: skip
    return keep_run(store, rows, problems=f"{first}+{len(letters)}", **changes)


def why(runs: Sequence[Run], **keep: Sequence[str]) -> dict[str, str]:
    return {one.run: one.why for one in left_out(runs, **keep)}


def test_a_try_that_a_larger_run_holds_is_left_out(store: Store) -> None:
    small, large = solved(store, "rw"), solved(store, "rwrw")
    assert why([small, large]) == {small.id: f"the same on fewer problems than {large.id}"}
    assert why([small, large], keep=[small.id]) == why([small]) == {}


def test_other_problems_and_other_settings_stay(store: Store) -> None:
    runs = [solved(store, "rwrw"), solved(store, "rw", first=3), solved(store, "rw", student="openai/other")]
    assert why(runs) == {}


def test_a_larger_run_that_is_hardly_graded_takes_nothings_place(store: Store) -> None:
    small, large = solved(store, "rw"), solved(store, "r---")
    assert why([small, large]) == {}


def test_of_a_chain_of_tries_the_largest_stays(store: Store) -> None:
    tries = [solved(store, letters) for letters in ("r", "rw", "rwr")]
    assert list(why(tries)) == [tries[0].id, tries[1].id]


def test_nothing_graded_and_hidden_are_said_in_words(store: Store) -> None:
    hidden, empty, kept = solved(store, "r"), solved(store, "--", method="cot"), solved(store, "w", method="x")
    label(hidden, hidden=True)
    found = left_out([hidden, empty, kept])
    assert [one.why for one in found] == ["hidden", "nothing graded"]
    assert words_of(found) == "2 runs left out (1 hidden, 1 with nothing graded): --all has them too."
    made = report(kept).without(found)
    assert made.caption.endswith(words_of(found)) and len(made.to_json()["left_out"]) == 2
