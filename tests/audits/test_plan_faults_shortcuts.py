"""What is looked at first, so that most plans need no parser, leaves nothing out that the parsers find."""

import re
from fractions import Fraction
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stepdown.answers import forbidding, instructions, is_given, leaks, numbers
from stepdown.answers.figures import numbers_of
from stepdown.answers.numerals import _mixed, _runs, _spelled, worded
from stepdown.audits import plan_faults, termination
from stepdown.types import Plan, Problem

PARTS = (
    *(
        "two",
        "Seven",
        "halves",
        "a hundred",
        "thousands",
        "minus",
        "an",
        "and",
        "-",
        "7",
        "12",
        "50%",
        "3/4",
        "1,000",
        "0",
    ),
    *(
        "= 7",
        "6 + 1 = 7",
        "2 times 3 is 6",
        "The answer is 7.",
        "#### 7",
        "\\boxed{7}",
        "so answer: 8",
        "7 divided by 1 = 7",
    ),
    *("Do not solve", "don’t compute", "without calculating", "\u017folve it", "Never \u017folving", "K", "é", "."),
    *("___", "\\_\\_", "[ ]", "fill in the blank", "fıll in the blanks", "???", "\\text{?}", "[answer here]"),
    *("Ann has 3 pens", "how many pens", "has she left", "log", "2^3", "1 hour and 35 minutes", "\n", "1."),
)
# More than is searched for each run.
LONG = "as he said " * 600
TEXTS = some.lists(some.sampled_from(PARTS), max_size=14).map(" ".join)
GOLDS = some.sampled_from(("7", "6", "3/4", "0", "1000", "seven", "12", "-7", "x^2"))


@given(TEXTS)
def test_numbers_in_words_are_those_of_every_run_of_such_words(text: str) -> None:
    assert worded(text) == [one for run in _runs(text) for one in _mixed(text, _spelled(text, run))]
    assert list(numbers_of(text, words=True)) == numbers(text, words=True)


@given(TEXTS)
def test_sentences_that_forbid_and_blanks_are_those_of_a_look_at_every_place(text: str) -> None:
    sentences = re.findall(r"[^.!?\n]+[.!?]*", text)
    assert list(forbidding(text)) == [one for one in sentences if instructions._forbids(one)]
    blank = [match.start() for match in plan_faults._BLANK.finditer(text)]
    assert len(list(plan_faults.blanks(text))) == len(blank)


@given(TEXTS, TEXTS)
def test_a_question_is_restated_where_four_fifths_of_its_runs_come_again(question: str, more: str) -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[at : at + 4]) for at in range(len(words) - 3)}

    for text in (more, question, f"{question} {more}", question[: len(question) * 9 // 10], f"{question} {LONG}"):
        there = len(runs(question)) >= 4 and len(runs(question) & runs(text)) >= 0.8 * len(runs(question))
        assert list(plan_faults.restating(question, text)) == [question] * there


def test_a_long_question_that_is_restated_is_found_in_the_time_of_a_look_at_each_word() -> None:
    question = " ".join(f"w{number * 7919 % 40_009}" for number in range(40_000))
    began = process_time()
    assert list(plan_faults.restating(question, question)) == [question]
    # A search for each of its runs took 16 seconds.
    assert process_time() - began < 3


@given(TEXTS, some.fractions(max_denominator=200), some.sampled_from((1, 100, Fraction(1, 100), -1)))
def test_a_question_gives_its_values_their_shares_and_hundredfolds(
    question: str, other: Fraction, by: Fraction
) -> None:
    problem = Problem("p", question, "7")
    values = {abs(one.value) for one in numbers(question, words=True)}
    values |= {Fraction(one) for one in leaks._STANDING.findall(question)}
    known = values | {value / 100 for value in values} | {value * 100 for value in values}
    for value in (other, *(one * by for one in values)):
        assert is_given(problem, value) == (abs(value) in known)


@given(TEXTS, TEXTS, GOLDS, some.sampled_from(("number", "expression")))
def test_a_plan_solves_where_a_look_at_every_calculation_says_so(
    question: str, text: str, gold: str, kind: str
) -> None:
    problem, plan = Problem("p", question, gold, kind=kind), Plan(text, "t")  # type: ignore[arg-type]
    worked = list(plan_faults._WORKED.finditer(instructions.bare(text)))
    fresh = [one for one in worked if not any(is_given(problem, each) for each in plan_faults._values(one["result"]))]
    last = [plan.steps[-1]] if leaks.leak(problem, plan).last_step else []
    expected = [one[0] for one in fresh] if len(worked) > 1 and len(fresh) > 1 else last
    assert list(plan_faults.solving(problem, plan)) == expected


@given(TEXTS)
def test_a_text_contradicts_itself_where_its_stated_answers_differ(text: str) -> None:
    stated = (termination._value(match) for match in termination._ANSWER.finditer(text[-termination.ENDING :]))
    assert termination.contradicts(text) == (len({one for one in stated if one is not None}) > 1)


@pytest.mark.parametrize("gold", ["7", "007", "123456789012"])
def test_a_gold_of_digits_is_worth_what_it_is_read_as(gold: str) -> None:
    assert leaks.gold_value(Problem("p", "?", gold)) == numbers(gold)[0].value
