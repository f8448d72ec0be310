"""A plan's problem solved again from the command line: who solves, and what came of it."""

import msgspec

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.grid import Players
from stepdown.loops import run_loop
from stepdown.runner import Calls, Rerun, finished, solve_again
from stepdown.settings import EndpointSettings
from stepdown.store import Run
from stepdown.text import counted
from stepdown.types import Plan, Problem, Verdict


class Solved(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `plans --edit PROBLEM --solve --json`: the verdicts by the run before and by the derived run now."""

    run: str
    problem: str
    derived: str
    student: str
    before: Verdict
    after: Verdict
    found: str | None
    plan: str
    author: str


def solve_edited(run: Run, problem: Problem, plan: Plan, *, student: str, prompts: str, as_json: bool) -> None:
    """Solve one problem of a run again by a plan and show what changed. Raises `UsageError`, `CallFailed`."""
    players = Players(run.store, EndpointSettings())
    calls = Calls(run.store)
    model = players.load(student or run.settings.student)
    players.fetch()

    async def work() -> Rerun:
        try:
            return await finished(solve_again(run, problem.id, plan=plan, student=model, calls=calls, prompts=prompts))
        finally:
            await calls.close()
            await players.close()

    say(f"solving with {model.name} ...")
    _show(run, run_loop(work()), plan, as_json=as_json)


def _show(run: Run, rerun: Rerun, plan: Plan, *, as_json: bool) -> None:
    trace, grade = rerun.after[0]
    before, after = rerun.flip
    if as_json:
        solved = Solved(
            run=run.id,
            problem=trace.problem.id,
            derived=rerun.run.id,
            student=rerun.run.settings.student,
            before=before,
            after=after,
            found=grade.found,
            plan=plan.text,
            author=plan.author,
        )
        show_json(solved)
        return
    for old, now in zip(rerun.before, rerun.after, strict=False):
        show("", f"{old[1].verdict} → {now[1].verdict}: {now[1].why}", (now[0].solution or "").strip())
    samples = f" by {counted(len(rerun.after), 'sample')}" if len(rerun.after) > 1 else ""
    say("", f"{before} → {after}{samples}; kept in run {rerun.run.id}: `stepdown report {run.id} {rerun.run.id}`")
