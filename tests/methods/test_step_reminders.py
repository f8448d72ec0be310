"""Two methods to have a plan followed: what the student is asked, and that the solution holds all of the work."""

import asyncio
from itertools import cycle

from stepdown.methods import ONE_STEP_AT_A_TIME, STEP_REMINDERS
from stepdown.methods.one_step_at_a_time import MOST_STEPS
from stepdown.prompts import DEFAULT
from stepdown.types import Ask, Method, Plan, Problem, Prompt, Role

EGGS = Problem("eggs/0", "Ann has 3 eggs and buys twice as many. How many has she?", "9")
PLAN = "1. Double 3.\n2. Add 3."


def solved(method: Method, plan: str, replies: list[str]) -> tuple[str, list[str]]:
    said, script = list[str](), cycle(replies)

    async def ask(role: Role, prompt: Prompt | str) -> str:
        assert isinstance(prompt, Prompt) and role == "student"
        said.append(DEFAULT.render(method, prompt)[-1].content)
        return next(script)

    return asyncio.run(_text(method, Plan(plan, "gold"), ask)), said


async def _text(method: Method, plan: Plan, ask: Ask) -> str:
    return await method.solve(EGGS, plan, ask)


def test_the_student_is_reminded_of_how_many_steps_there_are_and_how_each_begins() -> None:
    solution, said = solved(STEP_REMINDERS, PLAN, ["Answer: 9"])
    assert len(said) == 1 and "has 2 steps" in said[0] and "Step 1:, Step 2:" in said[0] and PLAN in said[0]
    assert solution == "Answer: 9"


def test_each_step_is_asked_for_alone_and_the_solution_is_all_of_them() -> None:
    solution, (first, second, last) = solved(ONE_STEP_AT_A_TIME, PLAN, ["3 * 2 = 6", "3 + 6 = 9", "Answer: 9"])
    assert first.endswith("Step 1: Double 3.") and "= 6" not in first and "Step 1: 3 * 2 = 6" in second
    assert "3 + 6 = 9" in last and solution == "Step 1: 3 * 2 = 6\n\nStep 2: 3 + 6 = 9\n\nAnswer: 9"


def test_a_plan_of_any_length_takes_a_bounded_number_of_calls() -> None:
    plan = "\n".join(f"{number}. Add {number}." for number in range(1, 40))
    assert len(solved(ONE_STEP_AT_A_TIME, plan, ["1"])[1]) == MOST_STEPS + 1
