"""A judge of what became of the steps of plans: what it would take, and asking it."""

from collections.abc import Iterator, Sequence

import msgspec

from stepdown.alignment import plan_steps
from stepdown.audits import JudgedPlans, judge_plans, judge_request, step_judge, to_judge
from stepdown.cli.console.passes import telling
from stepdown.cli.console.terminal import say
from stepdown.cli.judge_costs import Judging
from stepdown.loops import run_loop
from stepdown.measuring import cached_model
from stepdown.models import Prices
from stepdown.runner import Request
from stepdown.store import Run
from stepdown.text import count, counted, money
from stepdown.types import Model, Usage

# English has about so many characters a token; a reply has a number, a word and some signs for each step.
_CHARACTERS, _TOKENS_OF_STEP = 4, 8
_AT_ONCE = 500


class JudgeEstimate(msgspec.Struct, frozen=True):
    """What a judge would take: `calls` to send, besides those `cached` in the store, their tokens and US dollars.

    `cost` takes replies of a word for each step, `most` replies as long as is allowed; None where a price is unknown.
    """

    judge: str
    calls: int
    cached: int
    tokens: int
    cost: float | None
    most: float | None

    def __str__(self) -> str:
        return (f"judge `{self.judge}`: {counted(self.calls, 'call')} to send, {self.cached:,} in the store · about "
                f"{count(self.tokens)} tokens · {money(self.cost)}, at most {money(self.most)}")  # fmt: skip


def estimate_judge(runs: Sequence[Run], judge: Model, prices: Prices, most: int | None) -> JudgeEstimate:
    """Return what judging these runs would take beside what is known; nothing is sent."""
    wanted = dict(_asked(runs, judge, most))
    keys, store = list(wanted), runs[0].store
    stored = {key for at in range(0, len(keys), _AT_ONCE) for key in store.replies(keys[at : at + _AT_ONCE])}
    usual = [usage for key, (usage, _) in wanted.items() if key not in stored]
    longest = [usage for key, (_, usage) in wanted.items() if key not in stored]
    return JudgeEstimate(
        judge=judge.name, calls=len(usual), cached=len(stored), tokens=sum(one.input + one.output for one in usual),
        cost=_sum(prices, judge, usual), most=_sum(prices, judge, longest),
    )  # fmt: skip


def _asked(runs: Sequence[Run], judge: Model, most: int | None) -> Iterator[tuple[bytes, tuple[Usage, Usage]]]:
    """Stream the calls by their keys, with what each takes as a rule and at most."""
    by = step_judge(judge)
    for trace in (trace for run in runs for trace in to_judge(run, by, most)):
        request = judge_request(judge, trace)
        if request is not None and trace.plan is not None:
            read, written = _read(request), _TOKENS_OF_STEP * (1 + len(plan_steps(trace.plan.text)))
            yield request.key, (Usage(read, written), Usage(read, request.sampling.max_tokens))


def _read(request: Request) -> int:
    return sum(len(message.content) for message in request.messages) // _CHARACTERS


def _sum(prices: Prices, judge: Model, usages: Sequence[Usage]) -> float | None:
    known = [prices.cost(judge.name, usage) for usage in usages]
    return None if None in known else sum(one for one in known if one is not None)


def ask_judge(runs: Sequence[Run], judge: Model, judging: Judging, most: int | None) -> JudgedPlans:
    """Ask a judge what became of the steps, within its budget, and say what it took; what it said is kept.

    Raises what stops it, such as `BudgetReached`.
    """
    say(str(estimate_judge(runs, judge, judging.prices, most)))

    async def work() -> JudgedPlans:
        cached = cached_model(judge, runs[0].store, judging=budget)
        try:
            return await judge_plans(runs, cached, most=most, progress=telling("judge", "traces"))
        finally:
            if judge.capabilities.connects:
                await judge.close()

    with judging.budgeted() as budget:
        found = run_loop(work())
    say(f"judged {found.judged:,} of {found.traces:,} traces with a plan and a solution"
        + f"; {found.failed:,} calls failed" * bool(found.failed)
        + f"; of {found.unread:,} no word for every step could be read" * bool(found.unread))  # fmt: skip
    return found
