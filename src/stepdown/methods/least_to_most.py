"""Least-to-most prompting (Zhou et al., ICLR 2023): split the question, then answer its parts in order.

The words are ours and zero-shot; the paper shows worked examples for each kind of task.
"""

import re

from stepdown.types import Ask, Method, Plan, Problem, Prompt

# A reply may list any number of lines; the paper's decompositions have two to five parts.
MOST_PARTS = 8
_ITEM = re.compile(r"(?:\d{1,2}[.):]|[-*•])\s+(?=\S)")


async def least_to_most(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for the simpler questions, answer each with the earlier answers at hand, then the question itself."""
    answered = ""
    for part in parts_of(await ask("student", Prompt("decompose", problem))):
        reply = await ask("student", Prompt("part", problem, values={"answered": answered, "part": part}))
        answered += f"Question: {part}\nAnswer: {reply.strip()}\n\n"
    return await ask("student", Prompt("solve", problem, values={"answered": answered}, final=True))


def parts_of(text: str) -> tuple[str, ...]:
    """Return the items of a list in a reply, each once; none where the reply holds no list."""
    lines = [line.strip() for line in text.splitlines()]
    items = [line[mark.end() :] for line in lines if (mark := _ITEM.match(line))]
    return tuple(dict.fromkeys(items))[:MOST_PARTS]


METHOD = Method(
    "least-to-most",
    least_to_most,
    prompts={
        "decompose": (
            "Problem:\n{question}\n\nWhich simpler questions have to be answered before the question of this problem"
            " can be? Write them as a short numbered list, in the order in which to answer them. Do not answer them."
        ),
        "part": (
            "Problem:\n{question}\n\n{answered}Now answer only this question, and write each calculation with its"
            " result: {part}"
        ),
        "solve": "{question}\n\n{answered}Use these answers and write each calculation with its result. {ending}",
    },
    aliases=("l2m", "ltm"),
    source="Zhou et al., ICLR 2023, arXiv 2205.10625",
    last_is_known=True,
)
