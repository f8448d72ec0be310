"""What did this text conclude? Numbers, LaTeX, choices and words, read without a look at the gold answer.

`conclusion` reads a solution, `same` compares two answers where that is cheap, `vote` is self-consistency
over several solutions, and `gold_number` and `gold_expression` read the worked solutions of GSM8K and MATH.
"""

from collections.abc import Sequence

import msgspec

from stepdown.answers.choices import choice_concluded, letter
from stepdown.answers.conclusions import Conclusion, expression_concluded, number_concluded
from stepdown.answers.equality import same_expression
from stepdown.answers.latex import boxed, canonical
from stepdown.answers.numbers import Number, number, spelled
from stepdown.answers.texts import final_line, plain_text, text_concluded
from stepdown.types import Kind, Problem

__all__ = [
    "Conclusion",
    "Majority",
    "Number",
    "boxed",
    "canonical",
    "choice",
    "conclusion",
    "explicit",
    "final_line",
    "gold_expression",
    "gold_number",
    "letter",
    "majority",
    "number",
    "plain_text",
    "same",
    "same_expression",
    "spelled",
    "vote",
]


class Majority(msgspec.Struct, frozen=True):
    """The answer most solutions conclude with, the place of the first that does, and how many do; none is 0 votes."""

    answer: str | None = None
    place: int | None = None
    votes: int = 0


def conclusion(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return what a text concludes, blind to any gold; `question` tells which of several numbers is asked for.

    Never raises, whatever the text; linear in its length.
    """
    if kind == "number":
        return number_concluded(text, question)
    if kind == "expression":
        return expression_concluded(text, question)
    if kind == "choice":
        return _choice(text, choices)
    span = text_concluded(text)
    return Conclusion(text[span[0] : span[1]], span, text[span[0] : span[1]][:80]) if span else Conclusion()


def explicit(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return only what a text marks as its answer: the last box, `####`, `Answer:` or `The answer is` line."""
    line, boxes = final_line(text), boxed(text)
    span = boxes[-1] if boxes and (line is None or boxes[-1][1] >= line[0]) else line
    if span is None:
        return Conclusion(how="no final answer line")
    found = conclusion(text[span[0] : span[1]], kind, choices, question=question)
    if found.where is None:
        return found
    return Conclusion(found.found, (span[0] + found.where[0], span[0] + found.where[1]), found.how)


def choice(text: str, choices: tuple[str, ...] = ()) -> str | None:
    """Return the letter (`A`, `B`...) of the choice a text concludes with, or None."""
    return _choice(text, choices).found


def gold_number(text: str) -> str | None:
    """Return GSM8K's gold: what follows the last `####`, as a plain number (`2125` for `#### 2,125`), or None."""
    value = number(text.rpartition("####")[2])
    return None if value is None else spelled(value)


def gold_expression(text: str) -> str | None:
    """Return MATH's gold: the last `\\boxed{...}` of a worked solution, as LaTeX, or None."""
    boxes = boxed(text)
    return text[boxes[-1][0] : boxes[-1][1]].strip() or None if boxes else None


def same(kind: Kind, one: str, other: str) -> bool | None:
    """Tell whether two answers are equal, or None where only a computer algebra system could say."""
    if kind == "number":
        values = number(one), number(other)
        return values[0] is not None and values[0] == values[1]
    if kind == "expression":
        return same_expression(one, other)
    if kind == "choice":
        return one.strip(" ().").casefold() == other.strip(" ().").casefold()
    return plain_text(one) == plain_text(other) != ""


def vote(problem: Problem, solutions: Sequence[str]) -> str | None:
    """Return the answer most solutions conclude with; ties go to the answer reached first, and junk never votes.

    Self-consistency (Wang et al. 2023) on normalised conclusions.
    """
    return majority(problem, solutions).answer


def majority(problem: Problem, solutions: Sequence[str]) -> Majority:
    """Return the answer that `vote` returns, with the first solution that concludes so and how many do."""
    groups: list[Majority] = []
    for place, solution in enumerate(solutions):
        found = conclusion(solution, problem.kind, problem.choices, question=problem.question).found
        if found is None:
            continue
        at = next((at for at, one in enumerate(groups) if same(problem.kind, one.answer or "", found)), len(groups))
        if at == len(groups):
            groups.append(Majority(found, place, 1))
        else:
            groups[at] = Majority(groups[at].answer, groups[at].place, groups[at].votes + 1)
    return max(groups, key=lambda group: group.votes, default=Majority())


def _choice(text: str, choices: tuple[str, ...]) -> Conclusion:
    pick = choice_concluded(text, choices)
    if pick is None:
        return Conclusion()
    return Conclusion(letter(pick.index), (pick.start, pick.end), text[pick.start : pick.end][:80])
