"""Speculative thinking (Yang et al. 2025): the student solves, the teacher takes over where it reflects.

The teacher writes the paragraph in which the student would check itself, and the student goes on after it. The
authors' code does this while tokens are decoded, at each blank line that such a word follows; of a student that does
not reason at every blank line. Over text alone we ask for the whole solution, cut it before the first paragraph that
reflects (or of a student that never does, after its first), ask the teacher for one paragraph and the student for the
rest, twice at most. So what is cut away is paid for, which the authors' code spares.
Source: https://github.com/uservan/speculative_thinking
"""

import re

from stepdown.types import Ask, Method, Plan, Problem, Prompt

ROUNDS = 2
# The authors' code lets the larger model write 20 to 125 tokens at a time.
PARAGRAPH = 125
# The words of the authors' settings, and those that models of today begin such a paragraph with.
_REFLECTS = re.compile(
    r"\b(?:wait|hold on|alternatively|another|verify|think again|recap|check|hmm|however)\b", re.IGNORECASE
)
_BEGINNING = 80
_BLANK = re.compile(r"\n[ \t]*\n\s*")


async def speculative_thinking(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask the student for a solution, the teacher where it would reflect, and the student for the rest."""
    written, rest = "", await ask("student", Prompt("solve", problem))
    for turn in range(ROUNDS):
        kept = before_reflection(rest, always=turn == 0)
        if not kept:
            break
        written += kept + "\n\n"
        thought = await ask("teacher", Prompt("reflect", problem, values={"written": written}, limit=PARAGRAPH))
        written += _BLANK.split(thought.strip())[0] + "\n\n"
        rest = await ask("student", Prompt("go-on", problem, values={"written": written}))
    return written + rest


def before_reflection(text: str, *, always: bool) -> str:
    """Return the paragraphs before the first that reflects; else the first of several if `always`, or nothing."""
    paragraphs = _BLANK.split(text.strip())
    later = range(1, len(paragraphs))
    place = next((one for one in later if _REFLECTS.search(paragraphs[one][:_BEGINNING])), None)
    if place is None:
        place = 1 if always and len(paragraphs) > 1 else 0
    return "\n\n".join(paragraphs[:place])


METHOD = Method(
    "speculative-thinking",
    speculative_thinking,
    prompts={
        "solve": "{question}\n\nThink step by step and write each calculation with its result. {ending}",
        "reflect": (
            "Problem:\n{question}\n\nA student's solution so far:\n{written}Write the next paragraph of it: check what"
            " is written, say what is wrong and correct it, or say how to go on. Write one short paragraph and do not"
            " finish the solution."
        ),
        "go-on": (
            "{question}\n\nThis much of the solution is written:\n\n{written}Go on from there without repeating it, and"
            " write each calculation with its result. {ending}"
        ),
    },
    roles={"reflect": "teacher"},
    source="Yang et al. 2025, arXiv 2504.12329",
)
