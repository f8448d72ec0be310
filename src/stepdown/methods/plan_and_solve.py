"""Plan-and-solve prompting (Wang et al., ACL 2023): a plan and its execution in one reply."""

from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def plan_and_solve(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for a plan and for carrying it out, in one reply."""
    return await ask("student", Prompt("solve", problem, final=True))


METHOD = Method(
    "plan-and-solve",
    plan_and_solve,
    prompts={
        "solve": (
            "{question}\n\nFirst understand the problem and make a short plan. Then carry out the plan step by step"
            " and write each calculation with its result. {ending}"
        )
    },
    aliases=("pas", "ps"),
    source="Wang et al., ACL 2023, arXiv 2305.04091",
    last_is_known=True,
)
