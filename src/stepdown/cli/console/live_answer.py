"""A plan and its solution shown while they are written."""

import sys
from collections.abc import Callable, Sequence

from stepdown.answers import conclusion, explicit
from stepdown.cli.console.terminal import end_line, painted, say, show, write_piece
from stepdown.runner import Delta
from stepdown.text import clean
from stepdown.types import Problem, Role, Trace

_INDENT = "  "
_LONGEST = 200
_WORDS: dict[Role, str] = {"teacher": "plan", "student": "solution"}


class LiveAnswer:
    """Writes a plan, its lines indented, and then the solution, each under its title, as their text comes.

    `names` says who writes for a role; it is asked once there is text of that role.
    """

    def __init__(self, names: Callable[[Role], str]) -> None:
        self.names = names
        self.role: Role | None = None
        self._begun = self._line_begun = False

    def add(self, delta: Delta) -> None:
        """Show more text of one of the roles."""
        text = clean(delta.text)
        if text and delta.role != self.role:
            self.end()
            self.title(delta.role)
        # Blank lines in front say nothing, and come in pieces of their own.
        text = text if self._begun else text.lstrip()
        if not text:
            return
        self._begun = True
        write_piece(_indented(text, begun=self._line_begun) if self.role == "teacher" else text)
        self._line_begun = not text.endswith("\n")

    def title(self, role: Role) -> None:
        """Begin the text of a role."""
        if self.role is not None:
            write_piece("\n")
        self.role, self._begun, self._line_begun = role, False, False
        write_piece(painted(f"{_WORDS.get(role, role)} ({clean(self.names(role))}):", "1", sys.stdout) + "\n")

    def end(self) -> None:
        """End the line that is begun."""
        end_line()
        self._line_begun = False


def _indented(text: str, *, begun: bool) -> str:
    """Return the text with each line indented, its first one not where that was `begun` before."""
    lines = text.split("\n")
    first = lines[0] if begun or not lines[0] else _INDENT + lines[0]
    return "\n".join([first, *(_INDENT + line if line else line for line in lines[1:])])


def answer_in(problem: Problem, solution: str) -> str:
    """Return what a solution of a question without gold concludes, "" where that is not said or not a short line."""
    if problem.choices:
        found = conclusion(solution, "choice", problem.choices, question=problem.question).found
    else:
        found = explicit(solution, "text", question=problem.question).found
        if found is None and any(character.isdigit() for character in problem.question):
            found = conclusion(solution, "number", question=problem.question).found
    line = (found or "").strip()
    return line if line.isprintable() and len(line) <= _LONGEST else ""


def show_answer(problem: Problem, trace: Trace, *, ending: str) -> None:
    """Write what was concluded; of a solution that is not known to be whole, why that is."""
    if ending:
        say("", f"the solution: {ending}")
    if trace.ending not in {"length", "filter"} and (answer := answer_in(problem, trace.solution or "")):
        show("", f"answer: {answer}")


def numbered(steps: Sequence[str]) -> list[str]:
    """Return a plan's steps as they are shown, numbered."""
    return [f"{_INDENT}{number}. {step}" for number, step in enumerate(steps, 1)]
