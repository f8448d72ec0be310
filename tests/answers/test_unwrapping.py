import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.answers.unwrapping import plain_signs, sweep, unwrapped, unwrapped_span


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("**$42$.**", "42"), ("**42", "42"), ("42**", "42"), ("`C`", "C"), ("__C__", "C"), ("***C***", "C"),
        (r"\(x=3\).", "x=3"), (r"\[ 5 \]", "5"), ("$$5$$", "5"), (r"\text{Monday}", "Monday"), (r"\mathbf{7}", "7"),
        (r"$\boxed{\frac{1}{2}}$", r"\frac{1}{2}"), (r"\textbf{(C)}", "(C)"), ("<answer>42</answer>", "42"),
        (r"<answer>\text{C}</answer>.", "C"), ("<answer>42", "42"), ("<b>C</b>", "C"), ('"Paris."', "Paris"),
        ("“Paris”", "Paris"), ("「42」。", "42"), ("４２", "42"), ("Ａ", "A"), ("٤٢", "42"), ("𝟒𝟐", "42"), ("{5}", "5"),
        ("42. I hope it is correct.", "42"), ("42<|im_end|>", "42"), ("\x1b[1;31m42\x1b[0m", "42"), ("5)", "5"),
    ],
)  # fmt: skip
def test_what_stands_around_an_answer_is_taken_away(text: str, inner: str) -> None:
    assert unwrapped(text) == inner


@pytest.mark.parametrize(
    "text",
    [
        "$5", r"\$5", "$1$ and $2$", r"\text{a} and \text{b}", "x**2", "(1,2)", "(0,1]", r"\{1,2\}", "(x+1)(x+2)", "5!",
        "f'(x)", "x_1", "10²", "½", "-5", "|x|",
    ],
)  # fmt: skip
def test_what_says_something_is_kept(text: str) -> None:
    assert unwrapped(text) == text


@pytest.mark.parametrize("text", ["(C)", "[C]", r"\left(C\right)", "**(C)**", r"\text{(C)}", "【C】", "([C])"])
def test_brackets_are_wrapping_where_the_kind_says_so(text: str) -> None:
    assert unwrapped(text, brackets=True) == "C"


@given(st.text())
def test_signs_are_replaced_one_by_one(text: str) -> None:
    assert len(plain_signs(text)) == len(sweep(text)) == len(text)


@given(st.text(alphabet="42 .,$*_`'\"(){}[]<>/\\abtexoxd:", max_size=60), st.booleans())
def test_unwrapping_stays_inside_the_text_and_ends(text: str, brackets: bool) -> None:
    start, end = unwrapped_span(text, 0, len(text), brackets=brackets)
    assert 0 <= start <= end <= len(text)


@pytest.mark.parametrize("unit", ["{", "}", "\\text{", "$", "**", "(", ")", "\x1b[", "\x1b]", "<b>", "</b>", " ", "`"])
def test_a_long_text_is_unwrapped_in_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    unwrapped(text, brackets=True)
    sweep(text)
    assert time.process_time() - began < 0.4
