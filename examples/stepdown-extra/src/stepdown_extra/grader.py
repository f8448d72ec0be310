"""A grader: right is a solution whose last line is the gold and nothing else."""

from stepdown import Grade, Problem


def last_line(problem: Problem, solution: str) -> Grade:
    """Compare the last line with the gold, letter by letter."""
    found = (solution.strip().splitlines() or [""])[-1].removeprefix("Answer:").strip()
    return Grade("right" if found == problem.answer else "wrong", found, "the last line, compared letter by letter")
