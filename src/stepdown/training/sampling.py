"""From runs to corpora: the chains a teacher wrote, or the plans that students followed."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Unpack

import msgspec

from stepdown.corpus import (
    Card,
    Corpus,
    CorpusWriter,
    Lineage,
    ShardPlaces,
    check_out,
    note_of,
    open_corpus,
    write_lineages,
)
from stepdown.errors import UsageError
from stepdown.graders import load_grader
from stepdown.methods import CHAIN_OF_THOUGHT, FEW_SHOT
from stepdown.problems import Problems
from stepdown.prompts import Demonstration, PromptSet, completes, load_prompts, with_demonstrations, with_stops
from stepdown.questions import question_key
from stepdown.runner import (
    Budget,
    ProblemOptions,
    ProgressCallback,
    Task,
    as_demonstrations,
    as_grader,
    as_model,
    as_problems,
    as_shard,
    as_store,
    check_options,
    problem_options,
    run_one,
)
from stepdown.shards import Shard
from stepdown.store import Run, Store
from stepdown.training.contamination import refuse_tests
from stepdown.types import Chain, Grade, Grader, Model, Problem, Sampling, Trace

# SCoTD's teacher was sampled at T = 1.0 (Li et al., ACL 2023, section 2).
SAMPLING = Sampling(temperature=1.0, max_tokens=512)
CHAINS = 30
GOLD = "gold"


def sampling_task(
    problems: Problems | Sequence[Problem],
    teacher: Model,
    *,
    chains: int = CHAINS,
    demonstrations: Sequence[Demonstration] = (),
    zero_shot: bool = False,
    prompts: PromptSet | str = "default",
    sampling: Sampling = SAMPLING,
    stops: tuple[str, ...] | None = None,
) -> Task:
    """Return the task whose run holds `chains` solutions of each problem by a teacher: SCoTD's first step.

    Ours or the given demonstrations are shown first; `zero_shot` asks for step-by-step thinking instead. `stops` end a
    chain; None are the usual ones (see `with_stops`).
    """
    words = load_prompts(prompts, code=True) if isinstance(prompts, str) else prompts
    return Task(
        problems=as_problems(problems),
        method=CHAIN_OF_THOUGHT if zero_shot else FEW_SHOT,
        student=teacher,
        grader=load_grader(),
        prompts=words if zero_shot else with_demonstrations(words, tuple(demonstrations)),
        sampling=with_stops(sampling, stops, words, examples=not zero_shot, completes=completes(teacher)),
        samples=chains,
        role="teacher",
    )


class SampleOptions(ProblemOptions, total=False):
    """How chains are sampled; `ProblemOptions` choose the problems."""

    demonstrations: Sequence[Demonstration] | str | Path
    """Worked examples that are shown first, or their file; ours where none are given."""
    zero_shot: bool
    """Ask for step-by-step thinking instead."""
    prompts: PromptSet | str
    """The prompt set; `default` where not given."""
    grader: Grader | str
    """What labels the chains: a grader or its name."""
    sampling: Sampling
    """How chains are drawn: at temperature 1 and up to 512 tokens where not given."""
    stops: tuple[str, ...]
    """End a chain before any of these; the usual ones where not given."""
    store: Store | str | Path
    """Where calls and the run are kept."""
    shard: Shard | str | None
    """Sample this part of the problems only, such as `"2/3"`, by the hash of each question."""
    budget: Budget | float
    """A limit; a number is in US dollars, for this run with what it has cost before."""
    progress: ProgressCallback
    """Called with what is done so far."""
    allow: Sequence[str]
    """`test` lets test questions be asked."""
    force: bool
    """Replace a corpus that is there."""


def sample(
    problems: Problems | Sequence[Problem] | str,
    *,
    teacher: Model | str,
    out: str | Path,
    chains: int = CHAINS,
    **options: Unpack[SampleOptions],
) -> Corpus:
    """Sample chains per problem from a teacher, grade them and write them as a corpus (Li et al. 2023, section 2).

    What the store has is not asked again: raising 10 chains to 30 asks for 20. Draws that failed are left out and
    counted in the card. Test questions are refused, whatever they are called, unless `allow` names `test`. Names may
    stand wherever objects may; `SampleOptions` has all options. Raises `UsageError` before any call, `EndpointRefused`.
    """
    check_options(dict(options), SampleOptions)
    check_out(Path(out), force=options.get("force", False))
    store = as_store(options.get("store"))
    chosen = as_problems(problems, problem_options(options))
    refuse_tests(chosen.dataset, chosen, allow=options.get("allow", ()), store=store)
    demonstrations = as_demonstrations(options.get("demonstrations", ()))
    task = sampling_task(
        chosen,
        as_model(teacher, store),
        chains=chains,
        demonstrations=demonstrations,
        zero_shot=options.get("zero_shot", False),
        prompts=options.get("prompts", "default"),
        sampling=options.get("sampling", SAMPLING),
        stops=options.get("stops"),
    )
    task = msgspec.structs.replace(task, grader=as_grader(options.get("grader", "default"), store))
    named = {"student"} if isinstance(teacher, str) else set[str]()
    task = msgspec.structs.replace(task, shard=as_shard(options.get("shard")))
    run = run_one(task, store, budget=options.get("budget"), progress=options.get("progress"), named=named)
    return write_chains(run, out, force=options.get("force", False), demonstrations=demonstrations, shard=task.shard)


def write_chains(
    run: Run,
    out: str | Path,
    *,
    force: bool = False,
    licence: str = "",
    demonstrations: Sequence[Demonstration] = (),
    shard: Shard | None = None,
    lineage: Callable[[Trace], Lineage] | None = None,
    notes: tuple[str, ...] = (),
) -> Corpus:
    """Write the solutions of a run, or of the problems of a shard, as a corpus of chains.

    `demonstrations` are those its teacher saw. `lineage` says of a mended chain what it was made of, `notes` go on the
    card.
    """
    failed = run.summary().errors
    if len(run) == failed and shard is None:
        raise UsageError(f"run `{run.id}` has no solution", "the same command tries again; `stepdown traces` says why")
    notes = (*notes, *((f"{failed} draws failed and are left out",) if failed else ()))
    versions, lineages = set[str](), list[Lineage]()
    behind = frozenset(question_key(one.question, one.choices) for one in demonstrations)
    with CorpusWriter(out, card=_card(run, notes=notes, licence=licence), force=force, behind=behind) as corpus:
        rows = run.rows() if shard is None else _shard_rows(run, shard, corpus)
        for _, trace, grade in rows:
            if trace.solution is not None:
                versions.add(trace.calls[-1].reply.model)
                corpus.add(chain_of(trace, grade))
                lineages += [lineage(trace)] if lineage else []
        write_lineages(corpus.folder, lineages)
        corpus.card = msgspec.structs.replace(corpus.card, versions=tuple(sorted(versions)))
    return open_corpus(out)


def _shard_rows(run: Run, shard: Shard, corpus: CorpusWriter) -> Iterator[tuple[int, Trace, Grade]]:
    """Stream the rows of a shard's problems, and write beside the corpus where they stand in the whole."""
    places = array("Q")
    problems, failed, last, placed = 0, 0, -1, -1
    for row in run.rows():
        ordinal, trace, _ = row
        if not shard.holds(trace.problem):
            continue
        problems, last = problems + (ordinal != last), ordinal
        failed += trace.solution is None
        if trace.solution is not None and placed != ordinal:
            placed = ordinal
            places.append(ordinal)
        yield row
    if not problems:
        raise UsageError(
            f"shard {shard} holds none of the {run.settings.count:,} problems",
            "it may be left out where the others are joined",
        )
    ShardPlaces(shard, run.settings.count, problems, 0, places).write(corpus.folder)
    left = (f"{failed} draws failed and are left out",) if failed else ()
    before = tuple(note for note in corpus.card.notes if not note.endswith("are left out"))
    corpus.card = msgspec.structs.replace(corpus.card, notes=(*before, *left, note_of(shard)))


