"""A choice and a word are read in every form and style; several choices, and a denied one, are no answer."""

import pytest

from answer_styles import STYLES
from stepdown.answers import conclusion, plain_text

COLORS = ("red", "blue", "green", "yellow")


def choice_in(style: str, answer: str) -> str | None:
    text = "We look at the colors. Option A might fit, and B too.\n" + style.format(answer)
    return conclusion(text, "choice", COLORS, question="Which color is the grass?").found


@pytest.mark.parametrize(
    ("form", "letter"),
    [
        ('C', 'C'), ('(C)', 'C'), ('C.', 'C'), ('C)', 'C'), ('c)', 'C'), ('(c)', 'C'), ('[C]', 'C'), ('`C`', 'C'),
        ('$C$', 'C'), ('\\text{C}', 'C'), ('\\textbf{(C)}', 'C'), ('C) green', 'C'), ('C. green', 'C'),
        ('C: green', 'C'), ('(C) green', 'C'), ('C - green', 'C'), ('C green', 'C'), ('green', 'C'), ('Green', 'C'),
        ('green.', 'C'), ('option C', 'C'), ('Option C', 'C'), ('choice (C)', 'C'), ('C is correct', 'C'),
        ('Option C is correct', 'C'), ('C because it grows', 'C'), ('C, because A is wrong', 'C'), ('C, not A', 'C'),
        ('Ｃ', 'C'), ('Ⓒ', 'C'), ('3', 'C'), ('green (C)', 'C'), ('"C"', 'C'), ("'C'", 'C'), ('C!', 'C'),
        ('"green"', 'C'), ('the green one', 'C'), ('A', 'A'), ('(A)', 'A'), ('a)', 'A'),
    ],
)  # fmt: skip
def test_a_choice_is_read_in_every_form_and_style(form: str, letter: str) -> None:
    found = {style: choice_in(style, form) for style in STYLES}
    assert not {style: one for style, one in found.items() if one != letter}


@pytest.mark.parametrize(
    "form",
    [
        'A, B, C', 'A or B', 'A and B', 'A/B', 'not A', 'Not A', 'both A and B', '(A) or (C)', 'A, C', 'either A or B',
        'red or blue', 'red and blue', 'a case', 'a big house', 'E', 'I think so', 'A is wrong', 'none of the above',
        'unknown', 'not red', 'neither A nor B', 'A or maybe B', 'A & B',
    ],
)  # fmt: skip
def test_what_is_not_one_choice_is_no_answer_in_any_style(form: str) -> None:
    found = {style: choice_in(style, form) for style in STYLES}
    assert not {style: one for style, one in found.items() if one is not None}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ('Paris', 'Paris'), ('Yes', 'yes'), ('No', 'no'), ('Yes, the coin is still heads up', 'yes'),
        ('Yes. It was turned twice', 'yes'), ('Yes; I first thought No', 'yes'), ('No, it is not', 'no'),
        ('yes', 'yes'), ('the Eiffel Tower', 'Eiffel Tower'), ('New York', 'New York'), ('`Paris`', 'Paris'),
        ('"Paris"', 'Paris'), ('\\text{Paris}', 'Paris'), ('**Yes**', 'yes'),
    ],
)  # fmt: skip
def test_words_are_read_in_every_form_and_style(form: str, words: str) -> None:
    lead = "The coin starts heads up. It is flipped.\n"
    styles = [style for style in STYLES if "####" not in style]
    found = {style: conclusion(lead + style.format(form), "text").found or "" for style in styles}
    assert not {style: one for style, one in found.items() if plain_text(one) != plain_text(words)}
