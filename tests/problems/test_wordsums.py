"""Generated word sums: golds that can be worked again, plans that leak nothing, splits that share nothing."""

import re
import subprocess
import sys
from itertools import islice

import pytest

from stepdown.problems import load_problems
from stepdown.problems.wordsums import NAMES, generate, load_frames
from stepdown.types import Plan, Problem

EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
SIGNS = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
}


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", text))


@pytest.fixture(scope="module")
def many() -> list[Problem]:
    return list(load_problems("wordsums", split="train", limit=4000, seed=3))


def test_every_equation_of_a_solution_holds_and_the_last_gives_the_answer(many: list[Problem]) -> None:
    for problem in many:
        found = EQUATION.findall(problem.solution)
        assert all(SIGNS[sign](int(left), int(right)) == int(result) for left, sign, right, result in found)
        assert found[-1][3] == problem.answer
        assert problem.solution.endswith(f"The answer is {problem.answer}.")


def test_every_number_worked_with_is_given_or_was_worked_out_before(many: list[Problem]) -> None:
    for problem in many:
        known = numbers(problem.question)
        for left, _, right, result in EQUATION.findall(problem.solution):
            assert {left, right} <= known
            known.add(result)


def test_no_computed_number_stands_in_the_question_or_the_plan(many: list[Problem]) -> None:
    for problem in many:
        computed = {result for *_, result in EQUATION.findall(problem.solution)}
        assert not computed & numbers(problem.question)
        assert not any(computed & numbers(step) for step in Plan(problem.plan, "gold").steps)


def test_a_plan_has_a_numbered_step_for_each_operation(many: list[Problem]) -> None:
    for place, problem in enumerate(many):
        steps = Plan(problem.plan, "gold").steps
        wanted = 1 + place % 5
        assert len(EQUATION.findall(problem.solution)) == wanted
        assert len(steps) - any(step.startswith("Start with") for step in steps) == wanted


def test_no_slot_is_left_open_and_no_text_is_doubled(many: list[Problem]) -> None:
    for problem in many:
        text = f"{problem.question} {problem.plan}"
        assert not re.search(r"[{}]|  |\b(\w+) \1\b|\b1 |\ba [aeiou]", text), text
        assert re.search(r"[a-z]\?$", problem.question), text


@pytest.mark.parametrize("operations", [1, 2, 3, 4, 5])
def test_wordsums_n_has_n_operations(operations: int) -> None:
    problems = load_problems(f"wordsums-{operations}", limit=300)
    assert {len(EQUATION.findall(problem.solution)) for problem in problems} == {operations}


def test_the_splits_share_no_question_whatever_the_seeds() -> None:
    parts = [
        {
            problem.question
            for seed in (0, 1)
            for problem in load_problems("wordsums-1", split=split, limit=1200, seed=seed)
        }
        for split in ("train", "dev", "test")
    ]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_the_splits_share_no_question_even_when_people_are_masked() -> None:
    def masked(split: str) -> set[str]:
        problems = load_problems("wordsums-1", split=split, limit=1500)
        return {
            re.sub(r"\b[A-Z]\w+\b|\b(?:[Ss]he|[Hh]e|[Hh]er|[Hh]is|[Hh]im)\b", "_", one.question) for one in problems
        }

    train, dev, test = masked("train"), masked("dev"), masked("test")
    assert not train & test and not train & dev and not dev & test


@pytest.mark.slow
def test_a_hundred_thousand_problems_of_one_seed_are_distinct() -> None:
    drawn = islice(generate((1,), "train", 0), 100_000)
    assert len({problem.question for problem in drawn}) == 100_000


def test_a_longer_list_begins_with_the_shorter_one_and_offset_keeps_places() -> None:
    long = list(load_problems("wordsums", limit=60))
    assert list(load_problems("wordsums", limit=20)) == long[:20]
    assert list(load_problems("wordsums", limit=20, offset=40)) == long[40:]
    assert long[41].id == "wordsums/test/41"


def test_another_seed_gives_other_problems_under_other_ids() -> None:
    one, two = load_problems("wordsums", limit=50), load_problems("wordsums", limit=50, seed=7)
    assert not {problem.question for problem in one} & {problem.question for problem in two}
    assert two[0].id == "wordsums/test/seed-7/0"


@pytest.mark.slow
def test_the_same_problems_come_out_of_another_process() -> None:
    code = "from stepdown.problems import load_problems as l; print(l('wordsums', limit=200).check().fingerprint)"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] == load_problems("wordsums", limit=200).check().fingerprint + "\n"


def test_these_problems_are_the_same_on_every_machine_and_python() -> None:
    assert load_problems("wordsums", limit=200).check().fingerprint == "7fa9c081f73c686e9fcabfaf2394ab39"


def test_there_are_enough_frames_and_each_is_told_at_every_difficulty() -> None:
    assert len(load_frames()) >= 16
    assert len({frame.name for frame in load_frames()}) == len(load_frames())
    assert set(NAMES) == {"wordsums", *(f"wordsums-{number}" for number in range(1, 6))}
