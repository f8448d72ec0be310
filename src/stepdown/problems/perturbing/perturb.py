"""A contrast set of any problems: numbers changed, names changed, or a sentence added that does not matter.

Contrast sets: Gardner et al. (2020), Findings of EMNLP, arXiv 2004.02709. Distractors: Shi et al. (2023), ICML, arXiv
2302.00093. Names and numbers: Mirzadeh et al. (2025), ICLR, arXiv 2410.05229.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.files import replacing
from stepdown.problems.perturbing.distractors import with_distractor
from stepdown.problems.perturbing.names import changed_names
from stepdown.problems.perturbing.numbers import changed_numbers
from stepdown.problems.wordsums.generator import NAMES, Draw
from stepdown.types import Problem

CHANGES = {
    "numbers": "other numbers, and the answer that the worked solution then gives",
    "names": "other people; the answer stays",
    "distractor": "one sentence more, about something else; the answer stays",
}

# Longer runs of digits cannot be read as numbers, or take too long.
_ENDLESS = re.compile(r"[\d,.]{200}")


class Perturbed(msgspec.Struct, frozen=True):
    """The problems that were changed, each with its original's id, and how many were left out, by reason."""

    change: str
    problems: tuple[Problem, ...]
    left_out: dict[str, int]


def perturb(problems: Iterable[Problem], change: str, *, seed: int = 0) -> Perturbed:
    """Return a perturbed copy of problems: each changed, or left out where it is not certain what the answer would be.

    The same problem, change and seed give the same text wherever it stands. Raises `UnknownName`.
    """
    if change not in CHANGES:
        raise UnknownName("change", change, CHANGES)
    changed: list[Problem] = []
    left_out: Counter[str] = Counter()
    for problem in problems:
        new = _changed(problem, change, seed)
        if isinstance(new, str):
            left_out[new] += 1
        else:
            changed.append(new)
    return Perturbed(change, tuple(changed), dict(left_out.most_common()))


def _changed(problem: Problem, change: str, seed: int) -> Problem | str:
    texts = (problem.question, *problem.choices, problem.answer, problem.solution)
    if any(map(_ENDLESS.search, texts)):
        return "a number of hundreds of digits"
    return _CHANGERS[change](problem, Draw("perturbed", change, seed, problem.question))


def _numbers(problem: Problem, draw: Draw) -> Problem | str:
    return changed_numbers(problem, draw, generated=problem.id.partition("/")[0] in NAMES)


_CHANGERS: dict[str, Callable[[Problem, Draw], Problem | str]] = {
    "numbers": _numbers,
    "names": changed_names,
    "distractor": with_distractor,
}


def write_perturbed(perturbed: Perturbed, out: Path, *, dataset: str, force: bool = False) -> None:
    """Write changed problems as a .jsonl file that `run` reads, with ids by which they pair with the originals.

    Raises `UsageError` where nothing is left, or the file is there.
    """
    if out.suffix.lower() != ".jsonl":
        raise UsageError(f"`{out}` would be read by its ending, and lines of JSON are written", "call it ....jsonl")
    if not perturbed.problems:
        why = "; ".join(f"{reason}: {count:,}" for reason, count in perturbed.left_out.items())
        raise UsageError(f"no problem of `{dataset}` can be changed so ({why})", "choose another --change")
    with replacing(out, force) as part, part.open("wb") as file:
        for problem in perturbed.problems:
            row: dict[str, object] = {"id": problem.id.removeprefix(f"{dataset}/"), "question": problem.question}
            row |= {"answer": problem.answer} | ({"choices": list(problem.choices)} if problem.choices else {})
            file.write(msgspec.json.encode(row) + b"\n")
