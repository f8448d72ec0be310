"""Filters by how a chain came about: its teacher, its variant, whether it was shown or gives away the answer."""

from collections.abc import Callable
from fnmatch import fnmatchcase

from stepdown.answers import given_away, leak, opens_with
from stepdown.corpus.selection.filters import Filter, FilterSpec, only
from stepdown.corpus.selection.tables import by_name, expression
from stepdown.extras import load_polars
from stepdown.types import Chain, Plan


def teacher(request: FilterSpec) -> Filter:
    """Return the filter that keeps one teacher's chains."""
    fits = pattern(request.value)
    return request.filter(
        f"chains by the teacher `{request.value}` (`*` stands for any characters)",
        only(lambda one: fits(one.teacher)),
        by_name("teacher", fits),
    )


def variant(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains made in one way."""
    fits = pattern(request.value)
    return request.filter(
        f"chains of the variant `{request.value}` (`*` stands for any characters)",
        only(lambda one: fits(one.variant)),
        by_name("variant", fits),
    )


def no_gold_conditioned(request: FilterSpec) -> Filter:
    """Return the filter that drops chains whose teacher saw the gold."""
    return request.filter(
        "chains whose teacher did not see the gold answer: reasons found afterwards need not lead to an answer"
        " (rationalization: Zelikman et al. 2022)",
        only(lambda chain: not chain.gold_conditioned),
        expression(lambda: ~load_polars().col("gold_conditioned")),
    )


def no_leak(request: FilterSpec) -> Filter:
    """Return the filter that drops plans that tell the gold, or chains that do not reason their way to their label."""
    if request.content == "plan":
        return request.filter(
            "plans that do not tell the gold as a result (the rule of `stepdown audit`)",
            only(lambda chain: not leak(chain.problem, Plan(chain.text, chain.teacher)).gold),
        )
    return request.filter(
        "chains that neither open with their label, reasons after it, nor say that they were given the answer or"
        " reason from it (reasons after the answer as a control: Wadhwa et al. 2024)",
        only(_leads),
    )


def pattern(text: str) -> Callable[[str], bool]:
    """Return a test for names: the same name, or one that fits a pattern with `*` and `?`, in either case."""
    wanted = text.casefold()
    return lambda name: name.casefold() == wanted or fnmatchcase(name.casefold(), wanted)


def _leads(chain: Chain) -> bool:
    label = chain.grade.found or chain.problem.answer
    return not opens_with(chain.text, chain.problem, label) and given_away(chain.text, chain.problem, label) is None
