"""Best of n: the student solves five times, and the answer that most of its solutions give is taken.

It is self-consistency within one attempt, on the words of chain-of-thought. Best-of-n elsewhere takes the draw that a
trained verifier likes best (Cobbe et al. 2021, arXiv 2110.14168); here nobody but the student itself is asked. A run
that is greedy otherwise draws at temperature 0.7, as the source does. A draw that was cut votes as it reads.
"""

from stepdown.answers import majority
from stepdown.methods.chain_of_thought import METHOD as CHAIN_OF_THOUGHT
from stepdown.methods.draws import drawn
from stepdown.types import Ask, Method, Plan, Problem, Prompt


async def best_of_n(problem: Problem, plan: Plan | None, ask: Ask) -> str:
    """Ask for several solutions and return the first of those that agree with most."""
    solutions = await drawn(ask, "student", Prompt("solve", problem))
    return solutions[majority(problem, solutions).index or 0]


METHOD = Method(
    "best-of-n",
    best_of_n,
    prompts=CHAIN_OF_THOUGHT.prompts,
    aliases=("bon",),
    source="Wang et al., ICLR 2023, arXiv 2203.11171",
)
