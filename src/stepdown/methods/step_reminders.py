"""Step reminders: trace-of-thought in which the student is reminded of every step, by number, after the plan."""

from stepdown.alignment import plan_steps
from stepdown.methods.trace_of_thought import METHOD as PLANNED
from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def step_reminders(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Have the student solve by the plan, and say behind it how many steps there are and by which lines to begin."""
    steps = plan_steps(plan.text) if plan else ()
    marks = ", ".join(f"Step {step.number}:" for step in steps)
    return await ask("student", Prompt("solve", problem, plan, {"marks": marks, "count": str(len(steps))}, True))


METHOD = Method(
    "step-reminders",
    step_reminders,
    plan=PLANNED.plan,
    prompts={
        "plan": PLANNED.prompts["plan"],
        "solve": (
            "{question}\n\nFollow this plan step by step:\n{steps}\n\nCarry out the steps in order and write each"
            " calculation with its result. Remember that the plan has {count} steps: begin a line with each of {marks}"
            " Leave out no step, and use the result of each in the next. {ending}"
        ),
    },
    roles=PLANNED.roles,
    aliases=("reminders",),
    source="stepdown's own",
    last_is_known=True,
)
