"""Filters by grade and label: right, wrong, agreed by the teacher's own majority, readable at all."""

from stepdown.answers import majority_indices
from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, only
from stepdown.types import Chain


def everything(request: FilterSpec) -> Filter:
    """Return the filter that keeps every chain."""
    return request.filter(
        "every chain, right or wrong: the few-shot setting, which uses no gold (Li et al. 2023, section 2)", list
    )


def right(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains whose label is the gold."""
    return request.filter(
        "chains whose label equals the gold: the supervised setting (Li et al. 2023, section 2)",
        only(lambda chain: chain.grade.verdict == "right"),
    )


def wrong(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains whose label is not the gold."""
    return request.filter(
        "chains whose label differs from the gold: a control, what is learnt from wrong reasoning",
        only(lambda chain: chain.grade.verdict == "wrong"),
    )


def parses(request: FilterSpec) -> Filter:
    """Return the filter that keeps chains that have a label."""
    return request.filter(
        "chains in which a label can be read, right or wrong", only(lambda chain: bool(chain.grade.found))
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
    )


def _agreed(group: Group, least: float) -> Group:
    teachers = dict.fromkeys(chain.teacher for chain in group)
    kept: set[int] = set()
    for teacher in teachers:
        own = [index for index, chain in enumerate(group) if chain.teacher == teacher]
        votes = [_label(group[index]) for index in own]
        places = majority_indices(group[own[0]].problem.kind, votes)
        if len(places) >= least * len([vote for vote in votes if vote]):
            kept.update(own[index] for index in places)
    return [chain for index, chain in enumerate(group) if index in kept]


def _label(chain: Chain) -> str | None:
    return chain.grade.found if chain.finish == "stop" else None
