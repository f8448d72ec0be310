"""From the values of plans to corpora: plans that helped, and pairs of plans of which one helped more."""

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from stepdown.corpus import (
    CHOSEN,
    REJECTED,
    Card,
    Corpus,
    CorpusWriter,
    PlanLineage,
    open_corpus,
    write_plan_lineages,
)
from stepdown.errors import UsageError
from stepdown.measuring import PlanValues, ValuedPlan, paired_plans
from stepdown.store import Run
from stepdown.text import counted


def check_kept(values: PlanValues) -> None:
    """Raise `UsageError` where no plan is worth being learned."""
    if not values.kept:
        raise UsageError(
            f"none of {counted(len(values.plans), 'plan')} is worth more than {100 * values.above:g} points, tells no "
            f"answer and has an end: {values.leaking} tell it, {values.cut} are cut",
            "take more problems, plans or draws, longer plans (--teacher-max-tokens), or a lower --above",
        )


def write_valued_plans(
    runs: Sequence[Run],
    values: PlanValues,
    found: Sequence[ValuedPlan],
    out: str | Path,
    *,
    most: int | None = None,
    force: bool = False,
    licence: str = "",
) -> Corpus:
    """Write the kept plans of `value_plans` as a corpus, at most so many of a problem, best first: what SFT learns.

    `plan_values.jsonl` beside it has what each is worth, and against what. Raises `UsageError` where none is kept.
    """
    check_kept(values)
    card = _card(runs, values, licence, f"kept are plans worth more than {100 * values.above:g} points")
    card = replace(card, content="plan")
    rows: list[PlanLineage] = []
    taken: dict[str, int] = {}
    with CorpusWriter(out, card=card, force=force) as corpus:
        for one in found:
            name = one.value.problem
            if one.value.kept and (most is None or taken.get(name, 0) < most):
                taken[name] = taken.get(name, 0) + 1
                corpus.add(one.chain)
                rows.append(_lineage(one, values))
        write_plan_lineages(corpus.folder, rows)
    return open_corpus(out)


def write_plan_pairs(
    runs: Sequence[Run],
    values: PlanValues,
    found: Sequence[ValuedPlan],
    out: str | Path,
    *,
    gap: float,
    force: bool = False,
    licence: str = "",
) -> Corpus:
    """Write pairs of plans of one problem, the one that is worth at least `gap` (a share of 1) more first.

    `train` learns from them with the objective `dpo`, asking as planners are asked. Raises `UsageError` where no pair
    is so far apart.
    """
    pairs = list(paired_plans(found, gap))
    if not pairs:
        raise UsageError(
            f"no two plans of a problem are {100 * gap:g} points apart",
            "take more plans a problem (--plan-samples), or a smaller --gap",
        )
    card = _card(runs, values, licence, f"of each pair the first is worth at least {100 * gap:g} points more")
    card = replace(card, content="preference", texts="plan")
    with CorpusWriter(out, card=card, force=force) as corpus:
        for pair in pairs:
            for one, variant in zip(pair, (CHOSEN, REJECTED), strict=True):
                corpus.add(replace(one.chain, problem=pair[0].problem, variant=variant))
        write_plan_lineages(corpus.folder, (_lineage(one, values) for pair in pairs for one in pair))
    return open_corpus(out)


def _card(runs: Sequence[Run], values: PlanValues, licence: str, rule: str) -> Card:
    settings = runs[0].settings
    alike = {one.settings.teacher_sampling for one in runs} == {settings.teacher_sampling}
    return Card(
        dataset=settings.dataset,
        origin=f"plans of {', '.join(f'run {one.id}' for one in runs)}, valued against run {values.without}",
        method=settings.method,
        prompt_set=settings.prompt_set,
        prompts=settings.prompts,
        sampling=settings.teacher_sampling if alike else None,
        licence=licence,
        notes=(
            f"texts are plans; a plan's value is right answers of {values.student} with it minus without it; {rule}",
            f"left out: {counted(values.leaking, 'plan')} that tell the answer, {values.cut} without an end",
        ),
    )


def _lineage(one: ValuedPlan, values: PlanValues) -> PlanLineage:
    value = one.value
    return PlanLineage(
        problem=value.problem,
        sample=one.chain.sample,
        run=value.run,
        draw=value.draw,
        student=values.student,
        right=value.right,
        graded=value.graded,
        without=values.without,
        right_without=value.right_without,
        graded_without=value.graded_without,
        value=value.value,
        low=value.low,
        high=value.high,
    )
