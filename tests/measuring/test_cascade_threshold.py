"""The threshold of a cascade: what each would have given on two stored runs, and which one is chosen."""

import json
import tomllib
from pathlib import Path
from random import Random

import msgspec
import pytest

from cascade_runs import planned, two_runs
from stepdown.cli import main
from stepdown.errors import UsageError
from stepdown.measuring import Goal, calibrate
from stepdown.measuring.cascades import check_runs, held_out
from stepdown.store import Store
from stepdown.types import Sampling
from stepdown.web.config import Config

PRICES = '{"openai/small": {"input": 1, "output": 1}, "openai/large": {"input": 100, "output": 100}, '
PRICES += '"openai/student": {"input": 1, "output": 1}}'


def test_every_threshold_has_its_accuracy_and_share_escalated(store: Store) -> None:
    found = calibrate(*two_runs(store), Goal(accuracy=0.7))
    assert [row.threshold for row in found.rows] == [0.25, 0.5, 0.75, 1.0]
    assert [row.right for row in found.rows] == [2, 3, 3, 3]
    assert [row.escalated for row in found.rows] == [0, 0.25, 0.5, 0.5]


def test_tokens_of_both_tasks_count_where_a_problem_went_on(store: Store) -> None:
    found = calibrate(*two_runs(store), Goal(accuracy=0.7))
    # A plan and four votes are 100 tokens, the teacher's plan and a solution 40 more.
    assert [row.tokens for row in found.rows] == [100, 110, 120, 120]


def test_the_cheapest_threshold_that_surely_reaches_an_accuracy_is_chosen(store: Store) -> None:
    found = calibrate(*two_runs(store, 20), Goal(accuracy=0.6))
    assert found.chosen and (found.chosen.threshold, found.chosen.accuracy) == (0.5, 0.75)
    assert found.chosen.low >= 0.6 > found.rows[0].low and "--holdout" in found.warning


def test_a_mean_that_reaches_the_goal_does_not_meet_it(store: Store) -> None:
    found = calibrate(*two_runs(store, 5), Goal(accuracy=0.75))
    assert max(row.accuracy or 0 for row in found.rows) == 0.75
    assert found.chosen is None and found.to_toml() == ""


@pytest.mark.slow
def test_of_twenty_problems_a_goal_that_is_just_missed_is_hardly_ever_said_to_be_met(tmp_path: Path) -> None:
    draw, chosen = Random(4), 0
    for number in range(60):
        # Each threshold is right 78 times of 100 in truth, and sure of every answer.
        cheap = [(str(n) if draw.random() < 0.78 else "-1",) * 3 for n in range(20)]
        with Store(tmp_path / f"{number}.sqlite") as store:
            runs = planned(store, cheap, "openai/small"), planned(store, [("0",)] * 20, "openai/large")
            chosen += calibrate(*runs, Goal(accuracy=0.8)).chosen is not None
    assert chosen <= 3


def test_the_most_accurate_threshold_that_surely_keeps_to_a_price_is_chosen(store: Store, tmp_path: Path) -> None:
    from stepdown.models import Prices

    (tmp_path / "prices.json").write_text(PRICES)
    runs, prices = two_runs(store, 5), Prices(tmp_path / "prices.json")
    rows = calibrate(*runs, Goal(price=1.0), prices=prices).rows
    assert all((row.cost or 0) < (row.cost_high or 0) for row in rows)
    chosen = [calibrate(*runs, Goal(price=price), prices=prices).chosen for price in (rows[1].cost, rows[1].cost_high)]
    assert [one and one.threshold for one in chosen] == [0.25, 0.5]


def test_an_unknown_price_is_no_price_to_choose_by(store: Store) -> None:
    with pytest.raises(UsageError, match="unknown"):
        calibrate(*two_runs(store), Goal(price=1.0))


def test_problems_held_out_have_no_part_in_the_choice(store: Store) -> None:
    rows = [(str(n), str(n), "x") for n in range(60)]
    cheap, dear = planned(store, rows, "openai/small"), planned(store, [(str(n),) for n in range(60)], "openai/large")
    found = calibrate(cheap, dear, Goal(accuracy=0.8), holdout=0.5)
    assert found.held and found.held.total + found.rows[0].total == 60
    assert found.held.total == sum(held_out(f"What is {n}?", 0.5) for n in range(60))
    assert "no part in the choice" in found.warning


