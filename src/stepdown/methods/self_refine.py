"""Self-refine (Madaan et al., NeurIPS 2023): answer, comment on the answer, and improve it by the comment.

The words are ours; the paper shows worked examples, and goes on for up to four rounds.
"""

from stepdown.types import Ask, Method, Plan, Problem, Prompt

ROUNDS = 2
DONE = "nothing to change"


async def self_refine(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for a solution, then for feedback on it and a better one, until the feedback finds nothing to change."""
    solution = await ask("student", Prompt("solve", problem))
    for turn in range(1, ROUNDS + 1):
        feedback = await ask("student", Prompt("feedback", problem, values={"solution": solution}))
        if DONE in feedback.casefold():
            break
        values = {"solution": solution, "feedback": feedback}
        solution = await ask("student", Prompt("refine", problem, values=values, final=turn == ROUNDS))
    return solution


METHOD = Method(
    "self-refine",
    self_refine,
    prompts={
        "solve": "{question}\n\nThink step by step and write each calculation with its result. {ending}",
        "feedback": (
            "Problem:\n{question}\n\nProposed solution:\n{solution}\n\nCheck this solution step by step. Name each"
            " step that is wrong or missing and say what to do instead; do not write a new solution. If every step is"
            ' right, reply with one line: "Nothing to change."'
        ),
        "refine": (
            "{question}\n\nAn earlier solution:\n{solution}\n\nFeedback on it:\n{feedback}\n\nWrite a better solution"
            " that takes the feedback into account, and write each calculation with its result. {ending}"
        ),
    },
    source="Madaan et al., NeurIPS 2023, arXiv 2303.17651",
)
