"""A plan leaks where it tells the answer as a result, and not where it only mentions the number."""

import time

import pytest

from stepdown.answers.leaks import leak
from stepdown.types import Plan, Problem

EGGS = Problem(
    "p/a",
    "Claire makes a 3 egg omelet every morning for breakfast.  How many dozens of eggs will she eat in 4 weeks?",
    "7",
)
LOG = Problem("p/b", r"Evaluate $\log_21$.", "0", kind="expression")
VERTEX = Problem(
    "p/c",
    "The vertex of the parabola described by the equation $y=2x^2-4x+4$ is $(m,n)$. What is $m$?",
    "1",
    kind="expression",
)
ROOTS = Problem(
    "p/d",
    "What is the difference between the positive square root of 64 and the cube root of 64?",
    "4",
    kind="expression",
)
POWER = Problem("p/e", r"What is the value of $x$ in the equation $(17^6-17^5)\div16=17^x$?", "5", kind="expression")
SQUARE = Problem(
    "p/f", "If we express $x^2 + 4x + 5$ in the form $a(x - h)^2 + k$, then what is $h$?", "-2", kind="expression"
)
INVERSES = Problem(
    "p/g",
    r"Let $f(x)=x+1$ and $g(x)=2x$.  Compute \[f(g^{-1}(f^{-1}(f^{-1}(g(f(5)))))).\]",
    "6",
    kind="expression",
)
PRIMES = Problem("p/h", "For how many positive integers $n$ is $n^2-3n+2$ a prime number?", "1", kind="expression")
PENS = Problem("p/i", "Ann has 30 pens and buys 15 more. How many pens has she?", "45")
YEAR = Problem(
    "p/j", "Bob pays $5 for a year and then gets his money back. How many payments of 5 dollars does he make?", "12"
)
FILM = Problem("p/k", "A film takes 3 parts of 20 minutes. How long is it, in minutes?", "60")
SHARE = Problem("p/l", "Out of 40 kids, 40 passed. What percentage passed?", "100")
FISH = Problem("p/m", "Where do fish live?", "B", choices=("in trees", "in water"), kind="choice")
COIN = Problem("p/n", "A coin is heads up. Ann flips it. Is it still heads up?", "no", kind="text")
CHANCE = Problem("p/o", "What is the probability?", r"\frac{3}{8}", kind="expression")
INTERVAL = Problem("p/p", "Solve.", r"x \in [-2,7]", kind="expression")
FACTORS = Problem("p/q", "Factor $x^2-1$ wholly.", "(x-1)(x+1)", kind="expression")
TERM = Problem("p/r", "Simplify.", "b - 1", kind="expression")
HELD = Problem("p/s", "John has 16 eggs, eats 3 and sells 13 of them for $1. How many eggs did he sell?", "13")
AGE = Problem("p/t", "Tom is 4 times as old as Al, who is 9. How old is Tom?", "36")
APPLES = Problem("p/u", "Ann buys 40 apples in 5 bags. How many are in each?", "8")

TOLD = [
    (EGGS, "1. Multiply 3 by 28.\n2. Divide 84 by 12 to get 7."),
    (EGGS, "1. Multiply.\n2. 84 / 12 = 7 dozens"),
    (EGGS, "So the answer is 7."),
    (LOG, "Remember that any number raised to the power of zero is 1."),
    (LOG, "Recall that any nonzero number to the power 0 equals one, so what is it?"),
    (LOG, r"Recall that $\log_b 1 = 0$ for any base."),
    (LOG, "Recall $a^0 = 1$."),
    (LOG, "The logarithm is 0 when the argument is 1."),
    (VERTEX, "1. Use $m = -b/(2a)$.\n2. $m = 4/4 = 1$."),
    (VERTEX, "Therefore, m is 1."),
    (ROOTS, "1. Get 8.\n2. Get 4.\n3. 8 - 4 = 4."),
    (POWER, "1. Factor.\n2. Since the bases are equal, x = 5."),
    (SQUARE, "1. Complete the square: $(x+2)^2 + 1$.\n2. So $h = -2$."),
    (PENS, "1. Add.\n2. She has 45 pens."),
    (PENS, "30 + 15 = 45"),
    (PENS, "**Total: 45**"),
    (PENS, "Get forty-five pens: 30 + 15 equals forty-five."),
    (PENS, "The sum is 30 + 15 (45)."),
    (YEAR, "1. One payment each month.\n2. So there are 12 payments."),
    (FILM, "1. Multiply 3 by 20 to get 60 minutes."),
    (SHARE, "1. Divide: 40/40 = 1.\n2. 1 * 100 = 100%"),
    (FISH, "They live in water."),
    (FISH, "Think. The answer is B."),
    (COIN, "So the answer is no."),
    (CHANCE, r"The probability is \frac{3}{8}."),
    (CHANCE, "1. So 3/8."),
    (INTERVAL, "The solution is $[-2, 7]$."),
    (FACTORS, "Write $(x-1)(x+1)$."),
    (TERM, "The result is b - 1."),
    (HELD, "1. Subtract.\n2. The final answer is 13."),
    (AGE, "Multiply 4 by 9 to get 36."),
    (AGE, "4 × 9 = 36 years"),
    (AGE, "Tom is 36 years old."),
    (APPLES, "5 x 8 = 40"),
    (APPLES, "1. Divide 40 by 5: 8 apples in each bag."),
    (APPLES, "1. Divide.\n2. Check that 5 * 8 = 40."),
]

