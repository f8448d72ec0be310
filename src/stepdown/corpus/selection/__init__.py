"""Which chains of a corpus to keep: filters by name, each a pure function of one problem's chains.

A filter's choice depends on its seed and on the problem's own chains, never on the order of problems; only
`open-ended`, `short:long`, `teachers`, `decontaminate` and `per-problem=K:suited:STUDENT` look at the corpus, or
another set, first.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from stepdown.corpus.card import Content
from stepdown.corpus.selection.bounds import complete, max_tokens, max_words, tokens
from stepdown.corpus.selection.contamination import decontaminate
from stepdown.corpus.selection.draws import per_problem
from stepdown.corpus.selection.duplicates import distinct
from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, Groups
from stepdown.corpus.selection.mixes import short_to_long, teachers
from stepdown.corpus.selection.open_endedness import open_ended
from stepdown.corpus.selection.provenance import no_gold_conditioned, no_leak, teacher, variant
from stepdown.corpus.selection.tables import ChainTable, table_of
from stepdown.corpus.selection.verdicts import agreed, everything, parses, right, wrong
from stepdown.errors import UnknownName, UsageError
from stepdown.plugins import Found, find, names
from stepdown.usercode import code_of

__all__ = [
    "FILTERS",
    "ChainTable",
    "Filter",
    "Group",
    "Groups",
    "as_filter",
    "load_filter",
    "reads_elsewhere",
    "table_of",
    "tokens",
]


class _Entry(msgspec.Struct, frozen=True):
    make: Callable[[FilterSpec], Filter]
    help: str
    value: Literal["none", "wanted", "optional"] = "none"


_ENTRIES = {
    "right": _Entry(right, "chains whose label is the gold"),
    "agreed": _Entry(
        agreed, "chains with their teacher's most frequent label; `agreed=0.5`: if it has half the votes", "optional"
    ),
    "all": _Entry(everything, "every chain"),
    "wrong": _Entry(wrong, "chains whose label is not the gold, as a control"),
    "parses": _Entry(parses, "chains in which a label can be read"),
    "distinct": _Entry(
        distinct, "one of equal or nearly equal chains; `distinct=0.9` for nearer, `distinct=exact`", "optional"
    ),
    "per-problem": _Entry(
        per_problem,
        "`per-problem=5`: five random chains of each problem; `:likely`, `:short`, `:long`, `:diverse`,"
        " `:diverse:MODEL`, `:suited:STUDENT` or `:likely-for:STUDENT` after the number for other ones",
        "wanted",
    ),
    "open-ended": _Entry(open_ended, "1, 3, 5, 7 or 9 chains, more where a problem's chains differ more"),
    "no-leak": _Entry(no_leak, "no chains that start from their answer; of plans, none that tells the gold"),
    "complete": _Entry(complete, "no chains that were cut off"),
    "max-tokens": _Entry(max_tokens, "`max-tokens=200`: chains of at most 200 tokens", "wanted"),
    "max-words": _Entry(max_words, "`max-words=150`: chains of at most 150 words", "wanted"),
    "short:long": _Entry(short_to_long, "`short:long=4:1`: four short chains for each long one", "wanted"),
    "teacher": _Entry(teacher, "`teacher=openai/*`: chains of these teachers", "wanted"),
    "teachers": _Entry(teachers, "`teachers=A,B=4:1`: four chains of A for each of B", "wanted"),
    "variant": _Entry(variant, "`variant=level3*`: chains of these variants", "wanted"),
    "no-gold-conditioned": _Entry(no_gold_conditioned, "no chains whose teacher saw the gold"),
    "decontaminate": _Entry(
        decontaminate,
        "`decontaminate=gsm8k/test` or `=FILE`: no problems that this evaluation set holds; `:8` for runs of 8 words",
        "wanted",
    ),
}

# Of a corpus of preferences only whole problems are kept, so that pairs stay pairs.
_WHOLE_PROBLEMS = {"all", "decontaminate"}

FILTERS = {name: entry.help for name, entry in _ENTRIES.items()}


def load_filter(text: str, *, seed: int = 0, content: Content = "chain", code: bool = False) -> Filter:
    """Return a filter by its text, `name` or `name=value`; `content` is what the corpus holds, for `no-leak`.

    Raises `UnknownName` for a name that is not in `FILTERS` and `UsageError` for a value that is missing, not
    allowed or not what the filter needs, and for a filter that would part pairs; nothing is read. With `code` the
    name may also be a plugin's or one of a file's (`my.py:short`), which runs that code: never for a name from
    elsewhere.
    """
    name, sign, value = text.partition("=")
    if name not in _ENTRIES:
        found = find("filters", name) if code else None
        if found is None:
            raise UnknownName("filter", name, [*_ENTRIES, *(names("filters") if code else ())])
        _check_pairs(name, content)
        return as_filter(found, value)
    _check_pairs(name, content)
    entry = _ENTRIES[name]
    request = FilterSpec(text, name, value, seed, content, entry.help)
    if sign and entry.value == "none":
        raise request.refused("no value", f"write `{name}`")
    if not value and (sign or entry.value == "wanted"):
        raise request.refused("a value")
    return entry.make(request)


def reads_elsewhere(text: str) -> bool:
    """Tell whether a filter opens a file or loads a model, which its text may name: nothing for a form of a page."""
    name, _, value = text.partition("=")
    return name == "decontaminate" or (name == "per-problem" and value.count(":") > 1)


def _check_pairs(name: str, content: Content) -> None:
    if content == "preference" and name not in _WHOLE_PROBLEMS:
        raise UsageError(
            f"`{name}` would take one text of a pair and leave the other",
            f"filter what is compared, or by problem: {', '.join(sorted(_WHOLE_PROBLEMS))}",
        )


def as_filter(found: Found, value: str = "") -> Filter:
    """Return a user's function as a filter: it takes a problem's chains, and the value if one is given, and keeps some.

    Its name on a card says its code, its definition is the first line of its docstring.
    """
    keep = found.value
    if isinstance(keep, type) or not callable(keep):
        raise found.refused("a function of a problem's chains that returns those to keep")
    name = f"{found.name}@{code_of(keep)}" + (f"={value}" if value else "")
    definition = next(iter((keep.__doc__ or "").strip().splitlines()), f"what `{found.name}` keeps")
    return Filter(name, definition, partial(_kept, keep, (value,) if value else ()))


def _kept(keep: Callable[..., Group], given: tuple[str, ...], group: Group) -> Group:
    return list(keep(list(group), *given))
