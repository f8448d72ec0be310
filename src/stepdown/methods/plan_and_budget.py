"""Plan-and-budget (Lin et al., ICLR 2026): a teacher splits the question and rates its parts, each gets so many tokens.

As in the authors' code, the parts stand in one prompt, each with what may be spent on it: its credit times a polynomial
decay over the parts, (parts - place)^2. What we do otherwise: credits come with the parts in one reply instead of a
second one in JSON with examples by level; all problems have the same budget, where theirs goes by the level of
difficulty; and the reply is held to it, where theirs is only told. Source: https://github.com/junhongmit/P-and-B
"""

import re

from stepdown.types import Ask, Method, Plan, Problem, Prompt

# Tokens for all parts together, and for the closing line.
BUDGET, CLOSING = 320, 64
MOST_PARTS = 5
_CREDIT = re.compile(r"\(?\b(\d{1,3})\s*(?:points?|pts?|credits?)\b\)?", re.IGNORECASE)


async def plan_and_budget(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Have the student answer the parts in one reply, told how many words each may take and held to the sum."""
    parts = plan.steps[:MOST_PARTS] if plan else ()
    listed = "\n".join(
        f"{number}. {part} (Use up to {words_of(tokens)} words.)"
        for number, (part, tokens) in enumerate(budgets(parts), 1)
    )
    prompt = Prompt("solve", problem, values={"parts": listed}, limit=BUDGET + CLOSING, final=True)
    return await ask("student", prompt)


async def split(problem: Problem, ask: Ask) -> str:
    """Have the teacher write the parts with their credits."""
    return await ask("teacher", Prompt("plan", problem))


def budgets(parts: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return the parts without their credits, each with its tokens; a part without a credit has the same as others."""
    found = [_CREDIT.search(part) for part in parts]
    credits = [int(one[1]) if one else 100 // len(parts) for one in found]
    weights = [max(1, credit) * (len(parts) - place) ** 2 for place, credit in enumerate(credits)]
    bare = [_CREDIT.sub("", part, count=1).strip() for part in parts]
    return [(part, BUDGET * weight // sum(weights)) for part, weight in zip(bare, weights, strict=True)]


def words_of(tokens: int) -> int:
    """Return how many words so many tokens are about: three for four."""
    return max(1, tokens * 3 // 4)


METHOD = Method(
    "plan-and-budget",
    plan_and_budget,
    plan=split,
    prompts={
        "plan": (
            "Problem:\n{question}\n\nBreak this problem down for a student into 2 to 5 simpler questions, each of"
            " which builds on those before it. Write a numbered list. After each question write in brackets how many of"
            " 100 points it is worth by its difficulty, such as (40 points). Do not answer them and do not write any"
            " result."
        ),
        "solve": (
            "{question}\n\nYou may follow these questions; think only a little about each:\n{parts}\n\nWrite each"
            " calculation with its result. {ending}"
        ),
    },
    roles={"plan": "teacher"},
    aliases=("pab",),
    source="Lin et al., ICLR 2026, arXiv 2505.16122",
    last_is_known=True,
)
