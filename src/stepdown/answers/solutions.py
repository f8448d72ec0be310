"""What solutions conclude, and the vote over several of them."""

from collections.abc import Sequence

from stepdown.answers.conclusions import Conclusion
from stepdown.answers.latex import boxed
from stepdown.answers.numbers_in_text import number, spelled
from stepdown.answers.readers import concluded, marked
from stepdown.answers.votes import Majority, majority_indices
from stepdown.types import Kind, Problem


def conclusion(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return what a text concludes, blind to any gold; `question` tells which of several numbers is asked for.

    What the text marks as its answer counts (a box, `####`, a tag, a field of JSON, an answer line), else its closing
    sentences. What follows where it begins another problem does not. Never raises, whatever the text; linear in its
    length.
    """
    return concluded(text, kind, choices, question)


def explicit(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return only what a text marks as its answer: a box, `####`, a tag, a field, `Answer:` or `The answer is`."""
    return marked(text, kind, choices, question)


def choice(text: str, choices: tuple[str, ...] = ()) -> str | None:
    """Return the letter (`A`, `B`...) of the choice a text concludes with, or None."""
    return conclusion(text, "choice", choices).found


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
    places = majority_indices(problem.kind, answers)
    return Majority(answers[places[0]], places[0], len(places)) if places else Majority()
