"""How far plans were followed in a run: shares, right-if-followed, and letters that are kept by the texts."""

from collections.abc import Sequence

import msgspec
import pytest

from stepdown.audits import adherence, keep_adherence
from stepdown.audits.plan_adherence import key_of, version
from stepdown.reports import report
from stepdown.store import Run, Store, keep_letters, kept_letters, run_labels
from stepdown.types import Call, Grade, Message, Plan, Problem, Reply, Sampling, Trace, Verdict
from stored_runs import keep_run

PLAN = "1. Add the 4 bought eggs to the 3 eggs.\n2. Multiply the eggs by the 2 dollars."
DONE = "1. The eggs: 3 + 4 = 7.\n2. The dollars: 7 x 2 = 14."
CHANGED = DONE.replace("7 x 2 = 14", "7 - 2 = 5")

SOLVED: tuple[str, Verdict] = (DONE, "right")
FAILED: tuple[str, Verdict] = (DONE, "wrong")
LEFT: tuple[str, Verdict] = (CHANGED, "wrong")


def solved(number: int, solution: str, sample: int = 0, *, plan: str | None = PLAN) -> Trace:
    problem = Problem(f"eggs/{number}", f"{number} eggs?", "14")
    return Trace(problem, "trace-of-thought", Plan(plan, "t") if plan else None, solution=solution, sample=sample)


def planned(store: Store, attempts: Sequence[tuple[str, Verdict]], *, plan: str | None = PLAN) -> Run:
    rows = [
        [(solved(n, solution, plan=plan), Grade(verdict, "14", "", "default@2"))]
        for n, (solution, verdict) in enumerate(attempts)
    ]
    return keep_run(store, rows, method="trace-of-thought", plans="teacher")


def test_those_who_follow_are_counted_apart_from_the_others(store: Store) -> None:
    right: tuple[str, Verdict] = (DONE, "right")
    one = planned(store, [right, right, right, (DONE, "wrong"), (CHANGED, "wrong"), (DONE, "ungraded")])
    found = adherence(one)
    assert found and (found.traces, found.steps, found.done, found.changed) == (6, 12, 11, 1)
    assert (found.followed, found.followed_right, found.others, found.others_right) == (4, 3, 1, 0)
    assert found.share == pytest.approx(11 / 12) and found.low < 11 / 12 < found.high
    assert found.difference == 0.75 and found.difference_low and found.difference_low < 0.75


def test_the_intervals_are_of_the_shares_they_stand_beside_however_many_solutions_a_problem_has(store: Store) -> None:
    rows = []
    for n in range(20):  # of every other problem nine in ten follow and are right, of the rest one does and is not
        texts = [FAILED, *[LEFT] * 9] if n % 2 else [*[SOLVED] * 9, LEFT]
        traces = [solved(n, text, sample) for sample, (text, _) in enumerate(texts)]
        rows.append([(one, Grade(two, "", "", "default@2")) for one, (_, two) in zip(traces, texts, strict=True)])
    found = adherence(keep_run(store, rows, method="trace-of-thought", plans="teacher", samples=10))
    assert found and (found.followed, found.followed_right, found.difference) == (100, 90, 0.9)
    assert 0.6 < found.followed_low < 0.9 < found.followed_high, "a mean over problems would be a half"
    assert found.difference_low and found.difference_high and found.difference_low < 0.9 < found.difference_high


def test_solutions_that_were_cut_are_counted_as_such(store: Store) -> None:
    trace = next(planned(store, [(DONE, "right")]).traces())
    reply = Reply(DONE[:30], "s", finish="length")
    call = Call("student", "s", (Message("user", "eggs?"),), Sampling(), reply)
    cut = msgspec.structs.replace(trace, calls=(call,), solution=reply.text, problem=Problem("eggs/9", "9 eggs?", "14"))
    run = keep_run(store, [[(cut, Grade("wrong", "7", "", "default@2"))]], method="step-reminders", plans="teacher")
    found = adherence(run)
    assert found and (found.cut, found.skipped) == (1, 1)
    text = msgspec.structs.replace(report(run), adherences=(found,)).to_text(300)
    assert "1 of 1 solutions were cut: what they did not reach is skipped." in " ".join(text.split())


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
