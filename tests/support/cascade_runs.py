"""Runs that make a cascade: some answers that agree, by a small planner, and right ones by a large planner."""

from collections.abc import Sequence

from stepdown.store import Run, Store
from stepdown.types import Call, Grade, Message, Plan, Problem, Reply, Sampling, Trace, Usage
from stored_runs import keep_run


def attempts(number: int, answers: Sequence[str], planner: str) -> list[tuple[Trace, Grade]]:
    """Samples that answer a problem whose gold is its number, by a plan of the planner's."""
    problem, asked = Problem(f"sums/{number}", f"What is {number}?", str(number)), (Message("user", f"plan {number}"),)
    plan = Call("teacher", planner, asked, Sampling(), Reply("1. Think.", planner, Usage(10, 10)))
    found = []
    for sample, answer in enumerate(answers):
        said = Reply(f"Answer: {answer}", "student", Usage(10, 10))
        call = Call("student", "openai/student", (Message("user", str(number)),), drawn(answers), said, sample)
        trace = Trace(problem, "trace-of-thought", Plan("1. Think.", planner), (plan, call), said.text, sample=sample)
        found.append((trace, Grade("right" if answer == str(number) else "wrong", answer, "", "default@2")))
    return found


def drawn(answers: Sequence[str]) -> Sampling:
    return Sampling(0.7 if len(answers) > 1 else 0.0)


def planned(store: Store, rows: Sequence[Sequence[str]], planner: str, *, student: str = "openai/student") -> Run:
    """A run of as many samples as each row has answers."""
    made = [attempts(number, answers, planner) for number, answers in enumerate(rows)]
    return keep_run(store, made, dataset="sums", method="trace-of-thought", student=student, teacher=planner,
                    plans="teacher", samples=len(rows[0]), sampling=drawn(rows[0]))  # fmt: skip


def two_runs(store: Store, times: int = 1) -> tuple[Run, Run]:
    """Return a cheap run that is sure and right once, sure and wrong once, torn twice, and a dear one that is right.

    That many times over.
    """
    cheap: list[tuple[str, ...]] = []
    for n in range(0, 4 * times, 4):
        cheap += [(f"{n}",) * 4, ("-9",) * 4, (f"{n + 2}", f"{n + 2}", "-8", "-7"), ("-8", f"{n + 3}", "-7", "-6")]
    dear = [(str(n),) for n in range(4 * times)]
    return planned(store, cheap, "openai/small"), planned(store, dear, "openai/large")
