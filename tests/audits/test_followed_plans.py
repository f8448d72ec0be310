"""Who is to blame for a wrong trace by its own text: wrong calculations, steps left out, plans that were followed."""

import pytest

from stepdown.audits.followed_plans import blame_of_text
from stepdown.types import Plan, Problem, Trace

SUM = Problem("p/0", "Ann has 3 eggs, buys 4 and sells them at 2 dollars. What does she get?", "14")
PLAN = "1. Add the 4 bought eggs to the 3 eggs.\n2. Multiply the eggs by the 2 dollars."
DONE = "1. The eggs: 3 + 4 = 7.\n2. The dollars: 7 x 2 = 14."


@pytest.mark.parametrize(
    ("solution", "who", "why"),
    [
        (DONE, "plan", "all its steps are followed"),
        (DONE.replace("7.", "8."), "student", "`3 + 4 = 8` is wrong"),
        (DONE.replace("7 x 2 = 14", "7 - 2 = 5"), "student", "step 2 of the plan is changed"),
        ("I do not know.", "unknown", "no number"),
        ("1 / 0 = 3, so 3", "student", "step 1"),
        ("9" * 4000 + " + 1 = 2", "student", "step 1"),
        ("3 + 4 + " * 2000 + "= 7", "student", "step"),
    ],
)
def test_a_wrong_trace_is_blamed_by_its_own_text(solution: str, who: str, why: str) -> None:
    found, said = blame_of_text(Trace(SUM, "trace-of-thought", Plan(PLAN, "t"), solution=solution))
    assert found == who and why in said, said


def test_without_a_plan_nothing_is_said() -> None:
    assert blame_of_text(Trace(SUM, "direct", solution=DONE))[0] == "unknown"