def test_runs_that_are_no_cascade_are_refused(store: Store) -> None:
    cheap, dear = two_runs(store)
    other = planned(store, [("0",)], "openai/large", student="openai/other")
    for first, second, why in ((dear, cheap, "one sample"), (cheap, cheap, "several"), (cheap, other, "two students")):
        with pytest.raises(UsageError, match=why):
            calibrate(first, second, Goal(accuracy=0.5))


@pytest.mark.parametrize(
    ("which", "field", "value", "why"),
    [
        (1, "sampling", Sampling(0.7), "greedily"),
        (0, "sampling", Sampling(0.7, top_p=0.9), "top_p"),
        (1, "teacher_sampling", Sampling(0.7), "greedily"),
        (1, "sampling", Sampling(max_tokens=99), "limits of tokens"),
        (0, "teacher_sampling", Sampling(max_tokens=99), "limits of tokens"),
        (1, "sampling", Sampling(reasoning_effort="high"), "reasoning efforts"),
        (0, "teacher_sampling", Sampling(reasoning_effort="low"), "reasoning efforts"),
        (0, "sampling", Sampling(0.7, stop=("END",)), "end before `END`"),
        (1, "prompt_set", "traces", "prompt sets, `default` and `traces`"),
    ],
)
def test_runs_drawn_as_no_cascade_is_served_are_refused(
    store: Store, which: int, field: str, value: object, why: str
) -> None:
    both = [run.settings for run in two_runs(store)]
    both[which] = msgspec.structs.replace(both[which], **{field: value})
    with pytest.raises(UsageError, match=why):
        check_runs(*both)


@pytest.mark.parametrize("goal", [Goal(), Goal(accuracy=0.5, price=1.0), Goal(accuracy=1.5), Goal(price=-1.0)])
def test_a_goal_is_one_accuracy_or_one_price(store: Store, goal: Goal) -> None:
    with pytest.raises(UsageError):
        calibrate(*two_runs(store), goal)


def test_the_lines_to_paste_are_a_served_cascade(store: Store) -> None:
    lines = calibrate(*two_runs(store, 20), Goal(accuracy=0.6)).to_toml("my own")
    served = msgspec.convert(tomllib.loads(lines), Config).models["my own"]
    assert (served.planner, served.teacher, served.votes, served.threshold) == ("openai/small", "openai/large", 4, 0.5)
    assert (served.handed_on, served.calibrated_on) == (20, 80)


def test_the_lines_to_paste_draw_as_the_runs_did(store: Store) -> None:
    found = calibrate(*two_runs(store, 20), Goal(accuracy=0.6))
    thinking = {
        "sampling": Sampling(0.7, reasoning_effort="high"),
        "teacher_sampling": Sampling(reasoning_effort="low"),
    }
    settings = msgspec.structs.replace(found.settings, **thinking)
    lines = msgspec.structs.replace(found, settings=settings).to_toml("c")
    served = msgspec.convert(tomllib.loads(lines), Config).models["c"]
    assert (served.sampling(), served.teacher_sampling()) == (settings.sampling, settings.teacher_sampling)


def test_problems_held_out_count_towards_what_is_handed_on(store: Store) -> None:
    found = calibrate(*two_runs(store, 30), Goal(accuracy=0.5), holdout=0.5)
    assert found.held and found.chosen and found.chosen.threshold == 0.5
    assert (found.handed_on, found.calibrated_on) == (30, 120)


def test_the_verb_prints_the_table_and_the_lines(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    cheap, dear = two_runs(store, 20)
    code = main(["calibrate", cheap.id, dear.id, "--accuracy", "0.6", "--store", str(store.path)])
    shown = capsys.readouterr().out
    assert code == 0 and "Chosen: 0.5" in shown and "[models.cascade]" in shown


def test_the_verb_says_with_its_code_that_none_was_chosen(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    cheap, dear = two_runs(store)
    assert main(["calibrate", cheap.id, dear.id, "--accuracy", "0.99", "--store", str(store.path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["chosen"] is None
    assert main(["calibrate", cheap.id, dear.id, "--accuracy", "0.99", "--store", str(store.path)]) == 1
    assert "these 4 problems vouch for 30.1 % at most" in capsys.readouterr().err
