"""Trace-of-thought prompting (McDonald & Emami, ACL SRW 2024): a teacher plans, the student solves by the plan."""

from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def trace_of_thought(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Have the student solve by the plan (section 3 of the paper)."""
    return await ask("student", Prompt("solve", problem, plan, final=True))


async def delegate(problem: Problem, ask: Ask) -> str:
    """Have the teacher write the plan without solving (the paper's delegation step)."""
    return await ask("teacher", Prompt("plan", problem))


METHOD = Method(
    "trace-of-thought",
    trace_of_thought,
    plan=delegate,
    prompts={
        "plan": (
            "Problem:\n{question}\n\nWrite a plan for a student who will solve this problem: a short numbered list of"
            " steps. Each step says in words which quantities of the problem to add, subtract, multiply or divide."
            " Leave out facts that do not matter. Do not calculate anything and do not write any result."
        ),
        "solve": (
            "{question}\n\nFollow this plan step by step:\n{steps}\n\nCarry out the steps in order and write each"
            " calculation with its result. {ending}"
        ),
    },
    roles={"plan": "teacher"},
    aliases=("tot",),
    source="McDonald & Emami, ACL SRW 2024",
    last_is_known=True,
)
