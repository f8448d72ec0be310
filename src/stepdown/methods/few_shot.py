"""Few-shot chain of thought (Wei et al., NeurIPS 2022): worked examples first.

It is how SCoTD's teacher writes chains (Li et al., ACL 2023, section 2, step 1).
"""

from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def few_shot(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask after some worked examples, which the run's prompt set has."""
    return await ask("student", Prompt("solve", problem, final=True))


METHOD = Method(
    "few-shot",
    few_shot,
    prompts={"solve": "{question}"},
    shows_examples=True,
    aliases=("few-shot-cot",),
    source="Wei et al., NeurIPS 2022, arXiv 2201.11903",
    last_is_known=True,
)
