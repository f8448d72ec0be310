"""When two answers are the same: every way of writing one, what only looks alike, and what only algebra could say."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stepdown.answers import same_expression
from stepdown.answers.arithmetic import evaluate
from stepdown.answers.formulas_in_text import around
from stepdown.answers.latex import boxed, last_boxes

LISTS = [
    (r"\pm 3", "3, -3"), (r"\pm 3", r"-3 \text{ and } 3"), (r"x = \pm 3", r"x = 3 \text{ or } x = -3"),
    (r"4\text{ and }-7", "-7, 4"), ("x = 4 or x = -7", "-7, 4"), ("n=4, n=-7", "4 or -7"), ("17, 9 or 2", "2, 9, 17"),
    ("1;2;3", "3, 2, 1"), (r"\{-12,-11\}", "-11, -12"), (r"\boxed{4} and \boxed{-7}", "-7, 4"),
    (r"\{1, 2, 2\}", "2, 1"),
    (r"\boxed{4}\boxed{-7}", "4, -7"), (r"\boxed{3} cats and \boxed{5} dogs", "3, 5"),
    ("(1,2), (3,4)", "(3,4), (1,2)"),
    (r"2 \pm \sqrt{7}", r"2-\sqrt7, 2+\sqrt7"), ("100,200,300", "100, 200, 300"),
    ("7, 8 and 9", r"7, 8, \text{ and } 9"),
    ("p=5, q=2", "(5,2)"), ("q=2, p=5", "(5,2)"), ("(p,q) = (5,2)", "q=2, p=5"), ("x = 1, y = 2, z = 3", "1, 2, 3"),
    ("p=5,q=2; p=7,q=2", "(5,2),(7,2)"), ("a_1=2, a_2=9", "a_2=9, a_1=2"), (r"\emptyset", r"\{\}"),
    ("(3, 4)", "3, 4"),
]  # fmt: skip
CONDITIONS = [
    (r"5 \ge x", r"x \le 5"), ("-x > -1", "x < 1"), ("x <= 2", r"x \leq 2"), (r"x \lt 3", "x<3"),
    ("x != 5", r"x \neq 5"),
    ("0<y<1", "(0,1)"), ("0<f(x)<1", "(0,1)"), (r"-2 \le x < 7", "[-2,7)"), ("2x + 1 < 7", r"(-\infty, 3)"),
    (r"(-\infty,1)\cup(2,3)", r"(2,3) \cup (-\infty,1)"), ("x<2 or x>5", r"(-\infty,2)\cup(5,\infty)"),
    ("x>2 and x<5", "(2,5)"),
    ("x != 5", r"(-\infty,5)\cup(5,\infty)"), (r"\mathbb{R}\setminus\{2\}", r"x \ne 2"),
    (r"x \in \mathbb{R}", r"(-\infty,\infty)"),
    (r"x\in(0,1)", "0<x<1"), (r"\{x \mid x > 3\}", r"(3,\infty)"), ("|x-1| < 2", "(-1,3)"),
    (r"1 \le |z| \le 2", r"[-2,-1]\cup[1,2]"),
    ("(1,2]∪(2,4)", "(1,4)"),
    ("2x+4y-3=0", r"y=-\frac12x+\frac34"), ("34x + 45y = 100", "-68x - 90y + 200 = 0"), ("x^2+y^2=13", "y^2+x^2=13"),
    ("y > 2x+1", "2x + 1 < y"), (r"f(2) < f(1)", "f(1) > f(2)"), (r"-2 \\le x \\le 7", "[-2,7]"), ("|AB| = 4", "4"),
    (r"\frac{AB}{CD} = \frac23", "2/3"), ("A:B = 2:3", "2:3"), ("2 + 2 = 4", "4"), ("x = 2 + 2 = 4", "4"),
    ("f(x)=2x+3", "y = 2x+3"),
]  # fmt: skip
VALUES = [
    (r"0.\overline{3}", r"\frac13"), (r"0.1\overline{6}", "1/6"), ("4210_{5}", "4210_5"),
    (r"21_{\text{seven}}", "21_7"),
    ("101 base 2", "101_2"), ("152a_{11}", "152A_11"), (r"90^\circ", "90 degrees"), (r"\sin 30^\circ", "0.5"),
    ("50%", "50"), (r"50\%", "0.5"),
    ("5", "5. I hope it is correct."), ("5", "5<|im_end|>"), ("5", "\x1b[31m5\x1b[0m"),
    (r"11,\! 111,\! 100", "11111100"), ("0,25", "0.25"),
    (r"10\text{ cm}", "0.1 m"), ("25 m/s^2", "25"), ("25 cm^2", "25"), ("1 1/2", "1.5"), (r"3\frac{1}{2}", "7/2"),
    ("1.5 \\times 10^6", "1500000"), ("1e6", "1000000"),
    (r"\frac{\sqrt3}{3} \approx 0.577", r"\frac{1}{\sqrt3}"), (r"\sin^2 x", r"1 - \cos^2 x"), (r"\log_2 8", "3"),
    (r"\binom{5}{2}", "10"), ("5!", "120"),
    (r"\text{Monday}", "monday"), (r"\text{June 20}", "June 20"), (r"9:30\text{ a.m.}", "9:30 am"),
    ("20:34", "8:34 p.m."), ("0.333...", "1/3"),
    (r"\text{(C)}", "C"), (r"\text{no}", "No"), ("seven", "7"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}"),
    (r"\left[\begin{array}{cc}1&2\end{array}\right]", r"\begin{pmatrix}1&2\end{pmatrix}"),
]  # fmt: skip
UNLIKE = [
    ("1/54145", "1/54146"), ("4210_5", "4210_6"), ("2x-y+3=0", "2x-y+3"), ("2x-y+3=0", "0"), ("x^2+y^2=1", "1"),
    ("x+y=7", "7"),
    (r"\text{no}", r"\text{on}"), (r"\text{no}", "on"), ("9:30", "9:31"), ("9:30 am", "9:30 pm"),
    ("east", "seat"), (r"\text{(D)}", r"\text{A,D}"), (r"\pi", "3.14"), ("7:32", "7:33"),
    ("1, 2", "1.2"),
    ("1,2", "1.2"), ("1,2,3", "1,2"),
    ("(1,2)", "2, 1"), ("(1,2)", "(1,2]"), ("0<y<1", "[0,1]"), ("p=5, q=2", "(2,5)"), ("p=5, q=2", "p=2, q=5"),
    (r"\pm 3", "3"),
    ("x<2 or x>5", "(2,5)"), ("x > 2", "x < 2"), ("x > 2", r"x \ge 2"), ("2x+4y-3=0", r"y=-\frac12x+\frac14"),
    ("x - 1 = 0", "x + 1 = 0"),
    (r"10\text{ cm}", "10 inches"), (r"10\text{ cm}", "10 cm^2"), ("50%", "5"), (r"\frac13", "0.33"),
    ("4", "4 or 5"), ("3x", "3y"), ("x^2-9", "(x-3)^2"), ("4", "2x = 8"),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"), ("(1,2),(3,4)", "(2,1),(3,4)"),
    (r"(1,2)\cup[3,4]", r"[3,4]\cup(1,2]"), ("a + D", "2a"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), LISTS + CONDITIONS + VALUES)
def test_what_means_the_same_is_equal_either_way_round(one: str, other: str) -> None:
    assert same_expression(one, other) is True
    assert same_expression(other, one) is True


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_what_only_looks_alike_is_not_equal_either_way_round(one: str, other: str) -> None:
    assert same_expression(one, other) is False
    assert same_expression(other, one) is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\frac13", "0.3333"), (r"\sqrt{x^2}", "x"), ("xy = 1", r"y = \frac1x"), ("x = 3", "y = 3"),
        (r"\{1,2\}", "(1,2)"), ("a", "b" * 5000),
    ],
)  # fmt: skip
def test_what_is_not_sure_is_left_to_algebra(one: str, other: str) -> None:
    assert same_expression(one, other) is None


def test_long_answers_are_equal_only_to_themselves() -> None:
    long = "1 + " * 2000
    assert same_expression(long + "1", long + "1") is True
    assert same_expression(long + "1", long + "2") is None


@pytest.mark.parametrize(
    "opening, closing", [("(", ")"), (r"\{", r"\}"), ("(1,", ")"), (r"\sqrt{", "}"), (r"\sin", ""), ("|", "|")]
)
@pytest.mark.parametrize("depth", [30, 480, 900])
def test_no_nesting_is_too_deep(opening: str, closing: str, depth: int) -> None:
    text = opening * depth + "1,2" + closing * depth
    assert same_expression(text, text.replace("2", "3")) is not True
    evaluate(opening * depth + "1" + closing * depth)


@pytest.mark.parametrize(
    "unit", ["cm ", "|x|<1 and ", "x<1 or ", "{1,", "(1,2),", r"\boxed{1},", r"\cup", "x=1,", r"\pm", "1,"]
)
def test_a_long_text_is_compared_in_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    for cut in (len(text), 3_900):
        same_expression(text[:cut], text[:cut] + "x")
    around(text, (100_000, 100_003))
    last_boxes(text)
    assert time.process_time() - began < 0.8


@settings(max_examples=300)
@given(*[some.text(alphabet="0123456789 .,;:$\\{}()[]=<>|+-*/^_%abxyAB&or\npmcuin", max_size=60)] * 2)
def test_equality_never_fails_and_does_not_depend_on_the_order(one: str, other: str) -> None:
    assert same_expression(one, other) is same_expression(other, one)


def test_boxes_beside_each_other_are_one_answer() -> None:
    text = r"We try \boxed{9}. So $x = \boxed{4}$ or $x = \boxed{-7}$."
    assert [text[start:end] for start, end in boxed(text)] == ["9", "4", "-7"]
    assert [text[start:end] for start, end in last_boxes(text)] == ["4", "-7"]


@pytest.mark.parametrize(
    ("text", "part", "whole"),
    [
        ("So the line is $2x-y+3=0$.", "0", "2x-y+3=0"), ("Hence x = 1, x = -2.", "-2", "x = 1, x = -2"),
        ("It is 4.", "4", "4"),
    ],
)  # fmt: skip
def test_a_cut_answer_stands_in_its_whole_formula(text: str, part: str, whole: str) -> None:
    start = text.rindex(part)
    assert around(text, (start, start + len(part))) == whole
