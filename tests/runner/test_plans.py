"""Plans come from where they should, and each control spoils just what it names."""

from pathlib import Path

import pytest

from stepdown.errors import BadRow, CallFailed, UnknownName, UsageError
from stepdown.methods import load_method
from stepdown.runner import Plans, load_plans, plain
from stepdown.runner.live_run import paired
from stepdown.types import Problem, Prompt, Role
from worlds import sums

TRACED = load_method("trace-of-thought")


async def nobody(role: Role, prompt: Prompt | str) -> str:
    raise AssertionError("no model should be asked")


def test_shuffled_gives_every_problem_another_problems_plan() -> None:
    pairs = [(problem.id, planned.id) for problem, planned in paired(sums(3), "shuffled")]
    assert pairs == [("sums/test/0", "sums/test/1"), ("sums/test/1", "sums/test/2"), ("sums/test/2", "sums/test/0")]


def test_a_gold_plan_is_the_problems_own() -> None:
    problem = Problem("p/0", "What?", "1", plan="1. Look.")
    plan = plain(Plans(source="gold").plan(problem, TRACED, nobody, ""))
    assert (plan.text, plan.author) == ("1. Look.", "gold")


def test_a_problem_without_a_gold_plan_says_so() -> None:
    with pytest.raises(CallFailed, match="no gold plan"):
        plain(Plans(source="gold").plan(Problem("p/0", "What?", "1"), TRACED, nobody, ""))


def test_plans_are_read_from_a_file_by_question(tmp_path: Path) -> None:
    path = tmp_path / "plans.jsonl"
    path.write_text('{"question": "What is 0 plus one?", "plan": "1. Add.", "author": "ann"}\n\n')
    plans = load_plans(str(path))
    found = plain(plans.plan(sums(1)[0], TRACED, nobody, ""))
    assert (found.text, found.author) == ("1. Add.", "ann")
    with pytest.raises(CallFailed, match="has no plan for `sums/test/1`"):
        plain(plans.plan(sums(2)[1], TRACED, nobody, ""))


def test_a_bad_line_of_a_plans_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plans.jsonl"
    path.write_text('{"question": "a", "plan": "b"}\n{"question": 3}\n')
    with pytest.raises(BadRow, match="line 2"):
        load_plans(str(path))


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read plans"):
        load_plans(str(tmp_path / "none.jsonl"))


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(UnknownName, match="no control `maskd`"):
        load_plans("teacher", "maskd")
