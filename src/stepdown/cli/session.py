"""One command's runs from the first call to the last: budget, progress, interruptions, and what became of each."""

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress

from msgspec import structs

from stepdown.audits import keep_audits
from stepdown.cli.console.interrupts import LEASH, interruptible
from stepdown.cli.console.passes import telling
from stepdown.cli.console.progress import Entry, Screen, SpendingMeter, screen
from stepdown.cli.console.review_prompt import ReviewPrompt
from stepdown.cli.console.terminal import say
from stepdown.cli.grid import Players
from stepdown.cli.parts import Parts
from stepdown.cli.progress_lines import ProgressLines
from stepdown.cli.run_summaries import Paid, Result, result_of
from stepdown.cli.until_decided import decisions_of
from stepdown.cli.unused_options import command_mark
from stepdown.errors import Interrupted, StepdownError, UsageError
from stepdown.loops import run_loop
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.runner import BatchClient, Budget, LiveCounts, Stop, Task, UntilDecided, run_together
from stepdown.settings import BudgetSettings
from stepdown.store import (
    NO_LABELS,
    Locked,
    Run,
    RunLabels,
    StoppedComparison,
    check_shard,
    expected_problems,
    ids_called,
    label,
    note_command,
    note_studies,
    stored_comparisons,
    tag,
)
from stepdown.types import Settings

# Lines of progress a second to the server that started the command, over all runs: each reads its run's figures.
MOST_LINES = 10
Way = ReviewPrompt | Parts | BatchClient | UntilDecided


