"""The filter `distinct`: one of each chain of a problem, and of those that say nearly the same."""

from collections.abc import Hashable
from typing import Any

from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, words
from stepdown.corpus.selection.resemblance import WordTable
from stepdown.corpus.selection.tables import ChainTable, Columns, Mask
from stepdown.extras import load_polars

_NEAR = 0.8
Shingles = frozenset[Any]


def distinct(request: FilterSpec) -> Filter:
    """Return the filter that keeps the first of equal and of nearly equal chains.

    A problem has few chains, so their similarity is computed exactly; MinHash only estimates it.
    """
    if request.value == "exact":
        return request.filter(
            "the first of a problem's chains of one label that are equal without case, punctuation and blanks"
            " (distinct reasoning paths: Yuan et al. 2023)",
            lambda group: _distinct(group, None),
            _by_columns(None),
        )
    near = request.share(request.value) if request.value else _NEAR
    return request.filter(
        "the first of a problem's chains of one label that are equal without case, punctuation and blanks, or share at"
        f" least {near:g} of their runs of three words (distinct reasoning paths: Yuan et al. 2023; resemblance of"
        " shingles: Broder 1997)",
        lambda group: _distinct(group, near),
        _by_columns(near),
    )


def _distinct(group: Group, near: float | None) -> Group:
    """Compare only chains of one label and verdict, so that no wrong chain displaces a right one."""
    seen: set[Hashable] = set()
    kept: dict[object, list[Shingles]] = {}
    stay = []
    for chain in group:
        label = (chain.grade.found, chain.grade.verdict)
        text = tuple(words(chain.text))
        if _is_other(text, _shingles(text), label, seen, kept, near):
            stay.append(chain)
    return stay


def _by_columns(near: float | None) -> Columns:
    """Compare only those that may resemble one another; all others stay and displace none."""

    def mask(table: ChainTable) -> Mask:
        polars, texts = load_polars(), WordTable(table)
        found = texts.may_resemble(1.0 if near is None else near)
        stays, rows = (~found).tolist(), found.nonzero()[0]
        groups = table.group.gather(rows).to_list()
        labels = table.frame[rows].select("found", "verdict").iter_rows()
        before, seen, kept = None, set[Hashable](), dict[object, list[Shingles]]()
        for row, group, label, (text, runs) in zip(rows.tolist(), groups, labels, texts.texts(rows), strict=True):
            if group != before:
                before, seen, kept = group, set(), {}
            stays[row] = _is_other(text, runs, label, seen, kept, near)
        return polars.Series("stays", stays, dtype=polars.Boolean)

    return mask


def _is_other(
    text: Hashable,
    runs: Shingles,
    label: tuple[str | None, str],
    seen: set[Hashable],
    kept: dict[object, list[Shingles]],
    near: float | None,
) -> bool:
    """Tell whether a chain differs enough from those of its label before it, and note it."""
    if (label, text) in seen:
        return False
    seen.add((label, text))
    return near is None or _is_new(runs, kept.setdefault(label, []), near)


def _shingles(text: tuple[str, ...]) -> Shingles:
    return frozenset(zip(text, text[1:], text[2:], strict=False)) if len(text) > 2 else frozenset([text])


def _is_new(one: Shingles, others: list[Shingles], near: float) -> bool:
    """Tell whether a chain resembles none of those kept, and note it where it is so."""
    size = len(one)
    for other in others:
        count = len(other)
        if count < near * size or size < near * count:
            continue
        shared = len(one & other)
        if shared >= near * (size + count - shared):
            return False
    others.append(one)
    return True
