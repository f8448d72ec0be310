"""Answers that a text takes back, leaves open, or gives in another language."""

import asyncio

import pytest

from stepdown.graders import load_grader
from stepdown.types import Kind, Problem


def verdict(kind: Kind, gold: str, text: str, choices: tuple[str, ...] = ()) -> str:
    problem = Problem("p/1", "What is it?", gold, choices=choices, kind=kind)
    return asyncio.run(load_grader("default")(problem, text)).verdict


@pytest.mark.parametrize(
    "text", ["25 is wrong. I cannot solve this.", "25 is incorrect, so I do not know.", "So 25 can't be right."]
)
def test_a_number_that_the_text_refutes_is_no_answer(text: str) -> None:
    assert verdict("number", "25", "I get 25.") == "right"
    assert verdict("number", "25", text) == "wrong"


@pytest.mark.parametrize("text", ["A; B", "B; A", "A dog or a cat", "Either the dog or the cat."])
def test_choices_left_open_are_none_of_them(text: str) -> None:
    assert verdict("choice", "A", "A dog", ("dog", "cat")) == "right"
    assert verdict("choice", "A", text, ("dog", "cat")) == "wrong"


@pytest.mark.parametrize("text", ["Yes and no", "Answer: yes or no", "Yes/No", "No and yes."])
@pytest.mark.parametrize("gold", ["yes", "no"])
def test_yes_and_no_at_once_is_neither(text: str, gold: str) -> None:
    assert verdict("text", gold, text) == "wrong"


@pytest.mark.parametrize(
    ("yes", "no"),
    [("はい、表です。", "いいえ。"), ("是的。", "不是。"), ("Oui.", "Non."), ("Ja.", "Nein.")],
)
def test_yes_and_no_are_read_in_other_languages(yes: str, no: str) -> None:
    assert (verdict("text", "yes", yes), verdict("text", "no", no)) == ("right", "right")
    assert (verdict("text", "no", yes), verdict("text", "yes", no)) == ("wrong", "wrong")


@pytest.mark.parametrize("text", ["So the solutions are x = 2 or x = -2.", "Hence $x=2$ and $x=-2$."])
def test_the_values_of_one_unknown_are_read_together(text: str) -> None:
    assert verdict("expression", r"\pm 2", text) == "right"
    assert verdict("expression", "2", text) == "wrong"


@pytest.mark.parametrize(
    "text", ["It might be 7, but actually it is 8.", "That is 7... no wait, it is 8.", "7, wait, no: 8."]
)
def test_a_number_taken_back_gives_way_to_what_replaces_it(text: str) -> None:
    assert verdict("number", "8", text) == "right"
    assert verdict("number", "7", text) == "wrong"
    assert verdict("number", "7", "It is 7, actually.") == "right"


@pytest.mark.parametrize("text", ["It can't be B.", "It cannot be B.", "It couldn't be B.", "It must not be B."])
def test_a_choice_that_cannot_be_is_no_answer(text: str) -> None:
    assert verdict("choice", "B", "It must be B.", ("dog", "cat")) == "right"
    assert verdict("choice", "B", text, ("dog", "cat")) == "wrong"
