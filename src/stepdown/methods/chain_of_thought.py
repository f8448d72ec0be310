"""Zero-shot chain of thought (Kojima et al., NeurIPS 2022): think step by step."""

from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def chain_of_thought(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for step-by-step thinking."""
    return await ask("student", Prompt("solve", problem, final=True))


METHOD = Method(
    "chain-of-thought",
    chain_of_thought,
    prompts={"solve": "{question}\n\nThink step by step and write each calculation with its result. {ending}"},
    aliases=("cot", "zero-shot-cot"),
    source="Kojima et al., NeurIPS 2022, arXiv 2205.11916",
    last_is_known=True,
)
