"""Which teacher's chains suit a student: some chains of each teacher, over the same questions, read by the student."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Literal

import msgspec

from stepdown.corpus import Corpus, StudentScores
from stepdown.errors import UsageError
from stepdown.models.local import TokenScore
from stepdown.questions import key
from stepdown.stats import mean_interval, ratio_of_means_interval
from stepdown.types import Chain

VERSION = 1
By = Literal["teacher", "variant", "corpus"]
Progress = Callable[[int, int], None]
Name = tuple[str, str, str]
RESAMPLES = 1_000
# So many more than are wanted wait in memory before the rest is let go.
_SPARE = 1_000


class TeacherSuitability(msgspec.Struct, frozen=True, kw_only=True):
    """How one teacher's chains suit a student, over `problems` with a chain each.

    `ratio` is the rank-surprisal ratio over all of them, lower is better suited (mean of the chains' mean ranks over
    the mean of their mean surprisals: Yang et al. 2026, arXiv 2601.14249, appendix A.8); `logprob` the mean token
    log-probability in nats; each with Student's 95 % interval over problems, which has no end where there is one.
    `best` is the share of resamples of the problems in which no other's ratio is lower. `right` is the share of the
    graded chains that are right, None without any.
    """

    corpus: str
    teacher: str
    variant: str
    problems: int
    right: float | None
    tokens: float
    ratio: float
    low: float
    high: float
    logprob: float
    logprob_low: float
    logprob_high: float
    best: float


class SuitabilityTable(msgspec.Struct, frozen=True, kw_only=True):
    """What `teachers --json` says, best suited first; `shared` problems have a chain of every one."""

    student: str
    source: str
    by: By
    shared: int
    teachers: tuple[TeacherSuitability, ...]
    version: int = VERSION


def suitability(
    corpora: Sequence[Corpus],
    student: str,
    *,
    chains: int = 100,
    by: By = "teacher",
    seed: int = 0,
    progress: Progress | None = None,
) -> SuitabilityTable:
    """Return how the chains of each teacher, or of each variant or corpus, suit a student.

    Of each `chains` are read, one a problem, of the same problems wherever they have one: problems are drawn by a hash
    of their question, chains by `seed`. No more than these are in memory. `progress` gets how many are read of all.
    Raises `UsageError` for corpora of anything but chains and a student there is not, `MissingExtra` without torch.
    """
    for corpus in corpora:
        if corpus.card.content != "chain":
            raise UsageError(f"`{corpus.path}` holds {corpus.card.content}s", "name corpora of chains")
    if len({corpus.name for corpus in corpora}) < len(corpora):
        raise UsageError("two of the corpora have one name", "a row is called as its corpus's folder")
    scores = StudentScores(student)
    drawn = _drawn(corpora, chains, by, seed)
    if not drawn:
        raise UsageError("there is no chain to read", "name corpora that have some")
    read = _read(drawn, scores, progress)
    shared = set.intersection(*(set(some) for some in read.values()))
    ratios = _resampled(read)
    least = [min(values) for values in zip(*ratios.values(), strict=True)]
    rows = [_row(name, drawn[name], read[name], ratios[name], least) for name in read]
    rows.sort(key=lambda row: row.ratio)
    return SuitabilityTable(student=student, source=scores.source, by=by, shared=len(shared), teachers=tuple(rows))


def _drawn(corpora: Sequence[Corpus], count: int, by: By, seed: int) -> dict[Name, dict[int, Chain]]:
    """Return the chains of each teacher by the key of their question: those with the lowest hashes."""
    drawn = defaultdict[Name, dict[int, Chain]](dict)
    for corpus in corpora:
        for group in corpus.groups():
            # The key of a question is a hash, so that its order is chance. Equal questions count once.
            question = key(group[0].problem)
            for name, chain in _one_of_each(group, corpus, by, seed, several=len(corpora) > 1):
                own = drawn[name]
                own.setdefault(question, chain)
                if len(own) >= 2 * count + _SPARE:
                    drawn[name] = _lowest(own, count)
    return {name: _lowest(own, count) for name, own in sorted(drawn.items())}


def _lowest(some: Mapping[int, Chain], count: int) -> dict[int, Chain]:
    return dict(sorted(some.items(), key=lambda item: item[0])[:count])


def _one_of_each(
    group: Sequence[Chain], corpus: Corpus, by: By, seed: int, *, several: bool
) -> Iterator[tuple[Name, Chain]]:
    """Stream a chain of each teacher of a problem's chains, drawn at random."""
    found = defaultdict[Name, list[Chain]](list)
    place = corpus.name if several or by == "corpus" else ""
    for chain in group:
        teacher = "" if by == "corpus" else chain.teacher
        found[place, teacher, chain.variant if by == "variant" else ""].append(chain)
    for name, some in found.items():
        yield name, random.Random(f"{seed}/{group[0].problem.id}/{name}").choice(some)


