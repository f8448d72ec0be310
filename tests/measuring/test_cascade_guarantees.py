"""Thresholds with a guarantee: which is chosen, which is refused, and what it would take."""

import json
from pathlib import Path
from random import Random

import msgspec
import pytest

from cascade_runs import planned, two_runs
from stepdown.cli import main
from stepdown.errors import UsageError
from stepdown.measuring import Goal, ProblemOutcome, calibrate, threshold_row
from stepdown.models import Prices
from stepdown.store import Run, Store
from stepdown.types import Verdict

PRICES = '{"openai/small": {"input": 1, "output": 1}, "openai/large": {"input": 100, "output": 100}, '
PRICES += '"openai/student": {"input": 1, "output": 1}}'


def sure_runs(store: Store, *, wrong: int, total: int) -> tuple[Run, Run]:
    """A cheap run that all votes of so many problems are wrong in, and a dear one that is right."""
    cheap = [("-9" if number < wrong else str(number),) * 2 for number in range(total)]
    return planned(store, cheap, "openai/small"), planned(store, [(str(n),) for n in range(total)], "openai/large")


def test_problems_that_the_teacher_alone_has_right_are_lost(store: Store) -> None:
    found = calibrate(*two_runs(store), Goal(lose=0.5))
    assert [(row.lost, row.won) for row in found.rows] == [(2, 0), (1, 0), (1, 0), (1, 0)]


def test_the_cheapest_threshold_that_surely_keeps_to_a_loss_is_chosen(store: Store) -> None:
    cheap = [(str(n), str(n), "-8" if n % 2 else str(n)) for n in range(60)]
    runs = planned(store, cheap, "openai/small"), planned(store, [(str(n),) for n in range(60)], "openai/large")
    found = calibrate(*runs, Goal(lose=0.05))
    assert found.chosen and found.chosen.agreeing == 2 and "drawn as these 60 were" in found.warning


def test_a_loss_that_too_few_problems_vouch_for_is_refused_with_how_many_it_takes(store: Store) -> None:
    found = calibrate(*sure_runs(store, wrong=0, total=20), Goal(lose=0.01))
    assert found.chosen is None and "it takes 279 more problems" in found.refusal


def test_a_loss_that_is_exceeded_already_needs_another_planner(store: Store) -> None:
    found = calibrate(*sure_runs(store, wrong=2, total=20), Goal(lose=0.05))
    assert found.chosen is None and "better planner" in found.refusal


def test_more_certainty_takes_more_problems(store: Store) -> None:
    runs = sure_runs(store, wrong=0, total=60)
    assert [calibrate(*runs, Goal(lose=0.05, sure=sure)).chosen is None for sure in (0.95, 0.99)] == [False, True]


def tried_by(teacher: Verdict, *, priced: bool) -> list[ProblemOutcome]:
    """Outcomes of a cheap run that costs little and is right, and of a teacher whose price nobody knows."""
    cheap = 0.001 if priced else None
    return [ProblemOutcome("q", "number", 1 + n % 2, "right", teacher, cheap, None, 10, 10) for n in range(60)]


def test_a_threshold_whose_price_nobody_knows_is_not_the_cheapest() -> None:
    tried = tried_by("right", priced=True)
    rows = [threshold_row(tried, 2, k) for k in (1, 2)]
    assert rows[0].cost == pytest.approx(0.001) and rows[1].cost is None
    for goal in (Goal(lose=0.05), Goal(accuracy=0.9)):
        assert goal.choose(rows, tried) is rows[0]


def test_spending_cannot_be_limited_where_nobody_knows_it_even_if_nothing_is_graded() -> None:
    tried = [msgspec.structs.replace(one, cheap="ungraded") for one in tried_by("ungraded", priced=False)]
    with pytest.raises(UsageError, match="unknown"):
        Goal(spend=0.1).choose([threshold_row(tried, 2, k) for k in (1, 2)], tried)


def test_a_teacher_without_a_verdict_counts_as_right() -> None:
    one = ProblemOutcome("q", "number", 3, "wrong", "ungraded", None, None, None, None)
    assert one.lost(3) and not one.lost(4)


def test_spending_is_kept_to_even_if_every_reply_were_as_long_as_it_may_be(store: Store, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(PRICES)
    runs, prices = two_runs(store, 20), Prices(tmp_path / "prices.json")
    chosen = calibrate(*runs, Goal(spend=0.02), prices=prices).chosen
    refused = calibrate(*runs, Goal(spend=0.0001), prices=prices)
    assert chosen and chosen.threshold == 0.5
    assert refused.chosen is None and "--spend-at-most" in refused.refusal


@pytest.mark.slow
def test_a_loss_just_above_the_limit_is_hardly_ever_promised() -> None:
    draw, promised = Random(5), 0
    for _ in range(400):
        kinds = ["wrong" if draw.random() < 0.051 else "right" for _ in range(150)]
        tried = [ProblemOutcome("q", "number", 2, kind, "right", 0, 0, 0, 0) for kind in kinds]  # type: ignore[arg-type]
        promised += Goal(lose=0.05).choose([threshold_row(tried, 2, k) for k in (1, 2)], tried) is not None
    assert 0 < promised <= 24


@pytest.mark.parametrize("goal", [Goal(lose=0.0), Goal(spend=0.0), Goal(lose=0.1, sure=1.0), Goal(lose=0.1, spend=1.0)])
def test_a_guarantee_of_nothing_is_refused(goal: Goal) -> None:
    with pytest.raises(UsageError):
        goal.check()


def test_the_verb_takes_percents_and_says_what_it_would_take(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    cheap, dear = sure_runs(store, wrong=0, total=60)
    words = ["calibrate", cheap.id, dear.id, "--store", str(store.path)]
    assert main([*words, "--lose-at-most", "5%"]) == 0
    assert "loses at most 5 % of problems to the teacher with 95 % certainty" in capsys.readouterr().out
    assert main([*words, "--lose-at-most", "0.01", "--sure", "99%"]) == 1
    assert "more problems" in capsys.readouterr().err
    assert main([*words, "--lose-at-most", "1%", "--json"]) == 1
    assert "239 more problems" in json.loads(capsys.readouterr().out)["refusal"]


@pytest.mark.parametrize("words", [["--lose-at-most", "a lot"], ["--accuracy", "0.8", "--sure", "90%"]])
def test_what_would_guarantee_nothing_is_refused(
    store: Store, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", *(run.id for run in two_runs(store)), *words, "--store", str(store.path)]) == 2
    assert "hint:" in capsys.readouterr().err
