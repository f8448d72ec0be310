"""Direct prompting: the question as it is."""

from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def direct(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask the question as it is."""
    return await ask("student", Prompt("solve", problem, final=True))


METHOD = Method("direct", direct, prompts={"solve": "{question}\n\n{ending}"}, last_is_known=True)
