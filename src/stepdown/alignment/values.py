"""What a plan and a solution lined up are: steps with what became of them, and parts with the step they follow."""

from typing import Literal

import msgspec

from stepdown.alignment.aligning import Kind
from stepdown.alignment.plan_steps import PlanStep

StepStatus = Literal["done", "changed", "repeated", "skipped"]


class SolutionPart(msgspec.Struct, frozen=True):
    """A part of the solution from `start` to before `end`, in characters, and the place of the step it follows.

    Without a step it is the `answer`, `talk` around the work, or `added`: work that no step asks for.
    """

    start: int
    end: int
    step: int | None
    kind: Kind


class StepFollowed(msgspec.Struct, frozen=True):
    """A step and what became of it; `parts` are places in the alignment's parts, `why` says what the status rests on.

    `changed`: a part stands in its place but does otherwise; `repeated`: its words are there and nothing is worked out.
    """

    step: PlanStep
    status: StepStatus
    parts: tuple[int, ...] = ()
    why: str = ""


class Alignment(msgspec.Struct, frozen=True):
    """Steps in the plan's order and parts in the solution's, each part with at most one step."""

    steps: tuple[StepFollowed, ...]
    parts: tuple[SolutionPart, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many steps are done, changed, repeated and skipped, and how many parts are added."""
        statuses = [one.status for one in self.steps]
        known: tuple[StepStatus, ...] = ("done", "changed", "repeated", "skipped")
        return {one: statuses.count(one) for one in known} | {"added": sum(one.kind == "added" for one in self.parts)}
