"""Chain quality by pairwise preference: which of two runs' solutions reads better, to a judge model or to people."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any, Literal, TypeVar

import msgspec

from stepdown.errors import CallFailed, UsageError
from stepdown.measuring.judges import JudgeBudget, cached_model, judge_budget
from stepdown.prompts import prefer_messages
from stepdown.runner import plain
from stepdown.stats import Agreement, binomial_test, wilson
from stepdown.store import Run
from stepdown.types import Grade, Model, Problem, Sampling, Trace

VERSION = 1
AT_ONCE = 32
Where = Literal["both-right", "any"]
Preferred = Literal["first", "second", "tie"]
Progress = Callable[[int, int], None]
T = TypeVar("T")
_SWAPPED: dict[Preferred | None, Preferred | None] = {"first": "second", "second": "first", "tie": "tie", None: None}
_VERDICTS: dict[str, Preferred] = {"a": "first", "b": "second", "tie": "tie"}
_VERDICT = re.compile(r"[\W_]*(?:(?:answer|verdict)\s*:[\W_]*)?(?:solution\s)?(a|b|tie)[\W_]*", re.IGNORECASE)
_LONGEST = 40  # characters of a line that may be a verdict


class SolutionPair(msgspec.Struct, frozen=True):
    """A problem and what two runs wrote on it."""

    problem: Problem
    first: str
    second: str


class Preference(msgspec.Struct, frozen=True):
    """Which run's text was preferred on one problem, None without a verdict.

    `votes` are the judge's, shown the first run's text first and then second, or people's in the order of their names.
    """

    problem: str
    preferred: Preferred | None
    votes: tuple[Preferred | None, ...]
    why: str = ""


class PositionBias(msgspec.Struct, frozen=True):
    """How often a text won by its place alone, and the exact binomial p that places do not matter.

    Of a judge: pairs in which the text shown `first` (or `second`) won in both orders. Of people, to whom each pair is
    shown once with sides drawn at random: votes for the left and the right text.
    """

    first: int
    second: int
    p: float


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs' solutions compared pair by pair.

    Of `pairs`, the first run's text was preferred in `won`, the second's in `lost`; `ties` count the rest, among them
    `split` where the judge's orders (or most raters) did not agree; `unjudged` have no verdict. `share` is
    won / (won + lost) with its 95 % Wilson interval and exact two-sided binomial p. `eligible` pairs could have been
    compared; `identical` ones, of the same text, never are. `by` is `judge:MODEL` or `people`. Of people, the problems
    in `adjudicated` were decided by a final vote, and `outdated` votes on texts that have changed are not counted.
    """

    version: int = VERSION
    runs: tuple[str, str]
    methods: tuple[str, str]
    students: tuple[str, str]
    by: str
    where: str
    eligible: int
    identical: int
    pairs: int
    won: int
    lost: int
    ties: int
    split: int
    unjudged: int
    share: float | None
    low: float
    high: float
    p: float
    position: PositionBias
    agreement: Agreement | None = None
    raters: tuple[str, ...] = ()
    adjudicated: tuple[str, ...] = ()
    outdated: int = 0
    items: tuple[Preference, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the object `stepdown prefer --json` prints."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def __str__(self) -> str:
        return "\n".join(_lines(self))


class Candidates(msgspec.Struct, frozen=True):
    """Ids of problems whose texts can be compared, in the first run's order; `identical` pairs are not among them."""

    ids: tuple[str, ...]
    identical: int

    def draw(self, limit: int | None, seed: int) -> list[str]:
        """Return `limit` of them in a random order; a larger draw of the same seed begins with the smaller one."""
        return sorted(self.ids, key=lambda one: digest(str(seed), one))[:limit]


def prefer(
    first: Run,
    second: Run,
    *,
    judge: Model,
    where: Where = "both-right",
    limit: int | None = 100,
    seed: int = 0,
    progress: Progress | None = None,
    judging: JudgeBudget | None = None,
) -> Preferences:
    """Ask a judge which of two runs' solutions explains better, on `limit` problems, each in both orders.

    A preference counts where both orders agree, else it is a tie (position swap: Zheng et al. 2023, arXiv 2306.05685,
    section 3.4). The first sample of each problem is compared. Replies are kept in the first run's store, so
    that each is paid for once, and within the budget of `judging`. Raises `UsageError` where nothing can be compared,
    before any call, `EndpointRefused` and `BudgetReached`; what was answered is kept.
    """
    pairs = candidates(first, second, where)
    chosen = pairs.draw(limit, seed)

    async def work() -> list[Preference]:
        cached = cached_model(judge, first.store, judging=judging or judge_budget(first, second))
        items, waiting = list[Preference](), iter(chosen)
        try:
            while some := list(islice(waiting, AT_ONCE)):
                items += await _settled([_compare(cached, pair_of(first, second, one)) for one in some])
                if progress is not None:
                    progress(len(items), len(chosen))
        finally:
            if judge.capabilities.connects:
                await judge.close()
        return items

    items = plain(work())
    twice = Counter(one.votes for one in items)
    position = position_bias(twice["first", "second"], twice["second", "first"])
    counts = (len(pairs.ids), pairs.identical)
    return summarize(first, second, items, by=f"judge:{judge.name}", where=where, counts=counts, position=position)


def candidates(first: Run, second: Run, where: Where = "both-right") -> Candidates:
    """Find the problems that both runs solved, by default rightly. Raises `UsageError` where there are none."""
    if first.id == second.id:
        raise UsageError(
            f"both runs are `{first.id}`", "name two runs on the same problems; `stepdown runs` lists them"
        )
    others = {trace.problem.id: _mark(trace, grade) for trace, grade in first_solutions(second)}
    pairs = ((trace.problem.id, _mark(trace, grade)) for trace, grade in first_solutions(first))
    common = [(one, mark, others[one]) for one, mark in pairs if one in others and mark[0] == others[one][0]]
    if not common:
        raise UsageError(
            f"runs `{first.id}` and `{second.id}` solved no problem in common",
            "name two runs on the same problems; `stepdown runs` lists them",
        )
    fit = [(one, mine[1] == other[1]) for one, mine, other in common if where == "any" or (mine[2] and other[2])]
    if not fit:
        raise UsageError(f"of {len(common)} problems that both runs solved, none is right in both", "try --where any")
    ids = tuple(one for one, same in fit if not same)
    if not ids:
        raise UsageError(f"the runs wrote the same texts on all {len(fit)} problems", "name two runs that differ")
    return Candidates(ids, len(fit) - len(ids))


def first_solutions(run: Run) -> Iterator[tuple[Trace, Grade]]:
    """Stream the first sample of each problem that has a solution, with its grade."""
    return ((trace, grade) for trace, grade in run.graded() if not trace.sample and (trace.solution or "").strip())


def _mark(trace: Trace, grade: Grade) -> tuple[bytes, bytes, bool]:
    """What decides whether two traces can be compared: question, text, right."""
    problem, text = trace.problem, (trace.solution or "").strip()
    return digest(problem.question, *problem.choices), digest(text), grade.verdict == "right"


def pair_of(first: Run, second: Run, problem: str) -> SolutionPair:
    """Return what both runs wrote on a problem. Raises `UnknownName`."""
    trace, other = first.trace(problem), second.trace(problem)
    return SolutionPair(trace.problem, trace.solution or "", other.solution or "")


def digest(*texts: str) -> bytes:
    """Return 16 bytes that stand for some texts in order."""
    return blake2b(
        msgspec.json.encode([text.encode(errors="surrogatepass") for text in texts]), digest_size=16
    ).digest()


async def _settled(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what works done at once came to; what stops one is raised when all have ended: no reply is lost."""
    results, ended = await asyncio.gather(*works, return_exceptions=True), list[T]()
    for one in results:
        if isinstance(one, BaseException):
            raise one
        ended.append(one)
    return ended


async def _compare(judge: Model, pair: SolutionPair) -> Preference:
    orders = ((pair.first, pair.second), (pair.second, pair.first))
    straight, swapped = await _settled([_ask(judge, pair.problem, *order) for order in orders])
    votes = (straight[0], _SWAPPED[swapped[0]])
    why = straight[1] or swapped[1]
    if None in votes:
        return Preference(pair.problem.id, None, votes, why)
    return Preference(pair.problem.id, votes[0] if votes[0] == votes[1] else "tie", votes)


async def _ask(judge: Model, problem: Problem, one: str, other: str) -> tuple[Preferred | None, str]:
    """Return which place the judge prefers, or None and why not."""
    try:
        replies = await judge.reply(prefer_messages(problem, one, other), Sampling(max_tokens=512))
    except CallFailed as error:
        return None, f"the judge did not answer: {error.what}"[:200]
    verdict = verdict_of(replies[0].text)
    return verdict, "" if verdict else f"the judge's reply `{replies[0].text.strip()[:80]}` is not a verdict"


def verdict_of(text: str) -> Preferred | None:
    """Return what a judge's first or last line says in full (`A`, `B` or `tie`); None for anything else."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    ends = [line for line in (lines[0], lines[-1]) if len(line) <= _LONGEST] if lines else []
    verdicts = {_VERDICTS[match[1].lower()] for match in map(_VERDICT.fullmatch, ends) if match}
    return verdicts.pop() if len(verdicts) == 1 else None


def position_bias(first: int, second: int) -> PositionBias:
    """Return how often the first and the second place won, tested."""
    return PositionBias(first, second, binomial_test(first, first + second))


def summarize(
    first: Run,
    second: Run,
    items: Sequence[Preference],
    *,
    by: str,
    where: str,
    counts: tuple[int, int],
    position: PositionBias,
) -> Preferences:
    """Count preferences and test them; `counts` are the eligible and the identical pairs."""
    preferred = Counter(one.preferred for one in items)
    won, lost = preferred["first"], preferred["second"]
    low, high = wilson(won, won + lost)
    return Preferences(
        runs=(first.id, second.id),
        methods=(first.settings.method, second.settings.method),
        students=(first.settings.student, second.settings.student),
        by=by,
        where=where,
        eligible=counts[0],
        identical=counts[1],
        pairs=len(items),
        won=won,
        lost=lost,
        ties=preferred["tie"],
        split=sum(1 for one in items if one.preferred == "tie" and set(one.votes) - {None} != {"tie"}),
        unjudged=preferred[None],
        share=won / (won + lost) if won + lost else None,
        low=low,
        high=high,
        p=binomial_test(won, won + lost),
        position=position,
        items=tuple(items),
    )


def _lines(result: Preferences) -> Iterator[str]:
    among = f", drawn from {result.eligible}" if result.eligible > result.pairs else ""
    right = " that both runs have right" if result.where == "both-right" else ""
    yield f"Preferred by {result.by}, on {result.pairs} problems{right}{among}"
    wins = zip((result.won, result.lost), result.runs, result.methods, result.students, strict=True)
    yield from (f"  {won:>5}  {run}  {method}, {student}" for won, run, method, student in wins)
    yield f"  {result.ties:>5}  ties, {result.split} of them because the verdicts did not agree"
    yield f"  {result.unjudged:>5}  without a verdict"
    if decided := len(result.adjudicated):
        yield f"  {decided:>5}  of these were adjudicated; of the others more than half of the votes decide"
    if result.share is not None:
        shares = f"{_percent(result.share)} % [{_percent(result.low)}, {_percent(result.high)}]"
        decided = result.won + result.lost
        yield f"{result.runs[0]} is preferred in {shares} of the {decided} decided; {_chance(result.p)}"
    yield _bias_text(result.position, people=result.by == "people")
    if result.agreement is not None:
        yield _agreement(len(result.raters), result.agreement)
    yield "Share: of the decided, with the 95 % Wilson interval. p: exact binomial tests, two-sided; ties do not count."
    if result.outdated:
        yield f"Not counted: {result.outdated} votes on texts that have changed since."
    if result.identical:
        yield f"Not compared: {result.identical} problems on which both runs wrote the same text."


def _bias_text(bias: PositionBias, *, people: bool) -> str:
    if people:
        return f"place: {bias.first} votes for the left text, {bias.second} for the right; {_chance(bias.p)}"
    places = f"the text shown first {bias.first} times, the one shown second {bias.second} times"
    return f"place: in both orders the judge preferred {places}; {_chance(bias.p)}"


def _agreement(raters: int, agreement: Agreement) -> str:
    alpha = "undefined" if agreement.alpha is None else f"{agreement.alpha:.2f}"
    return f"{raters} raters agree in {_percent(agreement.share)} % of {agreement.pairs} pairs of votes; alpha {alpha}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _chance(p: float) -> str:
    return "p < 0.001" if p < 0.0005 else f"p = {p:.3f}"
