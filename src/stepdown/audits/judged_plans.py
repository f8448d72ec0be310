"""A judge model in place of the rule: what became of each step of a run's plans, kept in the store under its name."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import msgspec

from stepdown import alignment, prompts
from stepdown.alignment import LONGEST, plan_steps
from stepdown.audits.plan_adherence import Progress, StepJudge, blocks_with_letters, key_of
from stepdown.errors import CallFailed, UnknownName
from stepdown.graders import judge_name
from stepdown.identity import fingerprint
from stepdown.prompts import followed_messages, letters_in
from stepdown.runner import Request
from stepdown.store import BLOCK_BITS, Run, keep_letters, kept_letters, letters_by
from stepdown.types import Model, Sampling, Trace

AT_ONCE = 32
_PER_STEP, _LEAST = 16, 512  # tokens of a reply


class JudgedPlans(msgspec.Struct, frozen=True, kw_only=True):
    """What a judge said of the plans of some runs, by its name as letters are kept under it.

    Of `traces` with a plan and a solution, `judged` have a word for every step; `failed` calls brought no answer, and
    of `unread` replies nothing could be read, or the texts are too long to be shown.
    """

    by: str
    traces: int
    judged: int
    failed: int
    unread: int


@cache
def judge_version() -> str:
    """Return what stands for the question, how it is answered, and what is a step: another version judges anew."""
    files = (Path(prompts.__file__).with_name("following.py"), Path(alignment.__file__).with_name("plan_steps.py"))
    return fingerprint([file.read_text(encoding="utf-8") for file in files])[:16]


def step_judge(judge: Model) -> StepJudge:
    """Return who a model is as a judge of steps."""
    return StepJudge(f"judge:{judge_name(judge)}", judge_version())


def kept_judges(runs: Iterable[Run]) -> list[str]:
    """Return the names of the judges whose letters, to today's question, are kept of any of these runs."""
    kept = {by for run in runs for by, version in letters_by(run) if version == judge_version()}
    return sorted(by.removeprefix("judge:") for by in kept)


def kept_judge(runs: Sequence[Run], name: str) -> StepJudge:
    """Return the judge of this name whose letters are kept. Raises `UnknownName`."""
    known = kept_judges(runs)
    if name not in known:
        raise UnknownName("judge of steps", name[:80], known, more="`stepdown audit RUN --judge MODEL` asks one")
    return StepJudge(f"judge:{name}", judge_version())


def letters_of_judges(run: Run, trace: Trace, ordinal: int) -> dict[str, str]:
    """Return what each judge says of a trace of a run, by their names; its place is its problem's ordinal."""
    judges = [StepJudge(f"judge:{name}", judge_version()) for name in kept_judges([run])]
    kept = {one.name: kept_letters(run, one.by, one.version, ordinal >> BLOCK_BITS) for one in judges}
    return {name: letters[key_of(trace)] for name, letters in kept.items() if key_of(trace) in letters}


def judge_request(judge: Model, trace: Trace) -> Request | None:
    """Return what a judge is asked of a trace, None where there are no steps or the texts are too long."""
    plan, solution = trace.plan.text if trace.plan else "", trace.solution or ""
    steps = [step.text for step in plan_steps(plan)] if len(plan) <= LONGEST else []
    if not steps or not solution or len(solution) + len(trace.problem.question) > LONGEST:
        return None
    messages = followed_messages(trace.problem, steps, solution)
    return Request("judge", judge, messages, Sampling(max_tokens=max(_LEAST, _PER_STEP * len(steps))))


def to_judge(run: Run, judge: StepJudge, most: int | None = None) -> Iterator[Trace]:
    """Stream the traces that a judge has no letters for, of a run's first `most` with a plan and a solution."""
    for _, rows, known in _blocks(run, judge, most):
        yield from (trace for trace in rows if key_of(trace) not in known)


async def judge_plans(
    runs: Sequence[Run], judge: Model, *, most: int | None = None, progress: Progress | None = None
) -> JudgedPlans:
    """Ask a judge about the plans of runs that it has not judged, of each run the first `most`; keep what it says.

    Its calls go through whatever `judge` is: one whose replies are stored is paid for once. What was answered is kept
    where something stops it, such as `BudgetReached`.
    """
    by = step_judge(judge)
    done, total = 0, sum(1 for run in runs for _ in to_judge(run, by, most))
    traces = judged = failed = 0
    for run in runs:
        for block, rows, known in _blocks(run, by, most):
            missing = (trace for trace in rows if key_of(trace) not in known)
            while some := list(islice(missing, AT_ONCE)):
                failed += await _judge_some(run, judge, some, (block, known))
                done += len(some)
                if progress is not None:
                    progress(done, total)
            traces, judged = traces + len(rows), judged + sum(key_of(trace) in known for trace in rows)
    return JudgedPlans(by=by.by, traces=traces, judged=judged, failed=failed, unread=traces - judged - failed)


async def _judge_some(run: Run, judge: Model, some: Sequence[Trace], kept: tuple[int, dict[str, str]]) -> int:
    """Keep a judge's letters of some traces of a block beside those it has; return how many calls failed."""
    (block, known), by = kept, step_judge(judge)
    ended = await asyncio.gather(*(judge_letters(judge, trace) for trace in some), return_exceptions=True)
    known |= {key_of(trace): one for trace, one in zip(some, ended, strict=True) if isinstance(one, str)}
    keep_letters(run, by.by, by.version, block=block, letters=known)
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, CallFailed):
            raise one
    return sum(isinstance(one, CallFailed) for one in ended)


async def judge_letters(judge: Model, trace: Trace) -> str | None:
    """Return a judge's letters for the steps of a trace's plan, None where nothing can be read in its reply.

    Raises `CallFailed`, and what stops a judge.
    """
    asked = judge_request(judge, trace)
    if asked is None or trace.plan is None:
        return None
    replies = await judge.reply(asked.messages, asked.sampling)
    return letters_in(replies[0].text, len(plan_steps(trace.plan.text)))


def _blocks(run: Run, judge: StepJudge, most: int | None) -> Iterator[tuple[int, list[Trace], dict[str, str]]]:
    """Stream a run's blocks with their traces to judge, of the first `most`, and the letters that are kept."""
    left = most
    for rows, known in blocks_with_letters(run, judge=judge):
        some = [trace for _, trace, _ in rows[:left]]
        left = None if left is None else left - len(some)
        if some:
            yield rows[0][0] >> BLOCK_BITS, some, known
