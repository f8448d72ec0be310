"""One step at a time: trace-of-thought in which the student is asked for one step of the plan in each call."""

from stepdown.alignment import plan_steps
from stepdown.methods.trace_of_thought import METHOD as PLANNED
from stepdown.types import Ask, Method, Plan, Problem, Prompt

# A plan may have any number of lines; 1,581 of 1,600 released plans have at most twelve steps.
MOST_STEPS = 12


async def one_step_at_a_time(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for each step with the earlier ones at hand, then for the answer; the solution is all of it."""
    done = ""
    for step in plan_steps(plan.text)[:MOST_STEPS] if plan else ():
        values = {"done": done, "number": str(step.number), "step": step.text}
        reply = await ask("student", Prompt("step", problem, plan, values))
        done += f"Step {step.number}: {reply.strip()}\n\n"
    # Not `final`: the last reply alone is no solution, and would be all that is streamed.
    return done + await ask("student", Prompt("solve", problem, plan, {"done": done}))


METHOD = Method(
    "one-step-at-a-time",
    one_step_at_a_time,
    plan=PLANNED.plan,
    prompts={
        "plan": PLANNED.prompts["plan"],
        "step": (
            "{question}\n\nThe plan:\n{steps}\n\n{done}Carry out step {number} of the plan and stop there. Write its"
            " numbers, the calculation and its result. Step {number}: {step}"
        ),
        "solve": "{question}\n\n{done}All steps of the plan are done, and the last result is the answer. {ending}",
    },
    roles=PLANNED.roles,
    aliases=("stepwise",),
    source="stepdown's own",
)
