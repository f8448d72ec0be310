"""From a student's wrong attempts to chains that a teacher mended: the second round of distillation."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypedDict, Unpack

import msgspec

from stepdown.corpus import Corpus, Lineage, check_out
from stepdown.errors import UsageError
from stepdown.graders import load_grader
from stepdown.methods import WrongAttempt, mended, mending
from stepdown.problems import Problems
from stepdown.prompts import PromptSet, completes, load_prompts, with_stops
from stepdown.runner import Budget, ProgressCallback, Task, as_grader, as_model, as_shard, check_options, run_one
from stepdown.shards import Shard
from stepdown.store import Run
from stepdown.training.contamination import refuse_tests
from stepdown.training.sampling import SAMPLING, write_chains
from stepdown.types import Grader, Model, Sampling, Trace


def wrong_attempts(run: Run, *, limit: int | None = None) -> tuple[WrongAttempt, ...]:
    """Return the first wrong attempt of each problem of a run that says something, of as many problems as `limit`.

    Raises `UsageError` where there is none.
    """
    found = tuple(islice(_wrong(run), limit))
    if not found:
        raise UsageError(
            f"run `{run.id}` has no wrong attempt to mend",
            "name a run whose student was wrong somewhere; `stepdown runs` lists them",
        )
    return found


def _wrong(run: Run) -> Iterator[WrongAttempt]:
    for attempts in run.by_problem():
        wrong = (trace for trace, grade in attempts if grade.verdict == "wrong" and (trace.solution or "").strip())
        if (trace := next(wrong, None)) is not None:
            yield WrongAttempt(trace.problem, trace.solution or "", run.settings.student, run.id, trace.sample)


def mending_task(
    run: Run,
    teacher: Model,
    *,
    chains: int = 1,
    limit: int | None = None,
    prompts: PromptSet | str = "default",
    sampling: Sampling = SAMPLING,
    stops: tuple[str, ...] | None = None,
) -> tuple[Task, tuple[WrongAttempt, ...]]:
    """Return the task whose run holds a teacher's corrections of a run's wrong attempts, and these."""
    attempts = wrong_attempts(run, limit=limit)
    words = load_prompts(prompts, code=True) if isinstance(prompts, str) else prompts
    task = Task(
        problems=Problems(run.settings.dataset, lambda: ((None, one.problem) for one in attempts)),
        method=mending(attempts),
        student=teacher,
        grader=load_grader(),
        prompts=words,
        sampling=with_stops(sampling, stops, words, completes=completes(teacher)),
        samples=chains,
        role="teacher",
    )
    return task, attempts


def write_mended(
    run: Run,
    attempts: tuple[WrongAttempt, ...],
    out: str | Path,
    *,
    force: bool = False,
    licence: str = "",
    shard: Shard | None = None,
) -> Corpus:
    """Write the mended chains of a run as a corpus, each with where it comes from beside it."""
    first = attempts[0]
    note = f"chains mend wrong attempts of run {first.run} by {first.student}; `lineages.jsonl` has these"
    by_problem = {one.problem.id: one for one in attempts}

    def lineage(trace: Trace) -> Lineage:
        attempt, reply = by_problem[trace.problem.id], trace.calls[-1].reply.text
        kept = len(mended(attempt, reply)[0])
        return Lineage(trace.problem.id, trace.sample, attempt.run, attempt.student, attempt.sample, attempt.text, kept)

    return write_chains(run, out, force=force, licence=licence, shard=shard, lineage=lineage, notes=(note,))


class MendOptions(TypedDict, total=False):
    """How wrong attempts are mended, by the names of `SampleOptions`."""

    limit: int
    """Take the first so many problems with a wrong attempt."""
    prompts: PromptSet | str
    """The prompt set; `default` where not given."""
    grader: Grader | str
    """What labels the chains: a grader or its name."""
    sampling: Sampling
    """How corrections are drawn: at temperature 1 and up to 512 tokens where not given."""
    stops: tuple[str, ...]
    """End a correction before any of these; the usual ones where not given."""
    shard: Shard | str | None
    """Take this part of the problems only."""
    budget: Budget | float
    """A limit; a number is in US dollars."""
    progress: ProgressCallback
    """Called with what is done so far."""
    allow: Sequence[str]
    """`test` lets test questions be asked."""
    force: bool
    """Replace a corpus that is there."""


def mend(run: Run, *, teacher: Model | str, out: str | Path, chains: int = 1, **options: Unpack[MendOptions]) -> Corpus:
    """Have a teacher mend the wrong attempts of a run from their first wrong step, and write a corpus of the chains.

    `chains` corrections are drawn of the first wrong attempt of each problem, in the run's store; what that has is not
    asked again. Test questions are refused unless `allow` names `test`. Raises `UsageError` before any call.
    """
    check_options(dict(options), MendOptions)
    store, force = run.store, options.get("force", False)
    check_out(Path(out), force=force)
    task, attempts = mending_task(
        run,
        as_model(teacher, store),
        chains=chains,
        limit=options.get("limit"),
        prompts=options.get("prompts", "default"),
        sampling=options.get("sampling", SAMPLING),
        stops=options.get("stops"),
    )
    refuse_tests(run.settings.dataset, task.problems, allow=options.get("allow", ()), store=store)
    grader, shard = as_grader(options.get("grader", "default"), store), as_shard(options.get("shard"))
    task = msgspec.structs.replace(task, grader=grader, shard=shard)
    named = {"student"} if isinstance(teacher, str) else set[str]()
    made = run_one(task, store, budget=options.get("budget"), progress=options.get("progress"), named=named)
    return write_mended(made, attempts, out, force=force, shard=shard)
