"""What did this text conclude? Numbers, LaTeX, choices and words, read without a look at the gold answer.

`conclusion` reads a solution, `same` compares two answers where that is cheap, `vote` is self-consistency
over several solutions, and `gold_number` and `gold_expression` read the worked solutions of GSM8K and MATH.
"""

from collections.abc import Sequence

from stepdown.answers.choices import choice_concluded, letter
from stepdown.answers.conclusions import Conclusion, expression_concluded, number_concluded
from stepdown.answers.equality import same_expression
from stepdown.answers.latex import boxed, canonical
from stepdown.answers.numbers import Number, number, spelled
from stepdown.answers.sameness import same
from stepdown.answers.texts import final_line, plain_text, text_concluded
from stepdown.answers.votes import Majority, elected, groups
from stepdown.types import Kind, Problem

__all__ = [
    "Conclusion",
    "Majority",
    "Number",
    "boxed",
    "canonical",
    "choice",
    "conclusion",
    "elected",
    "explicit",
    "final_line",
    "gold_expression",
    "gold_number",
    "groups",
    "letter",
    "majority",
    "number",
    "plain_text",
    "same",
    "same_expression",
    "spelled",
    "vote",
]


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


def vote(problem: Problem, solutions: Sequence[str | None]) -> str | None:
    """Return the answer most solutions conclude with; ties go to the answer reached first, and junk never votes.

    Self-consistency (Wang et al. 2023) on answers that are equal. None stands for a solution that has no vote, such as
    one that was cut.
    """
    return majority(problem, solutions).answer


def majority(problem: Problem, solutions: Sequence[str | None]) -> Majority:
    """Return the answer that `vote` returns, with the first solution that concludes so and how many do."""
    answers = [
        None
        if solution is None
        else conclusion(solution, problem.kind, problem.choices, question=problem.question).found
        for solution in solutions
    ]
    places = elected(problem.kind, answers)
    return Majority(answers[places[0]], places[0], len(places)) if places else Majority()


def _choice(text: str, choices: tuple[str, ...]) -> Conclusion:
    pick = choice_concluded(text, choices)
    if pick is None:
        return Conclusion()
    return Conclusion(letter(pick.index), (pick.start, pick.end), text[pick.start : pick.end][:80])
