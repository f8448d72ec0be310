"""The ways of solving, each a few lines: who is asked what, in which order."""

from stepdown.errors import UnknownName
from stepdown.types import Ask, Method, Plan, Problem, Prompt, fingerprint
from stepdown.usercode import code_of, name_of


async def direct(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask the question as it is."""
    return await ask("student", Prompt("direct", problem))


async def chain_of_thought(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for step-by-step thinking (zero-shot; Kojima et al. 2022)."""
    return await ask("student", Prompt("chain-of-thought", problem))


async def few_shot(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask after some worked examples (Wei et al. 2022): how SCoTD's teacher writes chains (section 2, step 1)."""
    return await ask("student", Prompt("few-shot", problem))


async def plan_and_solve(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for a plan and its execution in one reply (Wang et al., ACL 2023)."""
    return await ask("student", Prompt("plan-and-solve", problem))


async def trace_of_thought(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Have the student solve by the plan (McDonald & Emami, ACL SRW 2024, section 3)."""
    return await ask("student", Prompt("follow", problem, plan))


async def delegate(problem: Problem, ask: Ask) -> str:
    """Have the teacher write the plan without solving (the same paper's delegation step)."""
    return await ask("teacher", Prompt("delegate", problem))


METHODS = {
    method.name: method
    for method in (
        Method("direct", direct),
        Method("chain-of-thought", chain_of_thought),
        Method("few-shot", few_shot),
        Method("plan-and-solve", plan_and_solve),
        Method("trace-of-thought", trace_of_thought, plan=delegate),
    )
}


# Ways of solving whose one reply of the student's is the solution, so that it may be shown as it is written.
ASKS_ONCE = frozenset(method.solve for method in METHODS.values())

# The methods of the paper's table; few-shot needs demonstrations, so it is compared only where it is asked for.
COMPARED = ("direct", "chain-of-thought", "plan-and-solve", "trace-of-thought")


# What papers and people call them for short.
SHORT = {
    "cot": "chain-of-thought",
    "zero-shot-cot": "chain-of-thought",
    "few-shot-cot": "few-shot",
    "pas": "plan-and-solve",
    "ps": "plan-and-solve",
    "tot": "trace-of-thought",
}


def code_of_method(method: Method) -> str:
    """Return what stands for a method's code in a run's identity: of ours the version, which is empty at first."""
    if METHODS.get(method.name) == method and not code_of(method.solve, method.plan):
        return method.version
    return method.version or code_of(method.solve, method.plan) or fingerprint(_names(method))[:8]


def _names(method: Method) -> list[str]:
    """Return the names of functions of ours that are put together otherwise than we do."""
    return [name_of(one) for one in (method.solve, method.plan) if one is not None]


def load_method(name: str) -> Method:
    """Return a method by its name, or by what it is called for short (`cot`, `pas`, `tot`). Raises `UnknownName`."""
    plain = name.strip().casefold().replace("_", "-").replace(" ", "-")
    full = SHORT.get(plain, plain)
    if full not in METHODS:
        raise UnknownName("method", name, [*METHODS, *SHORT, "all"])
    return METHODS[full]
