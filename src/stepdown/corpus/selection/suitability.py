"""Chains chosen for a student: those that are news within its reach, or those it finds likely."""

from collections.abc import Iterator, Sequence
from typing import Any

from stepdown.corpus.selection.filters import Filter, FilterSpec, FirstPass, Group, rank, unprepared
from stepdown.corpus.student_scores import StudentScores
from stepdown.models.local import TokenScore

HOWS = {
    "suited": "with the lowest rank-surprisal ratio under {student}: the mean rank of their tokens, at most 100 each,"
    " over their mean surprisal -log p, so that they are news within its reach (Yang et al. 2026, arXiv 2601.14249)",
    "likely-for": "with the highest mean token log-probability under {student}",
}


def chosen_for(request: FilterSpec, count: int, how: str, student: str) -> Filter:
    """Return the filter that keeps the `count` chains of each problem that suit a student best, or are likeliest to it.

    The first pass has the student read the chains of problems that have more than `count`; a chain that was read once
    is never read again. Raises `UsageError` for a student there is not.
    """
    if not student:
        raise request.refused("a student", f"such as `per-problem={count}:{how}:smollm2-135m`, or a student's folder")
    scores = StudentScores(student, content=request.content)

    def keep(group: Group) -> Group:
        if len(group) <= count:
            return group
        keys = [
            (_place(how, score), rank(request.seed, chain), at)
            for at, (chain, score) in enumerate(zip(group, scores.of(group), strict=True))
        ]
        return [group[at] for at in sorted(at for *_, at in sorted(keys)[:count])]

    def read(groups: Iterator[Group]) -> int:
        for _ in scores.stream(group for group in groups if len(group) > count):
            pass
        return scores.read

    def ready(_: Sequence[Any]) -> Filter:
        return request.filter(_definition(how, count, f"`{student}` (weights {scores.source[:12]})"), keep)

    return Filter(
        request.text,
        _definition(how, count, f"`{student}`"),
        unprepared,
        lambda groups: ready([read(groups())]),
        survey=FirstPass(ready, read),
        reads=lambda: scores.source,
    )


def _definition(how: str, count: int, student: str) -> str:
    chosen = HOWS[how].format(student=student)
    return f"up to {count} chains of each problem, {chosen}; a smaller number keeps some of the same"


def _place(how: str, score: TokenScore) -> float:
    return score.ratio if how == "suited" else score.surprisal
