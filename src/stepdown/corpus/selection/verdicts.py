"""Filters by grade and label: right, wrong, agreed by the teacher's own majority, readable at all."""

from collections.abc import Iterable

from stepdown.answers import same
from stepdown.corpus.selection.filters import Filter, Group, Request, only
from stepdown.types import Chain, Kind


def everything(request: Request) -> Filter:
    """Return the filter that keeps every chain."""
    return request.filter(
        "every chain, right or wrong: the few-shot setting, which uses no gold (Li et al. 2023, section 2)", list
    )


def right(request: Request) -> Filter:
    """Return the filter that keeps chains whose label is the gold."""
    return request.filter(
        "chains whose label equals the gold: the supervised setting (Li et al. 2023, section 2)",
        only(lambda chain: chain.grade.verdict == "right"),
    )


def wrong(request: Request) -> Filter:
    """Return the filter that keeps chains whose label is not the gold."""
    return request.filter(
        "chains whose label differs from the gold: a control, what is learnt from wrong reasoning",
        only(lambda chain: chain.grade.verdict == "wrong"),
    )


def parses(request: Request) -> Filter:
    """Return the filter that keeps chains that have a label."""
    return request.filter(
        "chains in which a label can be read, right or wrong", only(lambda chain: bool(chain.grade.found))
    )


def agreed(request: Request) -> Filter:
    """Return the filter that keeps chains with their teacher's most frequent label for the problem."""
    least = request.share(request.value) if request.value else 0.0
    share = f" where that has at least {least:g} of the votes" if least else ""
    return request.filter(
        f"chains whose label is the most frequent one of their teacher's chains for the problem{share}; ties go to the"
        " label reached first, chains without a label have no vote; needs no gold (self-consistency: Wang et al. 2023;"
        " as a filter of training data: Huang et al. 2023)",
        lambda group: _agreed(group, least),
    )


def _agreed(group: Group, least: float) -> Group:
    teachers = dict.fromkeys(chain.teacher for chain in group)
    elected = {one: _majority((chain for chain in group if chain.teacher == one), least) for one in teachers}
    return [chain for chain in group if chain.grade.found and chain.grade.found in elected[chain.teacher]]


def _majority(chains: Iterable[Chain], least: float) -> frozenset[str]:
    """Return the spellings of the label with the most votes, none where it has less than the least share."""
    ballots: list[tuple[set[str], list[int]]] = []
    total = 0
    for chain in chains:
        if chain.grade.found:
            _ballot(ballots, chain.problem.kind, chain.grade.found).append(1)
            total += 1
    if not total:
        return frozenset()
    spellings, votes = max(ballots, key=lambda ballot: len(ballot[1]))
    return frozenset(spellings) if len(votes) >= least * total else frozenset()


def _ballot(ballots: list[tuple[set[str], list[int]]], kind: Kind, label: str) -> list[int]:
    """Return the votes for a label, whatever its spelling."""
    for spellings, votes in ballots:
        if label in spellings:
            return votes
    for spellings, votes in ballots:
        if any(same(kind, label, one) for one in spellings):
            spellings.add(label)
            return votes
    ballots.append(({label}, []))
    return ballots[-1][1]
