"""Perturbed problems: golds that can be worked again, names and sentences that change none, the same for a seed."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest

import stepdown as sd
from stepdown.cli import main
from stepdown.errors import UnknownName, UsageError
from stepdown.measuring import consistency
from stepdown.models import ScriptedModel
from stepdown.problems import CHANGES, Problems, load_problems, perturb, write_perturbed
from stepdown.problems.perturbing.arithmetic import sums_of
from stepdown.store import Store
from stepdown.types import Problem

APPLES = Problem(
    "p/test/7", "Ann has 20 apples. She eats 9 of them. How many are left?", "11", solution="( 20.0 - 9.0 )"
)
TRAIN = Problem(
    "p/test/8", "A train has 13 cars of 21 seats. 6 seats are torn. How many are whole?", "267",
    solution="There are 13*21=<<13*21=273>>273 seats.\n<<273-6=267>>267 are whole.\n#### 267",
)  # fmt: skip


def numbers(text: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", text)]


def changed(problem: Problem, change: str, seed: int = 0) -> Problem:
    [found] = perturb([problem], change, seed=seed).problems
    return found


@pytest.fixture(scope="module")
def sums() -> list[Problem]:
    return list(islice(load_problems("wordsums", split="test"), 200))


# --- numbers


@pytest.mark.parametrize("seed", range(30))
def test_the_answer_of_other_numbers_is_worked_out_again(seed: int) -> None:
    left, right = numbers(changed(APPLES, "numbers", seed).question)
    assert (left, right) != (20, 9) and changed(APPLES, "numbers", seed).answer == str(left - right) and left > right
    cars, seats, torn = numbers(changed(TRAIN, "numbers", seed).question)
    assert changed(TRAIN, "numbers", seed).answer == str(cars * seats - torn)


def test_no_number_of_a_word_sum_becomes_one_that_must_be_worked_out(sums: list[Problem]) -> None:
    found = perturb(sums, "numbers").problems
    assert len(found) > 150
    for problem in found:
        assert int(problem.answer) > 0 and int(problem.answer) not in numbers(problem.question)


@pytest.mark.parametrize(
    ("question", "solution", "why"),
    [
        ("Ann has 20 apples and 13 pears. She eats 9 apples. How many apples?", "20 - 9", "may hang on"),
        ("Ann has 20 apples. She eats at most 9. How many at least?", "20 - 9", "may hang on"),
        ("Ann has 20 apples. She eats 9. How many?", "", "no worked solution"),
        ("Ann has 20 apples. She eats 9. How many?", "20 + 9", "no worked solution"),
        ("Ann has 20 apples and 20 boxes. She eats 9 and 9. How many?", "20 - 9", "stands once"),
        ("Ann has 12 apples. She eats 1. How many?", "12 - 1", "stands once"),
        ("Ann has 22 apples. She eats half. How many?", "Half is 11. <<22-11=11>>11", "neither the question"),
    ],
)
def test_a_problem_is_left_out_where_the_answer_is_not_certain(question: str, solution: str, why: str) -> None:
    found = perturb([Problem("p/1", question, "11", solution=solution)], "numbers")
    assert not found.problems and why in next(iter(found.left_out))


@pytest.mark.parametrize(
    ("question", "solution"),
    [
        ("Tim rides 17 miles to work twice a day for 5 days, and 170 on Sunday. How many miles?",
         "<<17*2=34>>34 a day, <<34*5=170>>170 to work, <<170+170=340>>340 in all."),
        ("Ed has 18 pens and 13 caps, Al 19 pens and 12 caps. How many?",
         "<<18+13=31>>31 of Ed's, <<19+12=31>>31 of Al's, <<31+31=62>>62."),
        ("Ed had 17 eggs and 5 broke. For each whole one he buys a dozen. How many does he buy?",
         "<<17-5=12>>12 are whole, <<12*12=144>>144."),
    ],
)  # fmt: skip
def test_a_result_that_may_be_another_number_of_the_same_value_leaves_its_problem_out(
    question: str, solution: str
) -> None:
    problem = Problem("p/test/1", question, re.findall(r"\d+", solution)[-1], solution=solution)
    for seed in range(20):
        assert not perturb([problem], "numbers", seed=seed).problems


@pytest.mark.parametrize(
    "solution", ["__import__('os')", "1/0", "(" * 300, "2 ** 9 ** 9", "<<1/0=1>>", "((1)", "- 1", "9" * 500]
)
def test_what_is_no_arithmetic_gives_no_sum_and_no_harm(solution: str) -> None:
    assert all(one.result(one.numbers) is None or one.stated is None for one in sums_of(solution))
    assert not perturb([Problem("p/1", "Has 20, eats 9?", "11", solution=solution)], "numbers").problems


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("digits", ["9" * 5_000, "9," * 5_000, "." + "9" * 5_000])
def test_a_number_without_end_leaves_its_problem_out(change: str, digits: str) -> None:
    for problem in (
        Problem("p/1", f"Ann has {digits} apples. How many?", "11", solution="20 - 9"),
        Problem("p/2", "Ann has 20 apples. How many?", digits, solution=f"{digits} - 9"),
    ):
        assert "digits" in next(iter(perturb([problem], change).left_out))


@pytest.mark.parametrize("answer", ["--11", "1²", "-", ""])
def test_an_answer_that_only_looks_like_a_whole_number_is_none(answer: str) -> None:
    found = perturb([Problem("p/1", "Has 20, eats 9?", answer, solution="20 - 9")], "numbers")
    assert next(iter(found.left_out)) == "the answer is no whole number"


# --- names and distractors


def test_other_people_keep_gold_and_choices_and_are_the_same_throughout() -> None:
    problem = Problem("p/1", "James and Mary run. James' cap, Mary's cap. Who?", "A", ("James", "Mary"), "choice")
    found = changed(problem, "names")
    him, her = found.choices
    assert found.question == f"{him} and {her} run. {him}'s cap, {her}'s cap. Who?" and found.answer == "A"
    assert {him, her}.isdisjoint({"James", "Mary"}) and him != her


@pytest.mark.parametrize("text", ["Don't count it.", "Don’t.", "A McDonald opens.", "Anaïs runs."])
def test_a_name_inside_another_word_is_none(text: str) -> None:
    assert perturb([Problem("p/1", text, "4")], "names").left_out == {"no first name of the list": 1}


def test_a_text_that_asks_for_a_name_and_one_without_names_are_left_out() -> None:
    asked = [Problem("p/1", "Who wrote it, Mary or Ann?", "Mary", kind="text"), Problem("p/2", "What is 2 + 2?", "4")]
    assert sum(perturb(asked, "names").left_out.values()) == 2


@pytest.mark.parametrize("change", ["names", "distractor"])
def test_the_gold_stays_and_so_do_all_numbers_that_matter(change: str, sums: list[Problem]) -> None:
    found, by_id = perturb(sums, change).problems, {one.id: one for one in sums}
    assert len(found) > 100
    for problem in found:
        before = by_id[problem.id]
        assert problem.answer == before.answer and problem.question != before.question
        added = set(numbers(problem.question)) - set(numbers(before.question))
        assert len(added) == (change == "distractor") and int(problem.answer) not in added


def test_a_distractor_stands_before_the_question_but_not_between_a_this_and_what_it_means() -> None:
    assert changed(APPLES, "distractor").question.endswith("How many are left?")
    back = Problem("p/1", "The floor is wet. This means it is", "A", ("slow", "fast"), "choice")
    assert changed(back, "distractor").question.endswith(back.question)


# --- one and all


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_seed_gives_the_same_text_wherever_a_problem_stands(change: str, sums: list[Problem]) -> None:
    whole, part = perturb(sums[:80], change), perturb(sums[50:70], change)
    assert [one for one in whole.problems if one in part.problems] == list(part.problems)
    assert perturb(sums[:80], change, seed=1).problems != whole.problems and len(part.problems) > 5


def test_an_unknown_change_is_named() -> None:
    with pytest.raises(UnknownName, match="nmes"):
        perturb([APPLES], "nmes")


def test_a_run_on_what_was_written_pairs_with_the_run_on_the_originals(tmp_path: Path, store: Store) -> None:
    originals = Problems("p/test", lambda: ((None, one) for one in (APPLES, TRAIN)))
    write_perturbed(perturb(originals, "numbers"), tmp_path / "numbers.jsonl", dataset="p/test")
    parrot = ScriptedModel(lambda messages, sampling, sample: "Answer: 11")
    runs = [
        sd.run(one, "direct", student=parrot, store=store)
        for one in (originals, load_problems(str(tmp_path / "numbers.jsonl")))
    ]
    found = consistency(*runs)
    assert (found.pairs, found.right, found.contrast_right, found.alone) == (2, 1, 0, 0)


def test_perturb_writes_a_file_says_what_is_left_out_and_replaces_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["perturb", "wordsums-2", "-n", "20", "--change", "names", "--out", str(tmp_path / "names.jsonl")]
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    lines = (tmp_path / "names.jsonl").read_text().splitlines()
    assert (
        said["problems"] == len(lines) == 20 - sum(said["left_out"].values()) and said["dataset"] == "wordsums-2/test"
    )
    assert main(command) == 2 and main([*command, "--force"]) == 0
    assert "before:" in capsys.readouterr().out


def test_a_file_of_another_ending_and_one_of_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="read by its ending"):
        write_perturbed(perturb([APPLES], "numbers"), tmp_path / "x.csv", dataset="p")
    with pytest.raises(UsageError, match="no problem of `p` can be changed so"):
        write_perturbed(perturb([], "names"), tmp_path / "x.jsonl", dataset="p")
