"""One command's runs from the first call to the last: budget, progress, interruptions, and what became of each."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from msgspec import structs

from stepdown.cli.console.interrupts import LEASH, interruptible
from stepdown.cli.console.progress import SpendingMeter, screen
from stepdown.cli.console.review_prompt import ReviewPrompt
from stepdown.cli.grid import Players
from stepdown.cli.progress_lines import ProgressLines
from stepdown.cli.run_summaries import Paid, Result, result_of
from stepdown.errors import StepdownError
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.runner import Budget, LiveCounts, ProgressCallback, Stop, Task, run_task
from stepdown.settings import BudgetSettings
from stepdown.store import check_shard, expected_problems
from stepdown.types import Settings

Follow = Callable[[Task, str], ProgressCallback]


class Session:
    """Runs tasks one after another within one budget; `results` and `stopped` say what became of them.

    At a `reviewer` a person decides on each plan while a run goes on.
    """

    def __init__(
        self, tasks: Sequence[Task], players: Players, money: BudgetSettings, *, reviewer: ReviewPrompt | None = None
    ) -> None:
        self.reviewer = reviewer
        self.tasks, self.players, self.store = tasks, players, players.store
        self.prices = Prices(money.prices)
        self.budget = Budget(self.prices, money=money.budget, tokens=money.max_tokens_total)
        self.spending = SpendingMeter(self.budget)
        self.stop = reviewer.stop if reviewer else Stop()
        self.results: list[Result] = []
        self.settings = self._settings()

    @property
    def stopped(self) -> StepdownError | None:
        """Why the session did not go on to its end."""
        return self.stop.why

    @property
    def exit_code(self) -> int:
        """0 where every problem is graded, 1 where some are not, or the code of what stopped it."""
        if self.stopped is not None:
            return self.stopped.exit_code
        return int(any(result.graded < result.total for result in self.results))

    def _settings(self) -> list[Settings]:
        """Refuse what cannot be right anywhere in the grid, and count what earlier commands spent on its runs."""
        self.players.check_place()
        settings = [task.settings() for task in self.tasks]
        for task, one in zip(self.tasks, settings, strict=True):
            if task.shard is not None:
                check_shard(self.store, self.store.id_of(one), task.shard)
        for task in self.tasks:
            for model in (task.student, task.planner):
                if model is not None:
                    self.budget.check(model.name)
        # Two tasks of one setting (a method named twice by other words) are one run.
        self.tasks = list({one.id: task for one, task in zip(settings, self.tasks, strict=True)}.values())
        known = {one.id: one for one in settings}
        self.budget.covers = tuple(map(self.store.id_of, known.values()))
        for model_name, usage in self.store.paid(self.budget.covers):
            self.budget.add(model_name, usage)
        return list(known.values())

    def work(self) -> None:
        """Run all tasks; what was answered is kept whatever happens."""
        self.players.fetch()
        with interruptible(self.stop), screen(self.spending, talking=self.reviewer is not None) as view:
            asyncio.run(self._work(view.follow))

    async def _work(self, follow: Follow) -> None:
        try:
            for position, (task, settings) in enumerate(zip(self.tasks, self.settings, strict=True), 1):
                await self._run(task, settings, follow(task, f"{position}/{len(self.tasks)}"))
                if self.stop.why is not None:
                    break
        finally:
            await self.players.close()

    async def _run(self, task: Task, settings: Settings, progress: ProgressCallback) -> None:
        run = self.store.id_of(settings)
        spent, began, last = self._spent(), time.monotonic(), [LiveCounts(run, 0)]
        sent = ProgressLines(self.store, settings, self.prices) if os.environ.get(LEASH) else None

        def follow(counts: LiveCounts) -> None:
            last[0] = counts
            progress(counts)
            if sent is not None:
                sent.update(counts)

        try:
            async with self.reviewer.asking(run) if self.reviewer and task.review else nullcontext():
                await run_task(task, self.store, budget=self.budget, progress=follow, stop=self.stop)
        except StepdownError as error:
            self.stop(error)
        if sent is not None:
            sent.update(last[0], last=True)
        self._keep(settings, last[0], spent, time.monotonic() - began)

    def _spent(self) -> tuple[int, float]:
        return self.budget.spent_tokens, self.budget.spent_money

    def _keep(self, settings: Settings, counts: LiveCounts, before: tuple[int, float], seconds: float) -> None:
        tokens, money = self._spent()
        paid = Paid(tokens - before[0], round(money - before[1], 10) if self.spending.known else None)
        run = self.store.open_run(settings)
        row, errors = report(run, prices=self.prices).rows[0], run.summary().errors
        row = structs.replace(row, total=min(row.total, expected_problems(run)))
        why = self.stop.why.what if self.stop.why else None
        self.results.append(result_of(row, counts, paid, errors=errors, seconds=seconds, stopped=why))
