"""Methods: ways of solving, one file each, with the words, roles and needs that make it that method."""

import sys

from stepdown.errors import UnknownName, UsageError
from stepdown.methods.best_of_n import METHOD as BEST_OF_N
from stepdown.methods.chain_of_thought import METHOD as CHAIN_OF_THOUGHT
from stepdown.methods.direct import METHOD as DIRECT
from stepdown.methods.few_shot import METHOD as FEW_SHOT
from stepdown.methods.least_to_most import METHOD as LEAST_TO_MOST
from stepdown.methods.mending import WrongAttempt, mended, mending
from stepdown.methods.one_step_at_a_time import METHOD as ONE_STEP_AT_A_TIME
from stepdown.methods.plan_and_budget import METHOD as PLAN_AND_BUDGET
from stepdown.methods.plan_and_solve import METHOD as PLAN_AND_SOLVE
from stepdown.methods.self_refine import METHOD as SELF_REFINE
from stepdown.methods.speculative_thinking import METHOD as SPECULATIVE_THINKING
from stepdown.methods.step_reminders import METHOD as STEP_REMINDERS
from stepdown.methods.taking_turns import METHOD as TAKING_TURNS
from stepdown.methods.trace_of_thought import METHOD as TRACE_OF_THOUGHT
from stepdown.plugins import Found, find, names
from stepdown.types import Method, fingerprint
from stepdown.usercode import code_of, name_of

__all__ = [
    "BEST_OF_N",
    "CHAIN_OF_THOUGHT",
    "COMPARED",
    "DIRECT",
    "FEW_SHOT",
    "LEAST_TO_MOST",
    "METHODS",
    "ONE_STEP_AT_A_TIME",
    "PLAN_AND_BUDGET",
    "PLAN_AND_SOLVE",
    "SELF_REFINE",
    "SPECULATIVE_THINKING",
    "STEP_REMINDERS",
    "TAKING_TURNS",
    "TRACE_OF_THOUGHT",
    "WrongAttempt",
    "as_method",
    "code_of_method",
    "load_method",
    "mended",
    "mending",
    "summary_of",
]

METHODS = {
    method.name: method
    for method in (
        DIRECT,
        CHAIN_OF_THOUGHT,
        FEW_SHOT,
        PLAN_AND_SOLVE,
        TRACE_OF_THOUGHT,
        LEAST_TO_MOST,
        SELF_REFINE,
        TAKING_TURNS,
        PLAN_AND_BUDGET,
        SPECULATIVE_THINKING,
        BEST_OF_N,
        STEP_REMINDERS,
        ONE_STEP_AT_A_TIME,
    )
}

# `all`: the methods of the paper's table.
COMPARED = tuple(method.name for method in (DIRECT, CHAIN_OF_THOUGHT, PLAN_AND_SOLVE, TRACE_OF_THOUGHT))

_ALIASES = {alias: method.name for method in METHODS.values() for alias in method.aliases}


def load_method(name: str, *, code: bool = False) -> Method:
    """Return a method by its name or one of its aliases (`cot`, `pas`, `tot`).

    With `code` also a plugin's or one of a file's (`my.py:solve`), which runs that code: never for a name from
    elsewhere. Raises `UnknownName`, `UsageError`.
    """
    plain = name.strip().casefold().replace("_", "-").replace(" ", "-")
    full = _ALIASES.get(plain, plain)
    if full in METHODS:
        return METHODS[full]
    found = find("methods", name) if code else None
    if found is None:
        raise UnknownName("method", name, [*METHODS, *_ALIASES, "all", *(names("methods") if code else ())])
    return as_method(found)


def as_method(found: Found) -> Method:
    """Return a user's object as a method: a `Method`, or a function `solve(problem, plan, ask)` under its name."""
    value = found.value
    if not isinstance(value, Method) and (isinstance(value, type) or not callable(value)):
        raise found.refused("a `stepdown.Method` or an async function of a problem, a plan and `ask`")
    method = value if isinstance(value, Method) else Method(found.name.replace("_", "-"), value)
    if method.name in METHODS:
        raise UsageError(f"`{method.name}` is a method of stepdown's own", "give yours another name")
    return method


def summary_of(name: str) -> str:
    """Return in a sentence what one of our methods does, and who described it."""
    method = METHODS[name]
    # Each file begins with the method's name and what it does.
    sentence = (sys.modules[method.solve.__module__].__doc__ or "").partition("\n")[0].partition(": ")[2]
    return f"{sentence[:1].upper()}{sentence[1:]} {method.source}{'.' * bool(method.source)}".strip()


def code_of_method(method: Method) -> str:
    """Return what stands for a method's code in a run's identity: of ours the version, which is empty at first."""
    if METHODS.get(method.name) == method and not code_of(method.solve, method.plan):
        return method.version
    return method.version or code_of(method.solve, method.plan) or fingerprint(_names(method))[:8]


def _names(method: Method) -> list[str]:
    """Return the names of functions of ours that are put together otherwise than we do."""
    return [name_of(one) for one in (method.solve, method.plan) if one is not None]
