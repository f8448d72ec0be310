"""The teacher's vote: the label that most of a problem's chains conclude with, for students who learn labels alone."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from stepdown.answers import majority_indices
from stepdown.corpus.targets import label
from stepdown.types import Chain


def with_majority_labels(chains: Iterable[Chain]) -> Iterator[Chain]:
    """Stream chains with the label that most chains of their problem vote for, by equality (`answers.elected`).

    A chain of another label, or of none, is given the elected one; its text stays. Chains that were cut do not vote.
    Where nobody votes all stay as they are. In a stream the chains of a problem must lie together.
    """
    if isinstance(chains, Sequence):
        groups: dict[str, list[Chain]] = {}
        for chain in chains:
            groups.setdefault(chain.problem.id, []).append(chain)
        labelled = {
            id(chain): one for group in groups.values() for chain, one in zip(group, _elect(group), strict=True)
        }
        yield from (labelled[id(chain)] for chain in chains)
        return
    for _, some in groupby(chains, key=lambda chain: chain.problem.id):
        yield from _elect(list(some))


def _elect(group: Sequence[Chain]) -> list[Chain]:
    votes = [label(chain) if chain.finish == "stop" else None for chain in group]
    places = majority_indices(group[0].problem.kind, votes)
    if not places:
        return list(group)
    return [chain if index in places else _given(chain, votes[places[0]]) for index, chain in enumerate(group)]


def _given(chain: Chain, answer: str | None) -> Chain:
    return msgspec.structs.replace(chain, grade=msgspec.structs.replace(chain.grade, found=answer))
