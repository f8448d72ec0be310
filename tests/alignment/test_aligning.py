"""Plans and solutions lined up, on cases that we wrote and marked by hand: which part follows which step."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.alignment import Alignment, align, plan_steps

EGGS = """1. Find how many eggs are laid.
2. Subtract the eggs eaten and baked.
3. Multiply what is left by the price of $2."""
NUMBERED = """1. 16 eggs are laid.
2. Eaten and baked are 3 + 4, and 16 - 7 = 9.
3. 9 * 2 = 18.

So it is $18."""
PROSE = """The ducks have laid 16 eggs.

She subtracts the eaten and baked ones: 16 - 7 = 9.

At a price of $2 these are 9 x 2 = 18."""
OTHER = """1. Eggs laid are 16.
2. She sells what is left for $2 each, so multiply: 9 * 2 = 18.
Answer: 18"""
ADDS = "1. 16 are laid.\n2. Eaten and baked: 16 + 7 = 23 eggs.\n3. 23 * 2 = 46"
REPEATS = "1. Find how many eggs are laid.\n2. 16 - 7 = 9 eggs.\n3. 9 * 2 = 18"
WORDED = "Steps:\n**Step 1:** Add the pears.\n* How many?\n\n**Step 2:** Halve the sum."
PLAIN = "Add the pears.\nHalve their sum."
TWICE = "1. Multiply the price by twice 3.\n2. Check the result.\n3. Do not calculate the total."
AGAINST = "1. The price is 5 * 3 = 15.\n2. The result is here.\n3. The total is 15 + 5 = 20."
COUNTED = "1. Calculate how many pears Ann had.\n2. Calculate how many pears are left of these."
UNKNOWN = (
    "1. Before lunch Ann had some pears; let p stand for this number.\n2. Of her pears p less the eaten ones are left."
)
GIVEN = "1. Let's see: Ann had 5 + 3 = 8 pears.\n2. Of her pears 8 - 3 = 5 are left."
SUMMED = "1. Add the 15 cups of the morning to the 25 cups of the evening."
MULTIPLIED = "1. To add the cups of the morning and evening: 15 * 20 = 300 and 25 * 20 = 500 cups."
CASES = [
    (COUNTED, UNKNOWN, "changed done", ("1. Before", "2. Of her")),
    (COUNTED, GIVEN, "done done", ("1. Let's", "2. Of her")),
    ("1. Add 3 and 4.\n2. Multiply the sum by 2.", "1. 3 + 4 = 7.\n2. 7 * 2 = 14.", "done done", ("1.", "2.")),
    (SUMMED, MULTIPLIED, "changed", ("1. To add",)),
    (SUMMED, "1. The cups add up to 15 + 25 = 40.", "done", ("1. The",)),
    (EGGS, NUMBERED, "done done done", ("1. 16 eggs", "2. Eaten", "3. 9 * 2")),
    (EGGS, PROSE, "done done done", ("The ducks", "She subtracts", "At a price")),
    (EGGS, OTHER, "done skipped done", ("1. Eggs", "", "2. She sells")),
    (EGGS, ADDS, "done changed done", ("1.", "2.", "3.")),
    (EGGS, REPEATS, "repeated done done", ("1.", "2.", "3.")),
    (TWICE, AGAINST, "changed repeated changed", ("1.", "2.", "3.")),
    (EGGS, "Step 3: 9 * 2 = 18", "skipped skipped done", ("", "", "Step 3")),
    (WORDED, "Step 1: 3 + 5 = 8 pears.\nStep 2: half of 8 is 4.", "done done", ("Step 1", "Step 2")),
    (PLAIN, "The pears add up to 3 + 5 = 8.\n\nHalf of the sum is 8 / 2 = 4.", "done done", ("The pears", "Half")),
]


def parts_of(found: Alignment, solution: str, step: int) -> str:
    return "\n".join(solution[found.parts[at].start : found.parts[at].end] for at in found.steps[step].parts)


@pytest.mark.parametrize(("plan", "solution", "statuses", "begins"), CASES)
def test_steps_and_parts_are_as_marked_by_hand(
    plan: str, solution: str, statuses: str, begins: tuple[str, ...]
) -> None:
    found = align(plan, solution)
    assert [one.status for one in found.steps] == statuses.split()
    own = [parts_of(found, solution, step) for step in range(len(found.steps))]
    assert all(text.startswith(begin) for text, begin in zip(own, begins, strict=True)), own


def test_what_no_step_asks_for_is_added_and_the_rest_is_talk_or_the_answer() -> None:
    moon = "4. The moon is 384400 / 3 = 128133 away."
    solution = f"Sure!\n{NUMBERED}".replace("= 18.\n", f"= 18.\n{moon}\n")
    found = align(EGGS, solution)
    assert [one.kind for one in found.parts] == ["talk", "step", "step", "step", "added", "answer"]
    assert solution[found.parts[4].start : found.parts[4].end] == moon and found.counts["added"] == 1


def test_a_part_that_does_two_steps_does_both() -> None:
    plan, solution = (
        "1. Add the red pears.\n2. Subtract the eaten pears.",
        "1. The red pears: 3 + 5 = 8, eaten 8 - 2 = 6.",
    )
    found = align(plan, solution)
    assert [one.status for one in found.steps] == ["done", "done"] and found.steps[0].parts == found.steps[1].parts
    assert found.steps[1].why == "within the part of step 1"


def test_a_plan_said_again_before_the_work_is_not_the_work() -> None:
    solution = f"{EGGS}\n\nNow:\n{NUMBERED}"
    found = align(EGGS, solution)
    assert [one.status for one in found.steps] == ["done"] * 3
    assert parts_of(found, solution, 0).startswith("1. 16")


def test_numbered_lines_are_the_steps_and_what_stands_around_them_is_none() -> None:
    plan = "Here is the plan:\n\n1. **Add**: add them\n   * all of them\n2) Halve\n\nDo not solve it!"
    assert [(one.number, one.text, one.lines) for one in plan_steps(plan)] == [
        (1, "Add**: add them all of them", (1, 2)),
        (2, "Halve", (3,)),
    ]


@given(st.text(alphabet="12.) \n$*ab+=", max_size=300), st.text(alphabet="12.) \n$\\[ab+=", max_size=600))
def test_no_text_breaks_it_and_both_orders_are_kept(plan: str, solution: str) -> None:
    found = align(plan, solution)
    assert all(one.start < one.end <= other.start for one, other in pairwise(found.parts))
    owners = [one.step for one in found.parts if one.step is not None]
    assert owners == sorted(owners)
    shown = "".join(solution[one.start : one.end] for one in found.parts)
    assert "".join(shown.split()) == "".join(solution.split())


@pytest.mark.parametrize("text", ["a b 1. " * 4000, "1. a\n" * 8000, "$$" * 20_000, "[" * 30_000, "Step 1: " * 5000])
def test_long_and_odd_texts_take_bounded_time(text: str) -> None:
    began = time.process_time()
    align(text, text)
    assert time.process_time() - began < 3
