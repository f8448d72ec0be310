"""A number is read whole in every form and style, or not at all."""

import pytest

from answer_styles import STYLES
from stepdown.answers import conclusion, same

WORKING = "She has 16 eggs and eats 3, so 16 - 3 = 13 are left.\n"


def found_in(style: str, answer: str, question: str = "How many?") -> str | None:
    return conclusion(WORKING + style.format(answer), "number", question=question).found


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ('42', '42'), ('1,234', '1234'), ('1 234', '1234'), ('1 234 567', '1234567'), ('12,34,567', '1234567'),
        ('2½', '2.5'), ('½', '0.5'), ('1.234.567', '1234567'), ("1'234", '1234'), ('1’234', '1234'),
        ('.35625', '0.35625'), ('1_000_000', '1000000'), ('18 dollars and 50 cents', '18.5'), ('$18.50', '18.5'),
        ('$18 and 50 cents', '18.5'), ('10^6', '1000000'), ('3×10⁶', '3000000'), ('3 \\times 10^{6}', '3000000'),
        ('+5', '5'), ('one hundred and forty-two', '142'), ('25 cm^2', '25'), ('25 m/s^2', '25'), ('25 cm²', '25'),
        ('25 \\text{ cm}^2', '25'), ('25\\,\\text{m/s}^2', '25'), ('−7', '-7'), ('-7', '-7'),
        ('negative seven', '-7'), ('3/4', '0.75'), ('\\frac{3}{4}', '0.75'), ('1 3/4', '1.75'),
        ('1 1/2 hours', '1.5'), ('75%', '75'), ('75\\%', '75'), ('75 percent', '75'), ('€75', '75'), ('75€', '75'),
        ('75 €', '75'), ('£3.50', '3.5'), ('¥500', '500'), ('500円', '500'), ('42元', '42'), ('42个苹果', '42'),
        ('٤٢', '42'), ('४२', '42'), ('４２', '42'), ('𝟒𝟐', '42'), ('forty-two', '42'), ('two thirds', '2/3'),
        ('one half', '0.5'), ('three and a half', '3.5'), ('1.5 million', '1500000'), ('2 million', '2000000'),
        ('$1.2 billion', '1200000000'), ('1e6', '1000000'), ('42.0', '42'), ('1.234,56', '1234.56'), ('3,5', '3.5'),
        ('0,25', '0.25'), ('7, not 8', '7'), ('7 (seven)', '7'), ('7 = 3 + 4', '7'), ('3 + 4 = 7', '7'),
        ('x = 7', '7'), ('approximately 7', '7'), ('about 7', '7'), ('7 apples', '7'),
        ('42 (forty-two) apples', '42'), ('$42 per week', '42'), ('42 miles per hour', '42'), ('42 km/h', '42'),
        ('42 mph', '42'), ('1 hour 35 minutes', '95'), ('1h 35m', '95'),
        ('95 minutes (1 hour and 35 minutes)', '95'), ('2 weeks and 3 days', '17'), ('5 lakh', '500000'),
        ('5 thousand', '5000'), ('$5k', '5000'), ('120,000.50', '120000.5'), ('USD 5', '5'), ('5 USD', '5'),
        ('Rs. 500', '500'), ('₹12,34,567', '1234567'), ('-$5', '-5'), ('$-5', '-5'), ('(5)', '5'), ('[5]', '5'),
        ('{5}', '5'), ('7/8 of a cake', '0.875'), ('n = 7 apples', '7'), ('10,\\!000', '10000'),
        ('10{,}000', '10000'), ('575\\text{ students}', '575'), ('42 because 6*7=42', '42'),
        ('42 apples, since 6 × 7 = 42', '42'), ('42 dollars per 7 days', '42'), ('$$42$$', '42'),
        ('6 × 7 = 42', '42'), ('$3.00 + $4.00 = $7.00', '7'), ('two', '2'), ('zero', '0'), ('a hundred', '100'),
        ('30 - 18 = 12', '12'), ('90°', '90'), ('90^\\circ', '90'), ('90 degrees', '90'), ('7!', '7'), ('7?', '7'),
        ('~7', '7'), ('7 or 7.0', '7'), ('0.5 or 1/2', '0.5'),
    ],
)  # fmt: skip
def test_a_number_is_read_whole_in_every_form_and_style(form: str, value: str) -> None:
    found = {style: found_in(style, form) for style in STYLES}
    assert not {style: one for style, one in found.items() if one is None or not same("number", one, value)}


@pytest.mark.parametrize(
    "form",
    [
        '3:1', '7 or 3', 'between 3 and 7', '3-7', '3 to 7', 'more than 7', 'less than 7', 'at least 7', '7 or more',
        'x=7, y=3', '7 apples and 3 pears', '5x', '2x+3', '2\\pi', '\\sqrt{2}', 'v1.2.3', '12:30', '1/0', '∞', '1:35',
        '5.5.5', '1,2,3', '1 2 3', '1, 2 and 3', 'cannot be determined', "I don't know", '5 and 7', '5 & 7', '5/7/2020',
        'x > 7', 'x ≤ 7', '±7', '\\pm 7', '7 + 3', '7 * 3', '7-3', '5 x 3', 'two or three', '5 minutes or 300 seconds',
        'no more than 7', 'over 7', 'under 7', 'up to 7', '42nd',
    ],
)  # fmt: skip
def test_what_is_not_one_number_is_no_answer_in_any_style(form: str) -> None:
    found = {style: found_in(style, form) for style in STYLES}
    assert not {style: one for style, one in found.items() if one is not None}


@pytest.mark.parametrize("form", ["not 7", "neither 3 nor 7", "not equal to 7"])
def test_what_is_denied_is_never_the_answer(form: str) -> None:
    assert "7" not in {found_in(style, form) for style in STYLES}


@pytest.mark.parametrize(
    ("form", "question", "value"),
    [
        ("0.4, or 40%", "What percent of them are red?", "40"), ("0.4, or 40%", "What is the probability?", "0.4"),
        ("50%", "What is the probability of heads?", "0.5"), ("50%", "What percentage is it?", "50"),
        ("1 hour and 30 minutes", "How many hours does it take?", "1.5"),
        ("1 hour and 30 minutes", "How many minutes does it take?", "90"),
        ("5 feet 6 inches", "How many inches tall is he?", "66"), ("5 feet 6 inches", "How many feet?", "5.5"),
        ("5 dogs and 3 cats", "How many dogs does she have?", "5"),
        ("5 dogs and 3 cats", "How many cats does she have?", "3"),
        ("at least 7", "What is the least number of boxes he needs?", "7"),
        ("at most 7", "What is the largest number of boxes?", "7"),
    ],
)  # fmt: skip
def test_what_is_asked_decides_between_two_spellings(form: str, question: str, value: str) -> None:
    found = {style: found_in(style, form, question) for style in STYLES}
    assert not {style: one for style, one in found.items() if one is None or not same("number", one, value)}