MENTIONED = [
    (EGGS, "2. There are 7 days in a week. Multiply 3 by 7."),
    (EGGS, "1. Find the eggs in a week (7 days).\n2. Divide by 12."),
    (EGGS, "1. A week has 7 days.\n2. Multiply 3 * 7 * 4 and divide by 12."),
    (EGGS, "7 days per week times 3 eggs"),
    (EGGS, "1. Identify eggs per day: 3\n2. Identify days in a week: 7\n3. Multiply."),
    (EGGS, "1. Find how many days there are in 4 weeks (4 weeks x 7 days/week).\n2. Multiply by 3."),
    (LOG, r"1. Set up 2^x = 1.\n2. Find x."),
    (VERTEX, "1. Use $m = -b/(2a)$.\n2. Substitute a = 2 and b = -4."),
    (VERTEX, "1. Write $2(x^2-2x+1-1)+4$.\n2. Find the vertex form $2(x-1)^2+2$."),
    (ROOTS, "1. Square root of 64 (n-1).\n2. e.g. 1*1=1, 2*2=4, 3*3=9.\n3. Subtract."),
    (ROOTS, "1. The square root of 64 is 8.\n2. The cube root of 64 is 4.\n3. Subtract 4 from 8."),
    (POWER, "1. Factor out $17^5$.\n2. Simplify $17^5(17-1)/16$.\n3. Compare exponents."),
    (SQUARE, "1. Complete the square: $(x+2)^2 + 1$.\n2. Compare with a(x-h)^2+k."),
    (SQUARE, "3. set $4 = -2h$ and solve it."),
    (INVERSES, "1. f(5) = 6.\n2. Apply g to it: g(6) = 12.\n3. Go on."),
    (INVERSES, "Start with step 6. 6. Apply f."),
    (PRIMES, "A prime number is greater than 1 and has exactly 2 divisors, 1 and itself."),
    (PRIMES, "Factor as (n-1)(n-2). One factor must be 1 or -1."),
    (PRIMES, "Factor as (n-1)(n-2). One factor must equal 1."),
    (YEAR, "1. Note that a year has 12 months.\n2. Count."),
    (YEAR, "1. Multiply the monthly payment by 12."),
    (YEAR, "1. Convert the year to months (12)."),
    (FILM, "There are 60 minutes in an hour."),
    (FILM, "Divide by 60."),
    (SHARE, "1. Divide.\n2. Multiply by 100 to get a percentage."),
    (SHARE, "A percentage is out of 100."),
    (FISH, "Compare in trees with in water."),
    (FISH, "Consider (A) in trees and (B) in water."),
    (COIN, "Decide: yes or no."),
    (COIN, "If there is no flip, it stays."),
    (CHANCE, "3/8 of 5"),
    (TERM, "Cancel (b-1)/(b-1)."),
    (HELD, "1. 16 - 3 = 13.\n2. Write it down."),
    (APPLES, "Divide 40 by 5."),
    (APPLES, "Use step 8."),
]


@pytest.mark.parametrize(("problem", "text"), TOLD)
def test_an_answer_that_a_plan_tells_as_a_result_is_a_leak(problem: Problem, text: str) -> None:
    assert leak(problem, Plan(text, "t")).gold


@pytest.mark.parametrize(("problem", "text"), MENTIONED)
def test_a_number_that_a_plan_only_mentions_is_no_leak(problem: Problem, text: str) -> None:
    assert not leak(problem, Plan(text, "t")).gold


@pytest.mark.parametrize(("text", "told"), [("It is 5^5.", False), ("5^5 = 3125", True), ("It is 3,125.", True)])
def test_a_power_that_is_left_to_the_student_is_not_told(text: str, told: bool) -> None:
    problem = Problem("p/power", r"Evaluate $a^3\cdot a^2$ if $a= 5$.", "3125", kind="expression")
    assert leak(problem, Plan(text, "t")).gold is told


def test_the_base_of_a_power_stands_in_the_question() -> None:
    problem = Problem("p/base", "If $2^8=4^x$, what is the value of $x$?", "4", kind="expression")
    assert not leak(problem, Plan("1. Write 4 as $2^2$.\n2. Compare.", "t")).assessable
    assert leak(problem, Plan("1. Compare.\n2. So $x = 4$.", "t")).gold


def test_what_the_plan_goes_on_to_calculate_with_is_no_answer() -> None:
    assert leak(AGE, Plan("1. Multiply 4 by 9 to get 36.", "t")).gold
    assert not leak(AGE, Plan("1. Multiply 4 by 9 to get 36.\n2. Add 36 to 9.", "t")).gold


def test_a_leak_quotes_the_words_that_tell_it() -> None:
    found = leak(PENS, Plan("1. Add.\n2. She has 45 pens.", "t"))
    assert (found.quote, found.last_step) == ("She has 45", True)


def test_an_answer_that_the_question_holds_leaks_only_where_it_is_called_the_answer() -> None:
    assert not leak(HELD, Plan("16 - 3 = 13.", "t")).assessable
    assert leak(HELD, Plan("So the answer is 13.", "t")).assessable


@pytest.mark.parametrize(
    "piece", ["45 ", "= 45", "the answer is ", "**", "1. ", "a(", "$\\boxed{", "7 days ", "power of 0 "]
)
def test_a_hostile_plan_is_read_in_linear_time(piece: str) -> None:
    start = time.process_time()
    for asked in (PENS, LOG):
        leak(asked, Plan(piece * (12_000 // len(piece)), "t"))
    assert time.process_time() - start < 2.5
