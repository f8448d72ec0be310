"""The filter `distinct`: one of each chain of a problem, and of those that say nearly the same."""

from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, words

_NEAR = 0.8
Shingles = frozenset[tuple[str, ...]]


def distinct(request: FilterSpec) -> Filter:
    """Return the filter that keeps the first of equal and of nearly equal chains.

    A problem has few chains, so their similarity is computed exactly; MinHash only estimates it.
    """
    if request.value == "exact":
        return request.filter(
            "the first of a problem's chains of one label that are equal without case, punctuation and blanks"
            " (distinct reasoning paths: Yuan et al. 2023)",
            lambda group: _distinct(group, None),
        )
    near = request.share(request.value) if request.value else _NEAR
    return request.filter(
        "the first of a problem's chains of one label that are equal without case, punctuation and blanks, or share at"
        f" least {near:g} of their runs of three words (distinct reasoning paths: Yuan et al. 2023; resemblance of"
        " shingles: Broder 1997)",
        lambda group: _distinct(group, near),
    )


def _distinct(group: Group, near: float | None) -> Group:
    """Compare only chains of one label and verdict, so that no wrong chain displaces a right one."""
    seen: set[tuple[object, ...]] = set()
    kept: dict[object, list[Shingles]] = {}
    stay = []
    for chain in group:
        label = (chain.grade.found, chain.grade.verdict)
        text = words(chain.text)
        exact = (label, *text)
        if exact in seen:
            continue
        seen.add(exact)
        if near is None or _is_new(_shingles(text), kept.setdefault(label, []), near):
            stay.append(chain)
    return stay


def _shingles(text: list[str]) -> Shingles:
    return frozenset(zip(text, text[1:], text[2:], strict=False)) if len(text) > 2 else frozenset([tuple(text)])


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
