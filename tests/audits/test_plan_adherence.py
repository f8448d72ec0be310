"""How far plans were followed in a run: shares, right-if-followed, and letters that are kept by the texts."""

from collections.abc import Sequence

import msgspec
import pytest

from stepdown.audits import adherence, keep_adherence
from stepdown.audits.plan_adherence import key_of, version
from stepdown.reports import report
from stepdown.store import Run, Store, keep_letters, kept_letters, run_labels
from stepdown.types import Grade, Plan, Problem, Trace, Verdict
from stored_runs import keep_run

PLAN = "1. Add the 4 bought eggs to the 3 eggs.\n2. Multiply the eggs by the 2 dollars."
DONE = "1. The eggs: 3 + 4 = 7.\n2. The dollars: 7 x 2 = 14."
CHANGED = DONE.replace("7 x 2 = 14", "7 - 2 = 5")


def planned(store: Store, attempts: Sequence[tuple[str, Verdict]], *, plan: str | None = PLAN) -> Run:
    rows = [
        [(Trace(Problem(f"eggs/{n}", f"{n} eggs?", "14"), "trace-of-thought", Plan(plan, "t") if plan else None,
                solution=solution), Grade(verdict, "14", "", "default@2"))]
        for n, (solution, verdict) in enumerate(attempts)
    ]  # fmt: skip
    return keep_run(store, rows, method="trace-of-thought", plans="teacher")


def test_those_who_follow_are_counted_apart_from_the_others(store: Store) -> None:
    right: tuple[str, Verdict] = (DONE, "right")
    one = planned(store, [right, right, right, (DONE, "wrong"), (CHANGED, "wrong"), (DONE, "ungraded")])
    found = adherence(one)
    assert found and (found.traces, found.steps, found.done, found.changed) == (6, 12, 11, 1)
    assert (found.followed, found.followed_right, found.others, found.others_right) == (4, 3, 1, 0)
    assert found.share == pytest.approx(11 / 12) and found.low < 11 / 12 < found.high
    assert found.difference == 0.75 and found.difference_low and found.difference_low < 0.75


def test_a_run_without_plans_has_no_adherence(store: Store) -> None:
    assert adherence(planned(store, [(DONE, "right")], plan=None)) is None


def test_what_is_kept_is_found_without_another_look_and_is_no_label(store: Store) -> None:
    one = planned(store, [(DONE, "right"), (CHANGED, "wrong")])
    before, first = adherence(one), adherence(one, most=0)
    keep_adherence(store.path, [one.id])
    assert first and first.not_lined_up == 2 and adherence(one, most=0) == before
    assert kept_letters(one, "rule", version(), 0) and not run_labels(one).tags


def test_letters_are_of_the_texts_and_of_a_version(store: Store) -> None:
    one = planned(store, [(DONE, "right")])
    other = msgspec.structs.replace(next(one.traces()), solution=CHANGED)
    keep_letters(one, "rule", version(), block=0, letters={key_of(other): "dd"})
    assert (found := adherence(one, most=0)) and found.not_lined_up == 1
    assert kept_letters(one, "rule", version(), 0) and not kept_letters(one, "rule", "another", 0)


def test_a_report_says_how_plans_were_followed_only_where_it_is_asked(store: Store) -> None:
    one = planned(store, [(DONE, "right"), (CHANGED, "wrong")])
    found = report(one, followed=None)
    assert [row.by for row in found.adherences] == ["rule"] and "Were the plans followed?" in found.to_text(200)
    assert found.to_json()["adherences"][0]["changed"] == 1 and not report(one).adherences
