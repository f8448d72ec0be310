"""Filters by grade and label: right, wrong, agreed by the teacher's own majority, readable at all."""

from collections.abc import Sequence
from itertools import pairwise

from stepdown.answers import majority_indices
from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, only
from stepdown.corpus.selection.tables import ChainTable, Columns, Mask, expression
from stepdown.extras import load_polars
from stepdown.types import Kind


def everything(request: FilterSpec) -> Filter:
    """Return the filter that keeps every chain."""
    return request.filter(
        "every chain, right or wrong: the few-shot setting, which uses no gold (Li et al. 2023, section 2)",
        list,
        expression(lambda: load_polars().col("text").is_not_null()),
    )


def right(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains whose label is the gold."""
    return request.filter(
        "chains whose label equals the gold: the supervised setting (Li et al. 2023, section 2)",
        only(lambda chain: chain.grade.verdict == "right"),
        expression(lambda: load_polars().col("verdict") == "right"),
    )


def wrong(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains whose label is not the gold."""
    return request.filter(
        "chains whose label differs from the gold: a control, what is learnt from wrong reasoning",
        only(lambda chain: chain.grade.verdict == "wrong"),
        expression(lambda: load_polars().col("verdict") == "wrong"),
    )


def parses(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains that have a label."""
    return request.filter(
        "chains in which a label can be read, right or wrong",
        only(lambda chain: bool(chain.grade.found)),
        expression(lambda: load_polars().col("found").fill_null("") != ""),
    )


def agreed(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains with their teacher's most frequent label for the problem."""
    least = request.share(request.value) if request.value else 0.0
    share = f" where that has at least {least:g} of the votes" if least else ""
    return request.filter(
        f"chains whose label is the most frequent one of their teacher's chains for the problem{share}; ties go to the"
        " label reached first, chains without a label and those that were cut have no vote; needs no gold"
        " (self-consistency: Wang et al. 2023; as a filter of training data: Huang et al. 2023)",
        lambda group: _agreed(group, least),
        _by_columns(least),
    )


def _agreed(group: Group, least: float) -> Group:
    votes = [(chain.teacher, chain.grade.found if chain.finish == "stop" else None) for chain in group]
    return [group[index] for index in _elected(group[0].problem.kind, votes, least)] if group else []


def _elected(kind: Kind, votes: Sequence[tuple[str, str | None]], least: float) -> list[int]:
    """Return the places, in order, of the votes that agree with most of their teacher's."""
    kept: list[int] = []
    for teacher in dict.fromkeys(name for name, _ in votes):
        own = [index for index, (name, _) in enumerate(votes) if name == teacher]
        given = [votes[index][1] for index in own]
        # Most teachers agree with themselves: then there is nothing to compare.
        places = range(len(own)) if given[0] and len(set(given)) == 1 else majority_indices(kind, given)
        if len(places) >= least * len([vote for vote in given if vote]):
            kept += (own[index] for index in places)
    return sorted(kept)


def _by_columns(least: float) -> Columns:
    def mask(table: ChainTable) -> Mask:
        kinds, teachers, labels, finishes = table.lists("kind", "teacher", "found", "finish")
        votes = [
            (teacher, label if finish == "stop" else None)
            for teacher, label, finish in zip(teachers, labels, finishes, strict=True)
        ]
        stay = (
            start + at
            for start, end in pairwise(table.bounds())
            for at in _elected(kinds[start], votes[start:end], least)
        )
        return table.choose(list(stay))

    return mask