def _read(
    drawn: Mapping[Name, Mapping[int, Chain]], scores: StudentScores, progress: Progress | None
) -> dict[Name, dict[int, TokenScore]]:
    """Have the student read all chains, those of a question together, whose prompt then stands once in a pass."""
    places: dict[int, list[Name]] = defaultdict(list)
    for name, some in drawn.items():
        for question in some:
            places[question].append(name)
    groups = [[drawn[name][question] for name in names] for question, names in places.items()]
    read, done, total = defaultdict[Name, dict[int, TokenScore]](dict), 0, sum(map(len, groups))
    for (question, names), found in zip(places.items(), scores.stream(groups), strict=True):
        for name, score in zip(names, found, strict=True):
            read[name][question] = score
        done += len(names)
        if progress is not None:
            progress(done, total)
    return {name: read[name] for name in drawn}


def _resampled(read: Mapping[Name, Mapping[int, TokenScore]]) -> dict[Name, list[float]]:
    """Return the ratio of each teacher in each resample of the problems."""
    questions = sorted({question for some in read.values() for question in some})
    drawing, times = random.Random(0), list[dict[int, int]]()
    for _ in range(RESAMPLES):
        weights: dict[int, int] = defaultdict(int)
        for question in drawing.choices(questions, k=len(questions)):
            weights[question] += 1
        times.append(weights)
    return {name: _resamples_of(some, times) for name, some in read.items()}


def _resamples_of(some: Mapping[int, TokenScore], times: Sequence[Mapping[int, int]]) -> list[float]:
    ratios = list[float]()
    for weights in times:
        ranks = surprisals = 0.0
        for question, score in some.items():
            if weight := weights.get(question, 0):
                ranks += weight * score.rank
                surprisals += weight * score.surprisal
        ratios.append(ranks / max(surprisals, 1e-12) if ranks else float("inf"))
    return ratios


def _row(
    name: Name,
    chains: Mapping[int, Chain],
    read: Mapping[int, TokenScore],
    ratios: Sequence[float],
    least: Sequence[float],
) -> TeacherSuitability:
    corpus, teacher, variant = name
    graded = [chain.grade.verdict == "right" for chain in chains.values() if chain.grade.verdict != "ungraded"]
    surprisal = fmean(one.surprisal for one in read.values())
    low, high = ratio_of_means_interval([one.rank for one in read.values()], [one.surprisal for one in read.values()])
    logprob_low, logprob_high = mean_interval([-one.surprisal for one in read.values()])
    return TeacherSuitability(
        corpus=corpus,
        teacher=teacher,
        variant=variant,
        problems=len(read),
        right=fmean(graded) if graded else None,
        tokens=fmean(one.tokens for one in read.values()),
        ratio=fmean(one.rank for one in read.values()) / max(surprisal, 1e-12),
        low=low,
        high=high,
        logprob=-surprisal,
        logprob_low=logprob_low,
        logprob_high=min(0.0, logprob_high),
        best=fmean(one <= other for one, other in zip(ratios, least, strict=True)),
    )
