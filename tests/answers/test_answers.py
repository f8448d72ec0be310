import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepdown.answers import (
    boxed,
    canonical,
    choice,
    conclusion,
    explicit,
    final_line,
    gold_expression,
    gold_number,
    number,
    plain_text,
    same,
    same_expression,
    spelled,
    vote,
)
from stepdown.answers.numbers_in_text import numbers
from stepdown.types import Kind, Problem

KINDS: tuple[Kind, ...] = ("number", "expression", "choice", "text")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2,125", 2125), ("$40", 40), (r"\$40", 40), ("40%", 40), ("3/4", Fraction(3, 4)), ("1 1/2", Fraction(3, 2)),
        ("1 and 3/4 dozen", Fraction(7, 4)), (r"\frac{3}{4}", Fraction(3, 4)), (r"-\frac12", Fraction(-1, 2)),
        ("x = 4", 4), ("1.2e3", 1200), (r"3 \times 10^{4}", 30000), ("−7", -7), ("-$5", -5), ("12kg", 12),
        ("1.5 million", 1_500_000), ("$.75", Fraction(3, 4)), ("twenty-one", 21), ("three hundred", 300), ("10.", 10),
        ("1 hour and 35 minutes", 95), (r"575\text{ students}", 575), ("1{,}000", 1000), ("$1,430**", 1430),
    ],
)  # fmt: skip
def test_a_number_is_read_exactly_however_it_is_written(text: str, value: Fraction | int) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "none", "5:00 PM", "the 3rd of May", "v1.2.3", "1/0", "4, 6 and 14", "12x"])
def test_what_is_not_one_number_is_none(text: str) -> None:
    assert number(text) is None


def test_a_binary_minus_is_no_sign() -> None:
    assert [one.value for one in numbers("16 - 7 = 9")] == [16, 7, 9]


def test_calculator_notes_are_not_part_of_the_text() -> None:
    assert [one.value for one in numbers("makes 9 * $2 = $<<9*2=18>>18 per day")] == [9, 2, 18]


def test_a_number_knows_its_place_in_the_text() -> None:
    text = "She pays **$64** for them"
    assert [text[one.start : one.end] for one in numbers(text)] == ["$64"]


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**6))
def test_a_number_that_is_spelled_reads_back_as_itself(top: int, thousandth: int) -> None:
    value = top + Fraction(thousandth, 1000)
    assert number(spelled(value)) == value


CONCLUSIONS = [
    ("How much does he need to pay?", "Each costs $4. Kylar pays $64 for the 16 glasses.", "64"),
    ("How much does he need to pay?", "The total is $64, which is what Kylar pays for his 16 glasses.", "64"),
    ("How many toys must he remove?", "So he removes 30 comic books and 15 toys from the 45 things!", "15"),
    ("How many are left?", "1. There were 20.\n2. 20 - 5 = 15 are left.\n7. Done.", "15"),
    ("How many in all?", "20 + 80 + 160 = 260", "260"),
    ("How many sheep?", "Therefore there are **260 sheep** in the 3 towns.", "260"),
    ("What is x?", "The answer is 12. Wait, that is wrong. So the answer is 14.", "14"),
    (
        "How many eggs?",
        "She sells 9 eggs.\n\nStep 5: Write your final answer\n\nHope this helps with your 2 tests!",
        "9",
    ),
    (
        "How many copies did Harald sell?",
        "So Harald sold 8,000 copies.\n\nLet's check: 10 * 8,000 = 80,000. All good!",
        "8000",
    ),
    ("How much will she get?", "Therefore, if she works 45 hours at $10, she will get $460.", "460"),
    (
        "How many times can he go?",
        "He has $42 and a trip costs $14.\n\nPeter can go to the movies three times this week.",
        "3",
    ),
    ("How long does it take, in minutes?", "It takes 90 + 5 = 95 minutes, or 1 hour and 35 minutes.", "95"),
    ("What percentage dance?", "12 of the 20 students is 0.6, so **60% of the class** dance.", "60"),
    ("How many dozens of eggs?", "So, Claire eats about 1 and 3/4 dozens of eggs in 4 weeks.", "1.75"),
    ("How many?", "#### 2,125", "2125"),
    ("How many?", r"We get \boxed{3}, no: \boxed{5}. I used step 2 and 4.", "5"),
    ("How many?", "The answer is:\n\n600 thorns!", "600"),
    ("How many?", "Answer: *5*", "5"),
    ("How much profit?", "Jewelry investment - $125", "125"),
    ("What percentage, rounded to the nearest percent?", "It is 12 / 18 = 66.67%, which rounds to 67%.", "67"),
    ("How old is he?", "He is 31 - 30 = 1 year old", "1"),
]


@pytest.mark.parametrize(("question", "text", "found"), CONCLUSIONS)
def test_a_text_concludes_with_the_number_that_answers_the_question(question: str, text: str, found: str) -> None:
    assert conclusion(text, "number", question=question).found == found


