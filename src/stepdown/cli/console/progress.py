"""How far a run is, on stderr: one line redrawn in a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from stepdown.cli.console.terminal import is_lively, say
from stepdown.runner import Budget, LiveCounts, Task
from stepdown.text import clean, clipped, count, duration, money
from stepdown.types import Usage

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_SECONDS = 10.0
EVERY_SHARE = 0.1
_REDRAW = 0.1
BETWEEN_DELAYS = 5.0
_ROOM_FOR_BARS = 120
_ROOM_FOR_COUNTS = 9  # `1000/1000`; what is too wide gives way in the texts beside it


def titled(task: Task) -> str:
    """Return a task's name on one line: its method, its student and whose plans."""
    parts = [task.method.name, task.student.name]
    if task.method.plan is not None:
        parts.append(f"plans {task.planner.name if task.planner else task.plans.source}")
        parts += [task.plans.control] if task.plans.control else []
    return clean(" · ".join(clipped(part, 44) for part in parts))


class SpendingMeter:
    """What a command has spent so far, in words; money is unknown where a price is."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.known = True

    def check(self, task: Task) -> None:
        """Look whether the prices of a task's models are known."""
        models = [model.name for model in (task.student, task.planner) if model]
        self.known = self.known and all(self.budget.pricing.cost(name, Usage(1, 1)) is not None for name in models)

    def __str__(self) -> str:
        spent = money(self.budget.spent_money) if self.known else "cost unknown"
        return f"{count(self.budget.spent_tokens)} tokens · {spent}"


class Meter:
    """One run's figures as they grow, and how they read."""

    def __init__(self, title: str, spending: SpendingMeter) -> None:
        self.title, self.spending = title, spending
        self.began: int | None = None

    def text(self, counts: LiveCounts) -> str:
        """Return right so far, the time left, rate, tokens and money; what matters most stands first."""
        self.began = counts.solved if self.began is None else self.began
        rate = (counts.solved - self.began) / counts.seconds if counts.seconds > 0 else 0.0
        waiting = counts.total - counts.solved
        left = f" · {duration(waiting / rate)} left" if rate and waiting else ""
        failed = f" · {counts.errors} failed" if counts.errors else ""
        delayed = f"{clean(counts.backoff.text)} · " if counts.backoff else ""
        return f"{delayed}right {counts.right}/{counts.graded}{failed}{left} · {_paced(rate)} · {self.spending}"


def _paced(rate: float) -> str:
    return f"{rate:.1f}/s" if rate >= 1 or not rate else f"{60 * rate:.1f}/min"


class Lines:
    """Plain lines, every ten seconds and every tenth of a run, but at most one a second; sooner as delays grow."""

    def __init__(self, spending: SpendingMeter) -> None:
        self.spending = spending

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the lines as they are."""

    def follow(self, task: Task, label: str) -> Callable[[LiveCounts], None]:
        """Return what a run calls with its counts."""
        meter, last_shown, late = Meter(f"{label} {titled(task)}", self.spending), [time.monotonic(), -1.0], [0]
        self.spending.check(task)

        def update(counts: LiveCounts) -> None:
            now, share = time.monotonic(), counts.solved / max(1, counts.total)
            text = meter.text(counts)
            due = now - last_shown[0] >= EVERY_SECONDS or (
                share - last_shown[1] >= EVERY_SHARE and now - last_shown[0] >= 1
            )
            times = counts.backoff.times if counts.backoff else 0
            late[0] = min(late[0], times)
            due = due or (times > late[0] and now - last_shown[0] >= BETWEEN_DELAYS)
            if last_shown[1] < 0 or due or counts.solved == counts.total:
                last_shown[:], late[0] = [now, share], times
                say(f"{meter.title}: {counts.solved}/{counts.total} · {text}")

        return update


class Bars:
    """A bar per run, redrawn in place."""

    def __init__(self, spending: SpendingMeter) -> None:
        self.spending = spending
        self.screen = bars()

    def __enter__(self) -> Self:
        self.screen.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.screen.stop()

    def follow(self, task: Task, label: str) -> Callable[[LiveCounts], None]:
        """Return what a run calls with its counts."""
        meter = Meter(f"{label} {titled(task)}", self.spending)
        self.spending.check(task)
        room = max(16, self.screen.console.width // 4)
        bar: TaskID = self.screen.add_task(clipped(meter.title, room), total=None, figures="")
        drawn = [0.0]

        def update(counts: LiveCounts) -> None:
            text = meter.text(counts)
            if time.monotonic() - drawn[0] > _REDRAW or counts.solved == counts.total:
                drawn[0] = time.monotonic()
                self.screen.update(bar, completed=counts.solved, total=counts.total, figures=text)

        return update


def bars() -> "Progress":
    """Return a rich progress display on stderr; texts are shown as they are, never read as markup."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True)
    names, figures = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[figures]}", markup=False)
    wide = (BarColumn(bar_width=20),) if console.width >= _ROOM_FOR_BARS else ()
    counts = MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=_ROOM_FOR_COUNTS))
    return Progress(names, *wide, counts, figures, console=console)


def screen(spending: SpendingMeter, *, talking: bool = False) -> Lines | Bars:
    """Return what shows progress on this stderr: plain lines while a person is `talking` to the command there."""
    return Bars(spending) if is_lively(sys.stderr) and not talking else Lines(spending)
