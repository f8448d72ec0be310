"""Runs in which a student solved by plans and without, written down letter by letter."""

from collections.abc import Sequence

from stepdown.store import Run, Store
from stepdown.types import Call, Grade, Message, Plan, Problem, Reply, Sampling, Trace, Usage
from stored_runs import LETTERS, keep_run

WARM = Sampling(temperature=0.7)
ADD, GUESS, TELLS = "1. Add the numbers.", "1. Guess.", "1. The answer is 1001."


def problem(number: int) -> Problem:
    return Problem(f"sums/train/{number}", f"What is {number} + 1?", str(number + 1))


def attempt(number: int, sample: int, letter: str, plan: str) -> tuple[Trace, Grade]:
    """A solution by a plan, or by none, that is right, wrong or ungraded as its letter says."""
    asked = (Message("user", f"plan {number}"),)
    finish = "length" if plan.endswith("...") else "stop"
    calls = (Call("teacher", "t", asked, WARM, Reply(plan, "t", Usage(1, 1), finish=finish), sample),) if plan else ()  # type: ignore[arg-type]
    trace = Trace(problem(number), "x", Plan(plan, "t") if plan else None, calls, "text", sample=sample)
    return trace, Grade(LETTERS[letter], "", "", "default@2")


def with_plans(store: Store, *rows: Sequence[tuple[str, str]], start: int = 1000, student: str = "s") -> Run:
    """A run whose problems have plans, each with the letters of its solutions; these take turns."""
    made = []
    for number, plans in enumerate(rows, start):
        turns = [(plan, letters[at]) for at in range(len(plans[0][1])) for plan, letters in plans]
        made.append([attempt(number, sample, letter, plan) for sample, (plan, letter) in enumerate(turns)])
    return keep_run(store, made, dataset="sums/train", method="trace-of-thought", plans="teacher", teacher="t",
                    student=student, samples=len(made[0]), plan_samples=len(rows[0]), sampling=WARM)  # fmt: skip


def alone(store: Store, *letters: str, start: int = 1000, student: str = "s", sampling: Sampling = WARM) -> Run:
    rows = [[attempt(n, at, letter, "") for at, letter in enumerate(some)] for n, some in enumerate(letters, start)]
    return keep_run(store, rows, dataset="sums/train", method="direct", student=student, samples=len(letters[0]),
                    sampling=sampling)  # fmt: skip
