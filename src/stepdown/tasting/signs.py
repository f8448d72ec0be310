"""What is odd about chains: shares that leak, are cut off, repeat, or look like other than what the teacher thought.

The last two are heuristics: they ask a person to look, and are no proof. Endpoints that hide a model's thoughts give a
summary of them (titles in bold, "I'm weighing..."), for which as many tokens are billed as were thought; an endpoint
can rewrite thoughts so that they teach less while the answer stays right, or mark them (Ma et al. 2026, ACL, arXiv
2602.15143).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import msgspec

from stepdown.answers import numbers
from stepdown.audits import loops
from stepdown.corpus.selection import Group, load_filter
from stepdown.stats import wilson
from stepdown.types import Chain

# Tokens billed for a word shown: English has 1.3 to 1.5, and formulas up to 3.
_BILLED, _LEAST_BILLED = 6.0, 50
_TITLE = re.compile(r"^\s*\*\*[A-Z][a-z]+ing\b[^*\n]{0,80}\*\*\s*$", re.MULTILINE)
_SUMMARY = re.compile(
    r"\b(?:summary of (?:my|the) (?:reasoning|thoughts|thinking)"
    r"|(?:my|the) (?:reasoning|thinking|thought process) (?:is|was|has been) (?:summari[sz]ed|condensed|hidden|omitted)"
    r"|after (?:some|careful|much) (?:thought|thinking|consideration)\b"
    r"|I(?:'m| am) (?:now )?(?:considering|weighing|exploring|focusing on|zeroing in))",
    re.IGNORECASE,
)
# Characters that are not seen: of no width, and tags; marks of direction are left to languages that need them.
_INVISIBLE = re.compile("[\u200b\u2060-\u2064\ufeff\u00ad\U000e0000-\U000e007f]")
_MIXED = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u04ff][A-Za-z]")
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
# `3 + 4 = 7` alone: no part of a longer calculation, of a formula or of a percentage.
_SUM = re.compile(
    rf"(?<![\d.,+*/×÷^()%-])(?<![\d.,+*/×÷^()%-] )({_NUMBER}) ?([-+*/×÷]) ?({_NUMBER}) ?= ?\$?({_NUMBER})"
    r"(?![\d%]|\.\d| ?[-+*/×÷^])"
)


class ChainSign(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the chains show a sign, with the 95 % interval of the share; `heuristic` where it is no proof."""

    name: str
    count: int
    chains: int
    share: float
    low: float
    high: float
    heuristic: bool
    definition: str


class _Rule(msgspec.Struct, frozen=True):
    name: str
    definition: str
    of: Callable[[Group], Iterable[Chain]]
    heuristic: bool = False


def chain_signs(groups: Iterable[Sequence[Chain]]) -> tuple[ChainSign, ...]:
    """Return how many chains show each sign, of groups of a problem's chains; one of nothing has no signs."""
    rules, total = _rules(), 0
    found = [0] * len(rules)
    for group in groups:
        total += len(group)
        for at, rule in enumerate(rules):
            found[at] += sum(1 for _ in rule.of(group))
    if not total:
        return ()
    return tuple(_sign(rule, count, total) for rule, count in zip(rules, found, strict=True))


def _sign(rule: _Rule, count: int, total: int) -> ChainSign:
    low, high = wilson(count, total)
    return ChainSign(
        name=rule.name,
        count=count,
        chains=total,
        share=count / total,
        low=low,
        high=high,
        heuristic=rule.heuristic,
        definition=rule.definition,
    )


def _rules() -> tuple[_Rule, ...]:
    return (
        _Rule("wrong", "graded, and not right", partial(_with, lambda one: one.grade.verdict == "wrong")),
        _Rule("without an answer", "no label can be read (`keep parses`)", _dropped("parses")),
        _Rule("leak", "the answer comes first or was given (`keep no-leak`)", _dropped("no-leak")),
        _Rule("truncated", "cut off (`keep complete`)", _dropped("complete")),
        _Rule("loop", "ends in the same words again and again", partial(_with, lambda one: loops(one.text))),
        _Rule("repeat", "nearly equal to another of its problem (`keep distinct`)", _dropped("distinct")),
        _Rule(
            "look summarised",
            f"titles in bold or words of a summary, or {_BILLED:g} tokens counted for each word shown",
            partial(_with, looks_summarised),
            heuristic=True,
        ),
        _Rule(
            "look rewritten",
            "characters that are not seen, words of two scripts, or a sum that does not hold under a right answer",
            partial(_with, looks_rewritten),
            heuristic=True,
        ),
    )


def _with(rule: Callable[[Chain], bool], group: Group) -> Iterator[Chain]:
    return (chain for chain in group if rule(chain))


def _dropped(name: str) -> Callable[[Group], Iterable[Chain]]:
    keep = load_filter(name).keep

    def dropped(group: Group) -> Iterator[Chain]:
        kept = {id(chain) for chain in keep(group)}
        return (chain for chain in group if id(chain) not in kept)

    return dropped


def looks_summarised(chain: Chain) -> bool:
    """Tell whether a chain looks like a summary of hidden thoughts: a heuristic."""
    if chain.tokens is not None and chain.tokens > max(_LEAST_BILLED, _BILLED * len(chain.text.split())):
        return True
    return bool(_TITLE.search(chain.text) or _SUMMARY.search(chain.text))


def looks_rewritten(chain: Chain) -> bool:
    """Tell whether a chain looks changed after it was thought: a heuristic."""
    if _INVISIBLE.search(chain.text) or _MIXED.search(chain.text):
        return True
    return chain.grade.verdict == "right" and any(map(_fails, _SUM.finditer(chain.text)))


def _fails(match: re.Match[str]) -> bool:
    """Tell whether a sum of two plain numbers is off by one or more, which no rounding explains."""
    one, other, result = (found[0].value if (found := numbers(match[at])) else None for at in (1, 3, 4))
    if one is None or other is None or result is None or (match[2] in "/÷" and not other):
        return False
    exact = {"+": one + other, "-": one - other}.get(match[2])
    if exact is None:
        exact = one / other if match[2] in "/÷" else one * other
    return abs(exact - result) >= 1
