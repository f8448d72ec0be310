"""`stepdown chains`: the chains of a corpus, and why filters keep or drop each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, Json, Limit
from stepdown.corpus import Corpus, index_problems, open_corpus
from stepdown.errors import UsageError
from stepdown.prompts import question_text
from stepdown.text import counted
from stepdown.types import Chain

SHOWN = 20
Judged = tuple[Chain, str]


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class ChosenChains:
    """Which chains.

    Parameters
    ----------
    problem
        Only those of this problem, by its id or its number from 1; or of the first problems that have these words.
    where
        Only those that the filters keep, or drop.
    grep
        Only those that have these words in their text, in either case.
    limit
        At most this many; in a terminal 20 where nothing is said, with --json all.
    seed
        The seed of filters that choose at random.
    """

    problem: Annotated[str, Parameter(show_default=False)] = ""
    where: Literal["kept", "dropped"] | None = None
    grep: Annotated[str, Parameter(show_default=False)] = ""
    limit: Limit = None
    seed: int = 0


OPTIONS = ChosenChains()


class ShownChain(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `chains --json`: a chain, and the first filter that drops it, empty where all keep it."""

    problem: str
    question: str
    gold: str
    sample: int
    teacher: str
    text: str
    verdict: str
    found: str | None
    tokens: int | None
    logprob: float | None
    finish: str
    kept: bool
    dropped_by: str


def chains(corpus: Path, /, *filters: str, options: ChosenChains = OPTIONS, json: Json = False) -> int:
    """Show the chains of a corpus, problem by problem.

    Parameters
    ----------
    corpus
        A corpus.
    filters
        Filters as for `keep`, such as `right distinct`: each chain then says which of them drops it.
    """
    if options.where and not filters:
        raise UsageError("without filters every chain is kept", "name some, such as `right distinct`", option="--where")
    source = open_corpus(corpus)
    view = source.keep(*filters, seed=options.seed, code=True).prepared(telling("filters"))
    most = options.limit or (None if json else SHOWN)
    dropped: Counter[str] = Counter()
    read = shown = 0
    more = False
    for group in _groups(source, options.problem):
        judged = [(chain, by.name if by is not None else "") for chain, by in view.judged(group)]
        read += len(judged)
        dropped.update(by for _, by in judged)
        for chain, by in _chosen(judged, options):
            if shown == most:
                more = True
                break
            shown += 1
            if json:
                show_json(_shown(chain, by))
            else:
                show(_block(chain, by, bool(filters)), "")
        if more:
            break
    if not json:
        _end(read, shown, dropped, more, bool(filters))
    return 0


def _groups(source: Corpus, problem: str) -> Iterator[list[Chain]]:
    """Stream the chains of each problem, or of those that were asked for. Raises `UsageError` where there is none."""
    if not problem:
        yield from source.groups()
        return
    places = index_problems(source.path, source.card)
    found = places.find(problem)
    numbers = [found] if found is not None else []
    if not numbers and problem.isascii() and problem.isdecimal() and 1 <= int(problem[:20]) <= len(places):
        numbers = [int(problem[:20]) - 1]
    for number in numbers or places.search(problem):
        yield places.read(number)
        numbers = numbers or [number]
    if not numbers:
        raise UsageError(
            f"no question or id of `{source.path}` has `{problem[:80]}`", "give fewer words", option="--problem"
        )


def _chosen(judged: list[Judged], options: ChosenChains) -> Iterator[Judged]:
    words = options.grep.casefold()
    for chain, by in judged:
        if options.where and (options.where == "kept") == bool(by):
            continue
        if words and words not in chain.text.casefold():
            continue
        yield chain, by


def _shown(chain: Chain, by: str) -> ShownChain:
    return ShownChain(
        problem=chain.problem.id,
        question=chain.problem.question,
        gold=chain.problem.answer,
        sample=chain.sample,
        teacher=chain.teacher,
        text=chain.text,
        verdict=chain.grade.verdict,
        found=chain.grade.found,
        tokens=chain.tokens,
        logprob=chain.logprob,
        finish=chain.finish,
        kept=not by,
        dropped_by=by,
    )


def _block(chain: Chain, by: str, filtered: bool) -> str:
    """Return a chain as a person reads it."""
    fate = (f" · dropped by {by}" if by else " · kept") if filtered else ""
    about = [
        f"── {chain.problem.id} · sample {chain.sample} · {chain.grade.verdict}{fate}",
        question_text(chain.problem),
        f"chain ({chain.teacher}):\n{chain.text.strip()}",
        f"gold {chain.problem.answer} · found {chain.grade.found or 'nothing'}"
        + (f" · {chain.tokens} tokens" if chain.tokens is not None else "")
        + ("" if chain.finish == "stop" else f" · ended: {chain.finish}"),
    ]
    return "\n\n".join(about)


def _end(read: int, shown: int, dropped: Counter[str], more: bool, filtered: bool) -> None:
    """Say what was shown and, of a whole pass, what filters did."""
    if more:
        say(f"{counted(shown, 'chain')} shown, and there are more: -n shows them")
        return
    say(f"{shown:,} of {counted(read, 'chain')} shown")
    if filtered:
        parts = ", ".join(f"{count:,} by {name}" for name, count in dropped.most_common() if name)
        say(f"kept {dropped['']:,}" + (f"; dropped {parts}" if parts else ""))
