"""Taking turns (COPE, Lee et al. 2025): student and teacher plan and solve in stages, and votes decide who is next.

The student plans and solves five times; where too few of its answers agree, the teacher plans and the student solves by
that plan; where too few agree again, the teacher solves by its plan. What we do otherwise or could not check: the words
are those of trace-of-thought, which forbid a plan to hold results; four votes of five go on where the paper tunes a
threshold; of its text only abstract and summaries could be read, so its order of the third stage may be another.
"""

from stepdown.answers import majority
from stepdown.methods.draws import drawn
from stepdown.methods.trace_of_thought import METHOD as TRACE_OF_THOUGHT
from stepdown.types import Ask, Method, Plan, Problem, Prompt, Role

AGREED = 4
_PLANNERS: tuple[tuple[Role, str], ...] = (("student", "own-plan"), ("teacher", "plan"))


async def taking_turns(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Have the student solve by its own plan, then by the teacher's, then the teacher, until enough answers agree."""
    for planner, words in _PLANNERS:
        plan = Plan(await ask(planner, Prompt(words, problem)), author=planner)
        solutions = await drawn(ask, "student", Prompt("solve", problem, plan))
        found = majority(problem, solutions)
        if found.index is not None and found.votes >= AGREED:
            return solutions[found.index]
    return await ask("teacher", Prompt("finish", problem, plan))


METHOD = Method(
    "taking-turns",
    taking_turns,
    prompts={
        "own-plan": TRACE_OF_THOUGHT.prompts["plan"],
        "plan": TRACE_OF_THOUGHT.prompts["plan"],
        "solve": TRACE_OF_THOUGHT.prompts["solve"],
        "finish": TRACE_OF_THOUGHT.prompts["solve"],
    },
    roles={"plan": "teacher", "finish": "teacher"},
    aliases=("cope",),
    source="Lee et al. 2025, arXiv 2506.11578",
)
