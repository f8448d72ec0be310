"""Small real things that several tests share: problems, models and tasks."""

import re
from typing import Any

import msgspec

from stepdown.methods import load_method
from stepdown.models import ScriptedModel
from stepdown.problems import Problems
from stepdown.runner import Task
from stepdown.store import Run
from stepdown.types import Grade, Messages, Model, Problem, Sampling, Settings, Usage

P1 = "sums/test/1"


def sums(count: int) -> Problems:
    """Return problems whose answer is one more than the number they name."""
    rows = [Problem(f"sums/test/{n}", f"What is {n} plus one?", str(n + 1)) for n in range(count)]
    return Problems("sums/test", lambda: ((None, problem) for problem in rows))


def solver(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Add one to the number in the question."""
    found = re.search(r"What is (\d+) plus one", messages[-1].content)
    return f"Answer: {int(found[1]) + 1}" if found else "Answer: 0"


def student(name: str = "student") -> ScriptedModel:
    return ScriptedModel(solver, name)


def teacher(name: str = "teacher") -> ScriptedModel:
    return ScriptedModel(lambda messages, sampling, sample: "1. Take the number.\n2. Add one to it.", name)


class LastWord:
    """A grader that compares the last word; as small as a grader can be."""

    name, version = "last-word@1", "1"

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        found = solution.split()[-1] if solution.split() else None
        return Grade("right" if found == problem.answer else "wrong", found, "the last word", self.name)


class Cents:
    """One cent per output token; what `mystery` costs is unknown."""

    def cost(self, model: str, usage: Usage | None) -> float | None:
        return None if usage is None or model == "mystery" else usage.output / 100


def derived(of: Run) -> Settings:
    """The settings of what is solved again by edits of a run."""
    return msgspec.structs.replace(of.settings, plans=f"edited/{of.id}")


TRACED = load_method("trace-of-thought")
DIRECT = load_method("direct")


def direct(count: int, model: Model, **settings: Any) -> Task:
    """Return the task of solving so many sums in one call each."""
    return Task(problems=sums(count), method=DIRECT, student=model, grader=LastWord(), **settings)


def follower(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Add one if the plan says so with care; otherwise get number 1 wrong."""
    text = messages[-1].content
    found = re.search(r"What is (\d+) plus one", text)
    assert found, "every question is of this kind"
    number = int(found[1])
    return f"Answer: {number + 1 if number != 1 or 'with care' in text else 99}"
