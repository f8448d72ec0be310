"""Each control does to a plan what its name says, to the end, and is another run where what it does has changed."""

import pytest

from stepdown.answers.instructions import forbidding
from stepdown.answers.leaks import leak
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import ScriptedModel
from stepdown.runner import CONTROLS, Task, load_plans
from stepdown.runner.controls import controlled, generic, leaked, marked, masked
from stepdown.types import Kind, Plan, Problem
from worlds import sums

PLAN = Plan("1. Take the 12 eggs.\n2. Halve 12 and add 3.5. Do not solve it yet.\n3. Don't solve the problem.", "big")
EGGS = Problem("p/0", "What?", "9")


def test_masking_hides_numbers_but_not_the_steps_own() -> None:
    assert masked(PLAN).splitlines()[:2] == ["1. Take the ___ eggs.", "2. Halve ___ and add ___. Do not solve it yet."]


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("Add twenty-one and one hundred and forty-two.", "Add ___ and ___."),
        ("A dozen eggs, twice a day", "A ___ eggs, ___ a day"),
        ("Take half of 1,000.50 and a third.", "Take ___ of ___ and a ___."),
        ("Two-thirds of them, three quarters of the rest", "___ of them, ___ of the rest"),
        ("Use 50% or fifty percent.", "Use ___% or ___ percent."),
        ("the 21st day, the seventh hour", "the ___ day, the ___ hour"),
        (r"Write \frac{3}{4}x + 2y and x².", r"Write \frac{___}{___}x + ___y and x___."),
        ("½ cup, 2½ cups", "___ cup, ______ cups"),
        ("First, add. A second later, stop.", "First, add. A second later, stop."),
        ("See steps 1 and 2; double-check someone's phone.", "See steps 1 and 2; double-check someone's phone."),
        ("Step 3: take three.", "Step 3: take ___."),
        ("**Step 2:** 7 - 3", "**Step 2:** ___ - ___"),
    ],
)
def test_masking_hides_numbers_in_figures_and_in_words(said: str, hidden: str) -> None:
    assert masked(Plan(said, "big")) == hidden


def test_sentences_that_forbid_solving_are_taken_out() -> None:
    assert controlled(PLAN, "no-nosolve", EGGS).text == "1. Take the 12 eggs.\n2. Halve 12 and add 3.5."


@pytest.mark.parametrize(
    "text",
    [
        "1. Add. You’re not solving the problem at this stage.\n2. Stop.",
        "**Remember:** Don't try to solve it!\n1. Add.",
        "Write the sum down without actually solving it; then stop.",
        "1. Do not calculate. 2. Do not compute it yet!",
        "No need to solve, no.",
        "(No solving yet! Just follow these prompts.)",
    ],
)
def test_no_sentence_stays_that_the_audit_says_forbids_solving(text: str) -> None:
    assert list(forbidding(text))
    assert not list(forbidding(controlled(Plan(text, "big"), "no-nosolve", EGGS).text))


def test_a_plan_that_lets_solve_is_left_as_it_is() -> None:
    text = "1. Solve for x.\n\n2. These prompts guide you without solving it.  \n"
    assert controlled(Plan(text, "big"), "no-nosolve", EGGS).text == text.rstrip("\n")


@pytest.mark.parametrize(
    "text", [PLAN.text, "- one\n- two three", "Go.", "1. " + "word " * 90, "\n".join(["1. a b"] * 20)]
)
def test_a_generic_plan_has_as_many_steps_of_as_many_words(text: str) -> None:
    plan = Plan(text, "big")
    made = Plan(generic(plan), "x")
    assert [len(step.split()) for step in made.steps] == [len(step.split()) for step in plan.steps]
    assert not {"egg", "word", "12"} & set(generic(plan).casefold().split())


@pytest.mark.parametrize(
    ("answer", "kind", "choices", "ending"),
    [
        ("42", "number", (), "2. The answer is 42."),
        (r"x \in [-2,7]", "expression", (), r"2. The answer is $x \in [-2,7]$."),
        ("B", "choice", ("in trees", "in water"), "2. The answer is (B) in water."),
        ("no", "text", (), "2. The answer is no."),
    ],
)
def test_a_leaked_plan_tells_the_answer_and_the_audit_sees_it(
    answer: str, kind: Kind, choices: tuple[str, ...], ending: str
) -> None:
    for question in ("How many?", "Is it 42, or no?"):
        problem = Problem("p/0", question, answer, choices, kind)
        text = leaked(Plan("1. Look.", "big"), problem)
        assert text == f"1. Look.\n{ending}"
        assert leak(problem, Plan(text, "big")).last_step


def test_a_control_says_so_in_the_plans_author() -> None:
    assert controlled(PLAN, "masked", EGGS).author == "big+masked"
    assert controlled(PLAN, "", EGGS) is PLAN


def test_a_control_whose_text_has_changed_names_another_run() -> None:
    def named(control: str) -> str:
        model = ScriptedModel("m", "1. Add.")
        method, plans = load_method("trace-of-thought"), load_plans("own", control)
        task = Task(problems=sums(2), method=method, student=model, grader=load_grader(), plans=plans)
        return task.settings().control

    assert [named(one) for one in CONTROLS] == ["shuffled", "generic@2", "masked@2", "no-nosolve@2", "leaked"]
    assert named("masked@2") == marked("masked")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "1.", "- ", "x" * 100_000, "9" * 100_000, "do not " * 10_000, "one " * 9_000]
)
def test_no_control_fails_on_odd_text(text: str) -> None:
    for control in CONTROLS:
        changed = controlled(Plan(text, "big"), control, EGGS)
        assert changed.author in ("big", f"big+{control}") and len(changed.text) <= 8 * len(text) + 200
