"""Runs that end once their comparison is decided: calls saved, evidence kept, and what a report says."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from stepdown import grade
from stepdown.errors import Interrupted
from stepdown.models import ScriptedModel
from stepdown.reports import report
from stepdown.runner import RunOutcome, Stop, StoppingRule, Task, UntilDecided, run_tasks, run_together
from stepdown.stats import gain_at_any_time, gain_interval
from stepdown.store import Store, extract_runs, stored_comparisons
from stepdown.types import Verdict
from worlds import direct, solver, student, sums

MOST = 120


def wrong(name: str = "wrong") -> ScriptedModel:
    return ScriptedModel(lambda messages, sampling, sample: "Answer: -1", name)


def decide(tasks: Sequence[Task], store: Store, *, stop: Stop | None = None, margin: float = 0.2) -> list[RunOutcome]:
    until = UntilDecided(StoppingRule(margin=margin), len(tasks))
    return asyncio.run(run_together(tasks, store, stop=stop, until=until))


def pair() -> list[Task]:
    return [direct(MOST, wrong()), direct(MOST, student())]


def test_a_plain_difference_ends_both_runs_early_and_keeps_what_was_asked(store: Store) -> None:
    base, run = decide(pair(), store)
    assert abs(base.counts.solved - run.counts.solved) <= 1 and run.counts.solved < MOST // 4
    [one] = stored_comparisons(run.run).values()
    assert (one.outcome, one.baseline) == ("different", base.run.id) and one.p_holm <= 0.05 < one.difference
    assert run.counts.evidence.endswith("decided: it differs")


def test_runs_that_never_differ_are_less_than_the_margin_apart(store: Store) -> None:
    base, run = decide([direct(MOST, student()), direct(MOST, student("other"))], store)
    assert stored_comparisons(run.run)[base.run.id].outcome == "small" and run.counts.solved < MOST


def test_each_run_ends_at_its_own_pair_and_the_baseline_with_the_last(store: Store) -> None:
    tasks = [direct(MOST, wrong()), direct(MOST, student()), direct(MOST, wrong("other"))]
    base, different, equal = decide(tasks, store, margin=0.1)
    assert equal.counts.solved < different.counts.solved <= base.counts.solved < MOST
    assert stored_comparisons(base.run).keys() == {different.run.id, equal.run.id}


def test_a_resumed_comparison_goes_on_with_the_same_evidence(store: Store, tmp_path: Path) -> None:
    stop, asked = Stop(), 0

    def stopping(messages: object, sampling: object, sample: int) -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            stop(Interrupted())
        return "Answer: -1"

    tasks = [direct(MOST, ScriptedModel(stopping, "wrong", version="1")), direct(MOST, student())]
    assert decide(tasks, store, stop=stop)[0].counts.solved < 12
    base, run = decide(tasks, store)
    with Store(tmp_path / "other.sqlite") as other:
        [again] = stored_comparisons(decide(tasks, other)[1].run).values()
    assert stored_comparisons(run.run)[base.run.id] == again


def test_a_larger_limit_puts_its_problems_behind_those_that_were_looked_at(store: Store) -> None:
    orders = []
    for most in (20, 12, 60, 20):
        tasks = [direct(most, student()), direct(most, student("other"))]
        until = UntilDecided(StoppingRule(margin=0.01), 2)
        _, run = asyncio.run(run_together(tasks, store, until=until))
        [one] = stored_comparisons(run.run).values()
        assert not one.outcome and one.pairs == most, "it is open, so that a larger limit goes on"
        orders.append(until.order)
    first, _, grown, again = orders
    assert sorted(grown) == list(range(60)) and first != sorted(first)
    assert grown[:20] == first == again


def test_a_report_has_the_interval_that_holds_however_it_was_stopped(store: Store) -> None:
    base, run = decide(pair(), store)
    one = stored_comparisons(run.run)[base.run.id]
    found = report(base.run, run.run)
    row = found.rows[1]
    assert (row.difference_low, row.p, row.mdd, row.stopped) == (one.low, one.p, None, one)
    assert f"decided: different, at {one.pairs} pairs" in found.to_text(200)


def test_against_another_baseline_no_report_says_that_its_figures_hold_however_it_was_stopped(store: Store) -> None:
    base, run = decide(pair(), store)
    [other] = run_tasks([direct(MOST, wrong("another"))], store)
    found = report(run.run, baseline=other.run)
    words = " ".join(found.to_text(200).split("Against the baseline")[1].split())
    assert found.rows[1].stopped is not None and found.rows[1].mdd, "Tango's interval and McNemar's p"
    assert f"(`--baseline {base.run.id}`) they hold however it was stopped" in words and "by bets" not in words


def test_a_gain_has_an_interval_that_holds_however_it_was_stopped(store: Store) -> None:
    # Right where the sum begins with 5 or more.
    half = ScriptedModel(lambda *asked: max(solver(*asked), "Answer: 5"), "half")
    base, run = decide([direct(MOST, half), direct(MOST, student())], store)
    row = report(base.run, run.run).rows[1]
    assert row.stopped is not None and row.relative_gain is not None and row.difference_low and row.worse == 0
    low, high = row.relative_gain_low, row.relative_gain_high
    assert low is not None and high is not None
    seen_once = gain_interval(row.paired - row.better, row.better, 0, row.paired)
    assert low < seen_once[0] < row.relative_gain < seen_once[1] < high


def test_a_gain_is_of_the_pairs_that_decided_as_the_difference_is(store: Store) -> None:
    half = ScriptedModel(lambda *asked: max(solver(*asked), "Answer: 5"), "half")
    base, run = decide([direct(MOST, half), direct(MOST, student())], store)
    one, [_, row] = stored_comparisons(run.run)[base.run.id], report(base.run, run.run).rows
    assert one.both is not None and 0 < one.both < one.pairs < row.graded, "more was solved than what decided"
    assert one.both + one.better == one.pairs, "the second run has all right"
    assert row.relative_gain == one.better / one.both
    low, high = gain_at_any_time(one.pairs, one.both, one.pairs)
    assert (row.relative_gain_low, row.relative_gain_high) == (low, high)


def test_a_run_that_is_taken_elsewhere_still_says_that_it_was_stopped(store: Store, tmp_path: Path) -> None:
    base, run = decide(pair(), store)
    extract_runs(store, [base.run.id, run.run.id], tmp_path / "taken.sqlite")
    with Store(tmp_path / "taken.sqlite") as taken:
        [row] = report(*(taken.run(one.run.id) for one in (base, run))).rows[1:]
    assert row.stopped == stored_comparisons(run.run)[base.run.id] and row.p == row.stopped.p


def test_a_comparison_by_one_grader_is_none_of_another(store: Store) -> None:
    base, run = decide(pair(), store)
    for one in (base, run):
        grade(one.run, "strict", store=store)
    by_last_word, by_strict = (report(base.run, run.run, grader=name).rows[1] for name in ("last-word", "strict"))
    assert by_last_word.stopped is not None and by_strict.graded and by_strict.stopped is None


def test_a_run_that_is_completed_later_is_reported_as_if_it_had_never_been_stopped(store: Store) -> None:
    decide(pair(), store)
    outcomes = asyncio.run(run_together(pair(), store))
    assert all(row.stopped is None for row in report(*(one.run for one in outcomes)).rows)


def test_the_order_of_the_problems_is_not_that_of_the_data(store: Store) -> None:
    base, _ = decide(pair(), store)
    ids = [trace.problem.id for trace in base.run.traces()]
    assert len(ids) > 5 and ids != [f"sums/test/{n}" for n in range(len(ids))]


def test_pairs_without_a_verdict_are_no_evidence() -> None:
    until = UntilDecided(StoppingRule(), 2)
    until.begin(0, dict(enumerate(sums(2))), {0: "right"})
    until.note(1, 0, "ungraded")
    assert until.text(1) == "" and until.is_open(1)


def test_of_three_runs_a_resumed_command_decides_at_the_same_pairs() -> None:
    every = dict(enumerate(sums(MOST)))
    rights = (set[int](), {n for n in every if n % 3 == 0}, set(every))
    verdicts: list[dict[int, Verdict]] = [{n: "right" if n in some else "wrong" for n in every} for some in rights]
    live, resumed = UntilDecided(StoppingRule(margin=0.2), 3), UntilDecided(StoppingRule(margin=0.2), 3)
    for at in range(3):
        live.begin(at, every, {})
    ended = [0, 0, 0]
    for ordinal in live.order:
        for at in filter(live.is_open, (2, 1, 0)):
            live.note(at, ordinal, verdicts[at][ordinal])
            ended[at] += 1
    for at, pairs in enumerate(ended):  # with what was under way when it ended
        resumed.begin(at, every, {one: verdicts[at][one] for one in live.order[: pairs + 4]})
    assert 5 < ended[2] < ended[1] < MOST, "one is decided before the other"
    assert [resumed.text(at) for at in (1, 2)] == [live.text(at) for at in (1, 2)]
