"""How many dev problems a student under training gets right: greedy generation in one batch, graded."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from stepdown.graders import load_grader
from stepdown.runner import plain
from stepdown.training.writing import Fit, answering, write_greedily
from stepdown.types import Grade, Problem


class DevSet(msgspec.Struct, frozen=True):
    """The dev problems: `prompts` are their tokens as evaluation asks them, `longest` the most tokens of an answer."""

    problems: tuple[Problem, ...]
    prompts: tuple[list[int], ...]
    longest: int

    def share(self, rank: int, size: int) -> "DevSet":
        """Return the part of one process of several; the parts have about as many problems, and prompts as long."""
        places = sorted(range(len(self.prompts)), key=lambda place: len(self.prompts[place]))[rank::size]
        return DevSet(
            tuple(self.problems[place] for place in places),
            tuple(self.prompts[place] for place in places),
            self.longest,
        )


def score_dev(dev: DevSet, model: Any, tokenizer: Any, *, fit: Fit | None = None) -> dict[str, int]:
    """Return how many dev problems are `right`, `graded` and in `total`; the model is left as it was.

    `fit`: where weights are split, all processes write the same batches, of as many rows as it says.
    """
    with answering(model):
        written = write_greedily(model, dev.prompts, longest=dev.longest, end=tokenizer.eos_token_id, fit=fit)
    return grade_dev(dev, written, tokenizer)


def grade_dev(dev: DevSet, written: Sequence[list[int]], tokenizer: Any) -> dict[str, int]:
    """Return how many dev problems are `right`, `graded` and in `total`, of the tokens written for each."""
    solutions: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True) if written else []
    verdicts = [grade.verdict for grade in plain(_grade(dev.problems, solutions))]
    graded = sum(verdict != "ungraded" for verdict in verdicts)
    return {"right": verdicts.count("right"), "graded": graded, "total": len(verdicts)}


async def _grade(problems: Sequence[Problem], solutions: Sequence[str]) -> list[Grade]:
    grader = load_grader()
    return await asyncio.gather(*(grader(*pair) for pair in zip(problems, solutions, strict=True)))
