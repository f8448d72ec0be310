"""From preferences to a corpus of pairs: what a judge, or people, preferred becomes something to learn from."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from stepdown.corpus import CHOSEN, REJECTED, Card, Corpus, CorpusWriter, open_corpus
from stepdown.errors import UsageError
from stepdown.measuring import Preferences
from stepdown.store import Run
from stepdown.training.sampling import chain_of
from stepdown.types import Chain


def write_preferences(
    first: Run, second: Run, result: Preferences, out: str | Path, *, force: bool = False, licence: str = ""
) -> Corpus:
    """Write the pairs of two runs that have a verdict as a corpus, the preferred text of each before the other.

    `found` is what `prefer` or `read_votes` returned for these runs, in this order. Ties and pairs without a verdict
    are left out and counted in the card. `train` learns from the corpus with the objective `dpo`. Raises `UsageError`
    where no pair has a verdict, or `found` is of other runs.
    """
    if result.runs != (first.id, second.id):
        raise UsageError(
            f"the preferences are of runs {' and '.join(f'`{one}`' for one in result.runs)}",
            f"give those runs, in this order, not `{first.id}` and `{second.id}`",
        )
    if not result.won + result.lost:
        raise UsageError(
            f"none of {result.pairs} pairs has a verdict: {result.ties} ties, {result.unjudged} unjudged",
            "compare more problems, or ask another judge; nothing was written",
        )
    with CorpusWriter(out, card=_card(first, second, result, licence), force=force) as corpus:
        for chosen, rejected in _pairs(first, second, result):
            corpus.add(chosen)
            corpus.add(rejected)
    return open_corpus(out)


def _pairs(first: Run, second: Run, result: Preferences) -> Iterator[tuple[Chain, Chain]]:
    for item in result.items:
        if item.preferred not in ("first", "second"):
            continue
        one, other = (_chain(run, item.problem) for run in (first, second))
        chosen, rejected = (one, other) if item.preferred == "first" else (other, one)
        # Both runs ask the same question, but either may say more of its problem.
        rejected = msgspec.structs.replace(rejected, problem=chosen.problem, variant=REJECTED)
        yield msgspec.structs.replace(chosen, variant=CHOSEN), rejected


def _chain(run: Run, problem: str) -> Chain:
    """Return the first sample of a problem, which is what is compared."""
    _, trace, grade = run.attempts(problem)[0]
    if trace.calls:
        return chain_of(trace, grade)
    # An imported trace may say nothing of its calls.
    return Chain(trace.problem, trace.solution or "", run.settings.student, grade=grade)


def _card(first: Run, second: Run, result: Preferences, licence: str) -> Card:
    def common(one: str, other: str) -> str:
        return one if one == other else ""

    mine, other = first.settings, second.settings
    among = f", {result.where}" if result.where else ""
    return Card(
        content="preference",
        dataset=mine.dataset,
        origin=f"run {first.id} and run {second.id}, preferred by {result.by}{among}",
        method=common(mine.method, other.method),
        prompt_set=common(mine.prompt_set, other.prompt_set),
        prompts=common(mine.prompts, other.prompts),
        sampling=mine.sampling if mine.sampling == other.sampling else None,
        licence=licence,
        notes=(
            *([_decided(result)] if result.by == "people" else []),
            f"{result.won} times the text of run {first.id} is preferred, {result.lost} times that of run {second.id}",
            f"left out: {result.ties} ties, {result.split} of them by verdicts that disagree; "
            f"{result.unjudged} unjudged",
        ),
    )


def _decided(result: Preferences) -> str:
    """Say how people's votes decide a pair."""
    raters = f"{len(result.raters)} raters" if len(result.raters) != 1 else "1 rater"
    how = f"{len(result.adjudicated)} adjudicated, the others by more than half of the votes"
    alpha = result.agreement.alpha if result.agreement else None
    return f"{result.pairs} pairs by {raters}, {how}" + ("" if alpha is None else f"; Krippendorff's alpha {alpha:.2f}")
