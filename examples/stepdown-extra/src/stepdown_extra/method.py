"""A method: have the question said in other words first, then solved."""

from stepdown import Ask, Method, Plan, Problem, Prompt


async def restate(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for the question in other words, then for its solution with both before the eyes."""
    words = await ask("student", Prompt("restate", problem))
    return await ask("student", Prompt("solve", problem, values={"restated": words.strip()}, final=True))


METHOD = Method(
    "restate",
    restate,
    prompts={
        "restate": "Say this question in other words. Do not answer it.\n\n{question}",
        "solve": "{question}\n\nIn other words: {restated}\n\n{ending}",
    },
    source="after Deng et al. 2023, arXiv 2311.04205",
)