def chain_of(trace: Trace, grade: Grade) -> Chain:
    """Return the solution of a trace as a chain.

    Where it is made of several texts, as a mended one is, nobody counted its tokens or how likely they are.
    """
    assert trace.solution is not None, "a trace that failed has no chain"
    call = trace.answer
    assert call is not None, "a solution comes from a call"
    usage = call.reply.usage
    is_whole = call.reply.text.strip() == trace.solution.strip()
    return Chain(
        problem=trace.problem,
        text=trace.solution,
        teacher=call.model,
        sample=trace.sample,
        grade=grade,
        logprob=call.reply.logprob if is_whole else None,
        tokens=usage.output if usage and is_whole else None,
        finish=call.reply.finish,
    )


def _card(run: Run, *, notes: tuple[str, ...] = (), licence: str = "") -> Card:
    settings = run.settings
    return Card(
        dataset=settings.dataset,
        origin=f"run {run.id}",
        method=settings.method,
        prompt_set=settings.prompt_set,
        prompts=settings.prompts,
        sampling=settings.sampling,
        licence=licence,
        notes=notes,
    )


def write_plans(runs: Sequence[Run], out: str | Path, *, force: bool = False, licence: str = "") -> Corpus:
    """Write the plans of runs as a corpus: what a distilled planner learns from.

    Runs are put together by problem and plan: a plan is graded right if at least one student who followed it was
    right, wrong if all were wrong. A person's newest edit takes the place of the plan it mends, ungraded until a run
    by it (`run --plans RUN`) is named too. Plans without a word, as models that only think write, are left out.
    """
    found = [chain for some in plans_of(runs).values() for chain in some.values()]
    plans = [chain for chain in found if chain.text.strip()]
    if not plans:
        raise UsageError("these runs have no plans", "name runs of `trace-of-thought`; `stepdown runs` lists them")
    card = msgspec.structs.replace(
        _card(runs[0], licence=licence),
        content="plan",
        origin="plans of " + ", ".join(f"run {run.id}" for run in runs),
        sampling=runs[0].settings.teacher_sampling,
        edits=len(_mended(runs)),
        notes=(f"{empty:,} plans without a word are left out",) if (empty := len(found) - len(plans)) else (),
    )
    with CorpusWriter(out, card=card, force=force) as corpus:
        for chain in plans:
            corpus.add(chain)
    return open_corpus(out)