@pytest.mark.parametrize("text", ["So he has 3*4", "Total = 3 * 4", "He has 20 - 8 apples.", "12 * 4 = ? eggs"])
def test_what_is_not_worked_out_is_no_conclusion(text: str) -> None:
    assert conclusion(text, "number", question="How many apples?").found is None


def test_a_conclusion_says_where_it_was_read() -> None:
    text = "First 3 + 4 = 7. So, he pays **$64** for the 16 glasses."
    read = conclusion(text, "number", question="How much does he pay?")
    assert read.where is not None
    assert text[slice(*read.where)] == "$64"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "   \n\n", "***"])
def test_an_empty_text_concludes_nothing(kind: Kind, text: str) -> None:
    assert conclusion(text, kind, ("red", "blue")).found is None


EXPRESSIONS = [
    ("Solve for x.", r"Therefore, the values are $x \in [-2, 7]$.", r"[-2,7]"),
    ("What is $b$?", r"We have $a = 3$ and $b = 4$.", "4"),
    ("What is the area?", r"$$Area = \frac{1}{2} \cdot 15 \cdot 10 = 75 \text{ square units}.$$", "75"),
    ("Evaluate $a^3$ if $a = 5$.", "$5 \\cdot 25 = 125$\n\nThat's how we evaluate $a^3$ with $a = 5$.", "125"),
    ("Factor $7x^2-63$.", "So, the expression $7x^2-63$ factors to $7(x - 3)(x + 3)$.", "7(x+3)(x-3)"),
    ("Find them in decreasing order.", "Arranged in decreasing order, they are 12, 10, 6.", "12, 10, 6"),
    ("Write it in interval notation.",
     "We exclude -1/2 and get (-∞,-1/2) ∪ (-1/2,∞).", r"(-\infty,-\frac12)\cup(-\frac12,\infty)"),
    ("Find the domain in interval notation.", r"Hence, the domain is $-3\leq x \leq 2$.", "[-3,2]"),
    ("What is the midpoint?", "Therefore, the midpoint is (1, 4.5).", r"\left(1,\frac{9}{2}\right)"),
    ("Who is the fastest, Ann or Evelyn?", "It's clear that Evelyn is, with 3.6 miles/hour.", r"\text{Evelyn}"),
    ("How many treeks?", "so S = 3T. Hence three treeks weigh the same.", "3"),
    ("What is $x$?", r"The final answer is $\boxed{\frac{9}{7}}$.", r"\dfrac97"),
    ("Simplify.", r"Your final answer: $\frac{\sqrt{3}}{3}$, or approximately $0.577$.", r"\frac{\sqrt3}{3}"),
    ("What is $d$?", r"\[d = \begin{pmatrix} 7 \\ -2 \end{pmatrix}.\]", r"\begin{pmatrix} 7 \\ -2 \end{pmatrix}"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "text", "gold"), EXPRESSIONS)
def test_a_text_concludes_with_the_expression_asked_for(question: str, text: str, gold: str) -> None:
    read = conclusion(text, "expression", question=question)
    assert read.found is not None
    assert same_expression(gold, read.found) is True, read


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (r"x \in [-2,7]", "[-2, 7]", True), (r"\$40", "40 dollars", True), ("b=4", "4", True),
        (r"\frac56", "5/6", True),
        (r"575\text{ students}", "575", True), ("12, 10, 6", "6, 10, 12", True), ("(2,12)", "(12,2)", False),
        ("(2,12)", "[2,12)", False), (r"-\sqrt{x-3}+3", "3 - sqrt(x-3)", True), ("6+9i", "9i+6", True),
        (".5", "1/2", True),
        (r"1\frac16", r"\frac76", True), (r"\text{Evelyn}", "evelyn", True), ("x^2+1", "x^2-1", False),
        ("3", "4", False),
        (r"\sqrt[3]{8}", "2", True), ("2^{10}", "1024", True), (r"90^\circ", "90", True), ("10,000", "10000", True),
    ],
)  # fmt: skip
def test_expressions_are_compared_by_what_they_mean(one: str, other: str, equal: bool) -> None:
    assert same_expression(one, other) is equal


