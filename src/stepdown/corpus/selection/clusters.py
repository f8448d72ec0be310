"""Diverse chains: a problem's chains in clusters of like ones, and one chain of each cluster."""

from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from math import log, sqrt

from stepdown.corpus.selection.filters import Filter, FilterSpec, Group, rank, words
from stepdown.errors import UsageError

Matrix = list[list[float]]
Likeness = Callable[[Sequence[str]], Matrix]


def diverse(request: FilterSpec, count: int, model: str = "") -> Filter:
    """Return the filter that keeps one chain of each of `count` clusters; `model` embeds by sentence-transformers."""
    by = f"sentence embeddings of `{model}`" if model else "TF-IDF of their words within the problem"
    ready = request.filter(
        f"up to {count} chains of each problem, a random one of each of {count} clusters (average linkage, cosine"
        f" of {by}; Li et al. 2023, section 3.3, by sentence embeddings); a smaller number keeps some of the same",
        lambda group: spread(group, count, request.seed, resemblance),
    )
    if not model:
        return ready
    if find_spec("sentence_transformers") is None:
        raise UsageError(
            f"`{request.text}` needs `sentence-transformers`, which is not installed",
            f"pip install sentence-transformers, or `per-problem={count}:diverse`, which needs nothing",
        )

    def ready_with_model(_: Sequence[object]) -> Filter:
        embedded = _embedded(model)
        return request.filter(ready.definition, lambda group: spread(group, count, request.seed, embedded))

    return request.surveyed(ready.definition, ready_with_model)


def spread(group: Group, count: int, seed: int, likeness: Likeness) -> Group:
    """Return one chain of each cluster: the first in the seeded order, so that fewer clusters keep some of the same."""
    if len(group) <= count:
        return group
    ranks = [rank(seed, chain) for chain in group]
    found = clusters(likeness([chain.text for chain in group]), count)
    return [group[at] for at in sorted(min(cluster, key=ranks.__getitem__) for cluster in found)]


def resemblance(texts: Sequence[str]) -> Matrix:
    """Return the cosines of texts' TF-IDF vectors, whose documents are these texts alone."""
    counts = [Counter(words(text)) for text in texts]
    spread_of = Counter(word for one in counts for word in one)
    rarity = {word: log((1 + len(texts)) / (1 + among)) + 1 for word, among in spread_of.items()}
    vectors = [_unit({word: times * rarity[word] for word, times in one.items()}) for one in counts]
    matrix = [[0.0] * len(texts) for _ in texts]
    for at, one in enumerate(vectors):
        for to in range(at):
            matrix[at][to] = matrix[to][at] = _cosine(one, vectors[to])
    return matrix


def clusters(likeness: Matrix, count: int) -> list[list[int]]:
    """Return items in `count` clusters, merged by average linkage from single items up; the matrix is used up.

    Merges do not depend on `count`, so the clusters of a smaller one are unions of those of a larger.
    """
    members = {at: [at] for at in range(len(likeness))}
    nearest = {at: _nearest(likeness, members, at) for at in members}
    while len(members) > max(count, 1):
        one = max(members, key=lambda at: likeness[at][nearest[at]])
        other = nearest[one]
        _merge(likeness, members, one, other)
        del nearest[other]
        for at in members:
            if at == one or nearest[at] in (one, other):
                nearest[at] = _nearest(likeness, members, at)
            elif likeness[at][one] > likeness[at][nearest[at]]:
                nearest[at] = one
    return list(members.values())


def _merge(likeness: Matrix, members: dict[int, list[int]], one: int, other: int) -> None:
    size, more = len(members[one]), len(members[other])
    members[one] += members.pop(other)
    for at in members:
        if at != one:
            mean = (size * likeness[one][at] + more * likeness[other][at]) / (size + more)
            likeness[one][at] = likeness[at][one] = mean


def _nearest(likeness: Matrix, members: dict[int, list[int]], at: int) -> int:
    row = likeness[at]
    return max((to for to in members if to != at), key=row.__getitem__, default=at)


def _unit(vector: dict[str, float]) -> dict[str, float]:
    length = sqrt(sum(value * value for value in vector.values()))
    return {word: value / length for word, value in vector.items()} if length else {}


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(value * other[word] for word, value in one.items() if word in other)


def _embedded(model: str) -> Likeness:
    try:
        encoder = import_module("sentence_transformers").SentenceTransformer(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot load `{model}` as sentence-transformers model: {error}", "name another") from error

    def likeness(texts: Sequence[str]) -> Matrix:
        vectors = encoder.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        matrix: Matrix = (vectors @ vectors.T).tolist()
        return matrix

    return likeness
