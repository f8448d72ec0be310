"""Mending: a teacher takes a student's wrong attempt over from its first wrong step, and goes on to the end.

After UNDO (arXiv 2504.02521) and other work in which a teacher corrects what the student itself wrote; the words are
ours. The chain is the student's lines before the one that the teacher names, then the teacher's. A reply that names
none is a chain by itself. It is no method to run by: each task of `sample --mending` has one of its own.
"""

import re
from collections.abc import Iterable

import msgspec

from stepdown.types import Ask, Method, Plan, Problem, Prompt, fingerprint

# What a teacher is shown of an attempt that ran on and on.
MOST_LINES, LONGEST = 60, 6_000
_NAMED = re.compile(r"\W{0,8}(?:first\s+)?(?:wrong\s+)?line\W{1,8}(\d{1,3})\b[^\n]{0,200}(?:\n|\Z)", re.IGNORECASE)
# Counted up when replies are read otherwise, so that a run's solutions are all read in one way.
_READING = 2
# A small teacher puts a heading between that line and the solution: no part of what a student is to learn.
_HEADING = re.compile(r"[\s*_#]{0,8}(?:the )?(?:correct(?:ed)? |right )?solution[*_]{0,3}:[*_]{0,3}", re.IGNORECASE)
WORDS = {
    "mend": (
        "Problem:\n{question}\n\nA student's solution, with its lines numbered:\n{attempt}\n\nIts answer is wrong. Find"
        " the first line that is wrong. On your first line write `Line: ` and its number. Then write the solution from"
        " that line on as it should be, as if the student went on: each calculation with its result, no numbers of"
        " lines and no word of the mistake. {ending}"
    )
}


class WrongAttempt(msgspec.Struct, frozen=True):
    """What a student wrote for a problem, whose answer is wrong; `run` and `sample` say where it stands."""

    problem: Problem
    text: str
    student: str
    run: str = ""
    sample: int = 0

    @property
    def numbered(self) -> str:
        """Its lines with numbers, as a teacher is shown them."""
        lines = (line for line in self.text[:LONGEST].splitlines() if line.strip())
        return "\n".join(f"{number}. {line}" for number, line in zip(range(1, MOST_LINES + 1), lines, strict=False))

    def before(self, number: int) -> str:
        """Return the text before its line of this number, from 1; all lines count that are not blank."""
        met, length = 0, 0
        for line in self.text[:LONGEST].splitlines(keepends=True):
            met += bool(line.strip())
            if met == number:
                return self.text[:length]
            length += len(line)
        return ""


def mended(attempt: WrongAttempt, reply: str) -> tuple[str, str]:
    """Return what is kept of an attempt, and what its teacher wrote from there on."""
    named = _NAMED.match(reply.lstrip())
    if named is None:
        return "", reply.strip()
    rest = reply.lstrip()[named.end() :]
    heading = _HEADING.match(rest)
    return attempt.before(int(named[1])), rest[heading.end() if heading else 0 :].strip()


def mending(attempts: Iterable[WrongAttempt]) -> Method:
    """Return the method that mends these attempts, one for each problem; what they say is part of a run's identity."""
    texts = {attempt.problem.id: attempt for attempt in attempts}

    async def mend(problem: Problem, plan: Plan | None, ask: Ask) -> str:
        attempt = texts[problem.id]
        prompt = Prompt("mend", problem, values={"attempt": attempt.numbered}, final=True)
        return "".join(mended(attempt, await ask("student", prompt)))

    version = fingerprint([_READING, *((attempt.problem.id, attempt.text) for attempt in texts.values())])[:12]
    return Method("mending", mend, version=version, prompts=WORDS)