class Session:
    """Runs tasks at once within one budget; `results` and `stopped` say what became of them.

    A `way` is another than to make the calls of all tasks at once, to their end: a prompt at which a person decides on
    each plan, one task after another; processes that do the work in place of this one; a client of batch APIs; or what
    ends runs early. Runs are called by the `labels`, besides what they are called already, and keep which study file
    they came from.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        players: Players,
        money: BudgetSettings,
        *,
        way: Way | None = None,
        labels: RunLabels = NO_LABELS,
    ) -> None:
        self.reviewer = way if isinstance(way, ReviewPrompt) else None
        self.parts = way if isinstance(way, Parts) else None
        self.client = way if isinstance(way, BatchClient) else None
        self.until = way if isinstance(way, UntilDecided) else None
        self.labels = labels
        self._command, self._labelled = "", set[str]()
        self.tasks, self.players, self.store = tasks, players, players.store
        self.prices = Prices(money.prices)
        self.budget = Budget(self.prices, money=money.budget, tokens=money.max_tokens_total)
        self.spending = SpendingMeter(self.budget)
        self.stop = self.reviewer.stop if self.reviewer else Stop()
        self.results: list[Result] = []
        self.seconds = 0.0
        self.settings = self._settings()
        self.entries = self._entries()
        self.screen: Screen = screen(self.spending, self.entries, talking=self.reviewer is not None)
        self._counts: dict[str, LiveCounts] = {}
        self._lines: dict[str, ProgressLines] = {}

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

    def _settings(self) -> dict[str, Settings]:
        """Refuse what cannot be right anywhere in the grid, and count what earlier commands spent on its runs.

        Returns the settings of each run by its id in the store, in the order of the tasks.
        """
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
        known = {self.store.id_of(one): one for one in settings}
        self.budget.covers = tuple(known)
        for model_name, usage in self.store.paid(self.budget.covers):
            self.budget.add(model_name, usage)
        return known

    def _entries(self) -> dict[str, Entry]:
        return {
            run: Entry(task, settings.count * settings.samples)
            for (run, settings), task in zip(self.settings.items(), self.tasks, strict=True)
        }

    def work(self) -> None:
        """Run all tasks; what was answered is kept whatever happens."""
        self.players.fetch()
        self._command, began = command_mark(), time.monotonic()
        self.solve(self.screen)
        self.seconds = time.monotonic() - began
        for run in self.settings:
            self._label(run, wait=True)
        for run in self.settings:
            if run in self._counts:
                self._keep(run, self._counts[run])
        if not isinstance(self.stopped, Interrupted):
            written = [result.run for result in self.results]
            keep_audits(self.store.path, written, progress=telling("leaks and faults", "traces"))

    def solve(self, screen: Screen, *, held: bool | None = None) -> None:
        """Run all tasks while a screen follows them; `held` is what `interruptible` is told."""
        self.screen = screen
        with interruptible(self.stop, held=held), screen:
            run_loop(self._work())

    async def _work(self) -> None:
        together = [[task] for task in self.tasks] if self.reviewer else [list(self.tasks)]
        try:
            for tasks in together:
                await self._run(tasks)
                if self.stop.why is not None:
                    break
        finally:
            await self.players.close()
            if self.client is not None:
                await self.client.close()

    async def _run(self, tasks: Sequence[Task]) -> None:
        asking = [self.store.id_of(task.settings()) for task in tasks if task.review]
        try:
            async with self.reviewer.asking(asking[0]) if self.reviewer and asking else nullcontext():
                if self.parts:
                    await self.parts.work(self.stop, self.budget, self._follow)
                    for run in self._counts:
                        self.store.run(run).refresh()
                else:
                    await run_together(
                        tasks,
                        self.store,
                        budget=self.budget,
                        progress=self._follow,
                        stop=self.stop,
                        batches=self.client,
                        until=self.until,
                    )
        except StepdownError as error:
            self.stop(error)
        for run, lines in self._lines.items():
            lines.update(self._counts[run], last=True)

    def _label(self, name: str, *, wait: bool = False) -> None:
        """Keep how a run is called and that this command ran it, once it is there; at the next look if others write."""
        if not self._command or name in self._labelled or name not in ids_called(self.store, name):
            return
        with suppress(*([] if wait else [Locked])), self.store.writing(wait=wait):
            run = self.store.run(name)
            note_command([run], self._command)
            note_studies(run, *self.labels.studies)
            try:
                label(run, name=self.labels.name or None)
                tag(run, *self.labels.tags)
            except UsageError as refused:  # its own id or data set is what the name means
                say(f"run {name} is not called so: {refused.what}")
            self._labelled.add(name)

    def _follow(self, counts: LiveCounts) -> None:
        run = counts.run
        self._label(run)
        self._counts[run] = counts
        self.screen.update(counts)
        if os.environ.get(LEASH):
            if run not in self._lines:
                every = max(1.0, len(self.settings) / MOST_LINES)
                self._lines[run] = ProgressLines(self.store, self.settings[run], self.prices, every=every)
            self._lines[run].update(counts, last=counts.solved >= counts.total)

    def _keep(self, name: str, counts: LiveCounts) -> None:
        spent = self.budget.by_run[name]
        known = self.spending.knows(self.entries[name].task)
        paid = Paid(spent.tokens, round(spent.money, 10) if known else None)
        run = self.store.open_run(self.settings[name])
        row, errors = report(run, prices=self.prices).rows[0], run.summary().errors
        most = counts.solved // run.settings.samples if self.until else expected_problems(run)
        row = structs.replace(row, total=min(row.total, most))
        why = self.stop.why.what if self.stop.why else None
        self.results.append(result_of(row, counts, paid, errors=errors, seconds=counts.seconds, stopped=why,
                                      comparisons=self._comparisons(run)))  # fmt: skip

    def _comparisons(self, run: Run) -> tuple[StoppedComparison, ...]:
        """What comparisons of a run came to that this command decides."""
        found = stored_comparisons(run).values() if self.until else ()
        return tuple(one for one in found if {one.run, one.baseline} <= self.settings.keys())

    @property
    def decisions(self) -> list[str]:
        """What the comparisons of this command came to, a line each; none where nothing ends early."""
        return [*decisions_of(one for result in self.results for one in result.comparisons if one.run == result.run)]