def plans_of(runs: Sequence[Run]) -> dict[str, dict[str, Chain]]:
    """Return the plans of runs by problem id, then by text, each graded over all students who followed it."""
    plans: dict[str, dict[str, Chain]] = {}
    for run in runs:
        for trace, grade in run.graded():
            if trace.plan is not None:
                some = plans.setdefault(trace.problem.id, {})
                before = some.get(trace.plan.text)
                some[trace.plan.text] = _plan_chain(trace, grade, before, len(some))
    for run in runs:
        for problem, plan in run.plans():
            some = plans[problem.id]
            if plan.edited_from is not None and plan.text not in some:
                mended = some.pop(plan.edited_from, None)
                sample = mended.sample if mended else len(some)
                some[plan.text] = Chain(problem, plan.text, plan.author, sample=sample)
    return plans


def _mended(runs: Sequence[Run]) -> set[tuple[str, str]]:
    """Return the plans that are a person's newest edit, by problem and text."""
    newest = [{edit.problem: edit.plan.text for edit in run.edits()} for run in runs]
    return {plan for some in newest for plan in some.items()}


def _plan_chain(trace: Trace, grade: Grade, before: Chain | None, sample: int) -> Chain:
    """The plan of a trace with the better of its grade so far and this one."""
    plan = trace.plan
    assert plan is not None, "only a trace with a plan has one to keep"
    ranks = {"ungraded": 0, "wrong": 1, "right": 2}
    if before is not None and ranks[before.grade.verdict] >= ranks[grade.verdict]:
        return before
    call = next((call for call in trace.calls if call.role == "teacher"), None)
    return Chain(
        problem=trace.problem,
        text=plan.text,
        teacher=plan.author,
        sample=before.sample if before else sample,
        grade=Grade(grade.verdict, why=grade.why, grader=grade.grader),
        logprob=call.reply.logprob if call else None,
        tokens=call.reply.usage.output if call and call.reply.usage else None,
        finish=call.reply.finish if call else "stop",
    )


def write_gold(
    problems: Problems, out: str | Path, *, plans: bool = False, force: bool = False, licence: str = ""
) -> Corpus:
    """Write the benchmark's own worked solutions (or gold plans) as a corpus: the human-written control.

    Problems without one are left out and counted in the card. Raises `UsageError` where no problem has one.
    """
    content: Literal["plan", "chain"] = "plan" if plans else "chain"
    origin = f"gold {content}s of {problems.dataset}"
    card = Card(content=content, dataset=problems.dataset, origin=origin, licence=licence)
    without = overlap = 0
    with CorpusWriter(out, card=card, force=force) as corpus:
        for problem in problems:
            overlap += 1
            text = problem.plan if plans else problem.solution
            if not text.strip():
                without += 1
                continue
            grade = Grade("right", None if plans else problem.answer, "the data set's own", GOLD)
            corpus.add(Chain(problem, text, GOLD, grade=grade))
        if without == overlap:
            what = f"`{problems.dataset}` has no gold {content}s"
            raise UsageError(what, "wordsums has both, gsm8k and math solutions")
        notes = (f"{without:,} problems without one are left out",) if without else ()
        corpus.card = msgspec.structs.replace(card, notes=notes)
    return open_corpus(out)