def test_only_algebra_could_compare_equations() -> None:
    assert same_expression("xy=1", r"y=\frac{1}{x}") is None


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        (r"\boxed{1} and \boxed{\frac{1}{2}}", ["1", r"\frac{1}{2}"]), (r"\fbox{3}", ["3"]), (r"\boxed 5", ["5"]),
        (r"\boxed{\{1,2\}}", [r"\{1,2\}"]), (r"\boxed{\boxed{4}}", ["4"]), (r"\boxed{1", []), ("}}", []),
    ],
)  # fmt: skip
def test_boxes_are_read_to_their_closing_brace(text: str, inner: list[str]) -> None:
    assert [text[start:end] for start, end in boxed(text)] == inner


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("So the answer is: (a)", "A"), ("Answer: B", "B"), ("The answer is option C.", "C"), ("**B.** blue", "B"),
        ("It cannot be A, so B.", "B"), ("The answer is not (a) but (c).", "C"), ("Thus, the sky is blue.", "B"),
        ("The answer is 3", "C"), ("Thus the blue one is darker because the red one is pale.", "B"),
        (r"\boxed{C}", "C"),
        ("(A) red (B) blue (C) green\nThe answer is (B).", "B"), ("I cannot say.", None), ("#### c", "C"),
    ],
)  # fmt: skip
def test_a_choice_is_read_by_letter_number_or_words(text: str, letter: str | None) -> None:
    assert choice(text, ("red", "blue", "green")) == letter


@pytest.mark.parametrize(
    "line", ["Answer: 7", "The answer is 7", "#### 7", "**Final Answer:** 7", "So the answer is: 7"]
)
def test_an_explicit_answer_line_is_found_in_all_its_wordings(line: str) -> None:
    assert explicit(f"There are 3 of 9.\n{line}\n", "number").found == "7"


def test_a_text_without_answer_line_states_no_explicit_answer() -> None:
    assert explicit("There are 3 + 4 = 7 apples.", "number").found is None
    assert final_line("There are 7.") is None


def test_golds_are_read_from_worked_solutions() -> None:
    assert gold_number("48 + 24 = <<48+24=72>>72\n#### 2,125") == "2125"
    assert gold_expression(r"first \boxed{3}, so \boxed{x \in [-2,7]}$.") == r"x \in [-2,7]"
    assert gold_expression("no box") is None


def test_a_plain_text_has_no_case_articles_or_punctuation() -> None:
    assert plain_text("  The **Answer**, is: an apple! ") == "answer is apple"


@given(st.text())
def test_spelling_twice_changes_nothing(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)
    assert plain_text(plain_text(text)) == plain_text(text)


@settings(max_examples=300)
@given(
    st.text(alphabet="0123456789 .,$\\{}()[]=+-*/^%:;abxyAB#\n'answerisboxedfrac", max_size=200), st.sampled_from(KINDS)
)
def test_no_text_makes_reading_fail(text: str, kind: Kind) -> None:
    read = conclusion(text, kind, ("red", "blue"), question=text)
    assert (read.found is None) == (read.where is None)
    if read.where is not None:
        assert 0 <= read.where[0] <= read.where[1] <= len(text)
    explicit(text, kind)
    same_expression(text, text[::-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "unit",
    [
        "(",
        "9",
        "a",
        " ",
        "\n",
        ". ",
        "$",
        "\\boxed{",
        "1,",
        "= ",
        "\\",
        "*",
        "[asy]",
        "<<",
        "if ",
        "1 a",
        "the answer is ",
        "Answer: ",
        "答案是",
        "A or ",
        '{"answer": "',
        "<answer>",
        "\nQ: ",
    ],
)
def test_a_long_text_of_anything_is_read_in_linear_time(kind: Kind, unit: str) -> None:
    # Four steps for each pair of characters would take minutes.
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    conclusion(text, kind, ("red", "blue"))
    assert time.process_time() - began < 0.5


def test_votes_count_equal_answers_and_junk_never_votes() -> None:
    problem = Problem("p", "What is x?", "4", kind="expression")
    assert (
        vote(problem, ["x = 1/2", "", "I cannot.", "so $x = 3$", r"the answer is \frac12", "the answer is 0.5"])
        == "1/2"
    )


def test_a_tied_vote_goes_to_the_answer_reached_first() -> None:
    assert vote(Problem("p", "How many?", "4"), ["It is 5.", "It is 4.", "It is 4.", "It is 5."]) == "5"
    assert vote(Problem("p", "How many?", "4"), ["", "none"]) is None


def test_answers_of_a_kind_are_compared_as_that_kind() -> None:
    assert same("number", "1,000", "1000.0")
    assert same("choice", "(b)", "B")
    assert same("text", "The cat.", "cat")
    assert not same("text", "", "")


@pytest.mark.parametrize("ending", ["Answer: 42", "The answer is 42.", "**Answer:** $42", "Final answer: 42.0"])
def test_a_last_line_that_only_answers_is_the_conclusion(ending: str) -> None:
    assert conclusion(f"We add 40 and 3 and get 43.\n{ending}", "number").found == "42"


@pytest.mark.parametrize("unit", ["cm^2", "m/s^2", "m^3", "kg/m^3", "cm²", "square metres", "m s^-2"])
def test_a_power_of_a_unit_is_no_operation(unit: str) -> None:
    assert conclusion(f"The result is 25 {unit}.", "number").found == "25"
