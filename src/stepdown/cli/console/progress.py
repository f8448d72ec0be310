"""How far a run is, on stderr: one line redrawn in a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import msgspec

from stepdown.cli.console.terminal import is_lively, say
from stepdown.runner import Budget, LiveCounts, Task
from stepdown.text import clean, clipped, count, duration, money, pace
from stepdown.types import Usage

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_SECONDS = 10.0
EVERY_SHARE = 0.1
_REDRAW = 0.1
BETWEEN_DELAYS = 5.0
_ROOM_FOR_BARS, _BAR = 120, 20
_ROOM_FOR_COUNTS = 9  # `1000/1000`; what is too wide gives way in the texts beside it


def titled(task: Task) -> str:
    """Return a task's name on one line: its method, its student and whose plans."""
    parts = [task.method.name, task.student.name]
    if task.method.plan is not None:
        parts.append(f"plans {task.planner.name if task.planner else task.plans.source}")
        parts += [task.plans.control] if task.plans.control else []
    return clean(" · ".join(clipped(part, 44) for part in parts))


class Entry(msgspec.Struct, frozen=True):
    """A run that is to be followed: its task, and how many traces it will have."""

    task: Task
    total: int


class LineFigure(NamedTuple):
    """A figure of a line of progress; where a terminal is too narrow for all, the least rank gives way first."""

    rank: int
    text: str


def fitted(parts: Sequence[LineFigure], width: int | None = None) -> str:
    """Return parts on one line of so many columns, those that have to give way left out."""
    shown = [part for part in parts if part.text]
    while width is not None and len(shown) > 1 and len(_joined(shown)) > width:
        shown.remove(min(shown))
    return _joined(shown)


def _joined(parts: Sequence[LineFigure]) -> str:
    return "".join(part.text if part.text.startswith(",") else f" · {part.text}" for part in parts).removeprefix(" · ")


class SpendingMeter:
    """What a command has spent so far, in words; money is unknown where a price is."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.known = True

    def check(self, task: Task) -> None:
        """Look whether the prices of a task's models are known."""
        self.known = self.known and self.knows(task)

    def knows(self, task: Task) -> bool:
        """Whether the prices of a task's models are known."""
        models = [model.name for model in (task.student, task.planner) if model]
        return all(self.budget.pricing.cost(name, Usage(1, 1)) is not None for name in models)

    def parts(self, solved: int = 0, waiting: int = 0) -> list[LineFigure]:
        """Return tokens and money, of how much there is, and what the problems still waiting will cost by those solved.

        `solved` are the problems that this command solved.
        """
        limit = f" of {money(self.budget.money)}" if self.budget.money is not None else ""
        spent = f"{money(self.budget.spent_money)}{limit}" if self.known else "cost unknown"
        paid = sum(one.money for one in self.budget.by_run.values())
        more = f", about {money(paid / solved * waiting)} to go" if self.known and paid and solved and waiting else ""
        return [
            LineFigure(0, f"{count(self.budget.spent_tokens)} tokens"),
            LineFigure(6 if self.known else 2, spent),
            LineFigure(5, more),
        ]


class Meter:
    """One run's figures as they grow, and how they read."""

    def __init__(self, title: str, spending: SpendingMeter, *, alone: bool = True) -> None:
        # Of several runs, what the command spends is not what one of them costs.
        self.title, self.spending, self.alone = title, spending, alone
        self.began: int | None = None

    def begun(self, counts: LiveCounts) -> Self:
        """Return itself, which counts its rate from the first counts it is shown."""
        self.began = counts.solved if self.began is None else self.began
        return self

    def line(self, counts: LiveCounts) -> str:
        """Return everything on one line."""
        return f"{self.title}: {counts.solved}/{counts.total} · {self.text(counts)}"

    def text(self, counts: LiveCounts, width: int | None = None) -> str:
        """Return right so far, the time left, rate, tokens and money, as far as a width takes them."""
        solved, waiting = counts.solved - (self.began or 0), counts.total - counts.solved
        rate = solved / counts.seconds if counts.seconds > 0 else 0.0
        left = f"{duration(waiting / rate)} left" if rate and waiting else ""
        spending = self.spending.parts(solved, waiting) if self.alone else self.spending.parts()
        return fitted([*self.short_parts(counts), LineFigure(7, left), LineFigure(1, pace(rate)), *spending], width)

    def short_text(self, counts: LiveCounts, width: int | None = None) -> str:
        """Return what keeps it waiting, right so far, and what failed, as far as a width takes them."""
        return fitted(self.short_parts(counts), width)

    def short_parts(self, counts: LiveCounts) -> list[LineFigure]:
        """Return the parts of the short text."""
        delayed = clean(counts.backoff.text) if counts.backoff else ""
        failed = f"{counts.errors} failed" if counts.errors else ""
        right = LineFigure(4, f"right {counts.right}/{counts.graded}")
        return [LineFigure(9, delayed), right, LineFigure(8, failed), LineFigure(3, counts.evidence or "")]


def meters_of(spending: SpendingMeter, entries: Mapping[str, Entry]) -> dict[str, Meter]:
    """Return the meter of each run by its id, titled with its place among them."""
    for entry in entries.values():
        spending.check(entry.task)
    titles = {run: f"{at}/{len(entries)} {titled(entry.task)}" for at, (run, entry) in enumerate(entries.items(), 1)}
    return {run: Meter(title, spending, alone=len(entries) == 1) for run, title in titles.items()}


class Overall:
    """What all runs of a command have come to, as if they were one."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.totals = {run: entry.total for run, entry in entries.items()}
        self.counts: dict[str, LiveCounts] = {}

    def put(self, counts: LiveCounts) -> None:
        """Take in the counts of one run."""
        self.counts[counts.run] = counts
        self.totals[counts.run] = counts.total

    @property
    def ended(self) -> int:
        """How many runs have all their problems solved."""
        return sum(one.solved >= one.total for one in self.counts.values())

    @property
    def sums(self) -> LiveCounts:
        """The counts of all runs together; those that have not begun count with the problems they have."""
        runs = self.counts.values()
        solved, right, graded, errors = (sum(getattr(one, name) for one in runs) for name in _SUMMED)
        backoff = min((one.backoff for one in runs if one.backoff), key=lambda one: one.seconds, default=None)
        return LiveCounts(
            "", sum(self.totals.values()), solved, right, graded, errors=errors, backoff=backoff,
            started=min(one.started for one in runs),
        )  # fmt: skip


class AllMeter(Meter):
    """The figures of all runs of a command, with how many of them have come to their end."""

    def __init__(self, overall: Overall, spending: SpendingMeter) -> None:
        super().__init__(f"all {len(overall.totals)} runs", spending)
        self.overall = overall

    def short_parts(self, counts: LiveCounts) -> list[LineFigure]:
        """Return what a run's own says, and how many runs are done."""
        done = f"{self.overall.ended} of {len(self.overall.totals)} runs done"
        return [*super().short_parts(counts), LineFigure(2, done)]


_SUMMED = ("solved", "right", "graded", "errors")


class Screen(Protocol):
    """What follows the runs of a command while it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...

    def update(self, counts: LiveCounts) -> None:
        """Take in the counts of a run."""
        ...

    def aside(self, write: Callable[[], None]) -> None:
        """Let something else be written."""
        ...


class _Pace:
    """When a plain line is due: every ten seconds and every tenth, but at most one a second; sooner as delays grow."""

    def __init__(self) -> None:
        self.last, self.share, self.late = time.monotonic(), -1.0, 0

    def is_due(self, counts: LiveCounts) -> bool:
        """Whether a line with these counts is to be shown now; if so, the next one is not due for a while."""
        now, share = time.monotonic(), counts.solved / max(1, counts.total)
        spent, times = now - self.last, counts.backoff.times if counts.backoff else 0
        self.late = min(self.late, times)
        due = spent >= EVERY_SECONDS or (share - self.share >= EVERY_SHARE and spent >= 1)
        due = due or (times > self.late and spent >= BETWEEN_DELAYS)
        if self.share >= 0 and not due and counts.solved < counts.total:
            return False
        self.last, self.share, self.late = now, share, times
        return True


class Lines:
    """Plain lines: of one run as it moves; of several, one line for all as they move, and one for each that ends."""

    def __init__(self, spending: SpendingMeter, entries: Mapping[str, Entry]) -> None:
        self.meters, self.pace = meters_of(spending, entries), _Pace()
        self.all_meter = AllMeter(Overall(entries), spending) if len(entries) > 1 else None
        self._look = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the lines as they are."""

    def update(self, counts: LiveCounts) -> None:
        """Take in the counts of a run."""
        meter = self.meters[counts.run].begun(counts)
        if self.all_meter is None:
            if self.pace.is_due(counts):
                say(meter.line(counts))
            return
        self.all_meter.overall.put(counts)
        if counts.solved == counts.total:
            say(meter.line(counts))
        if time.monotonic() < self._look:
            return
        self._look = time.monotonic() + 1
        sums = self.all_meter.overall.sums
        if sums.solved < sums.total and self.pace.is_due(sums):
            say(self.all_meter.begun(sums).line(sums))

    def aside(self, write: Callable[[], None]) -> None:
        """Let something else be written."""
        write()


class Bars:
    """A bar per run, and one for all where there are several, redrawn in place."""

    def __init__(self, spending: SpendingMeter, entries: Mapping[str, Entry]) -> None:
        self.meters, self.screen = meters_of(spending, entries), bars()
        self.all_meter = AllMeter(Overall(entries), spending) if len(entries) > 1 else None
        self.crowded = len(entries) + 2 > self.screen.console.height
        titles = {"": self.all_meter.title} if self.all_meter else {}
        titles |= {run: meter.title for run, meter in self.meters.items()}
        wide = self.screen.console.width
        room = max(16, wide // 4)
        titles = {name: clipped(title, room) for name, title in titles.items()}
        total = sum(entry.total for entry in entries.values())
        taken = max(map(len, titles.values())) + max(_ROOM_FOR_COUNTS, 2 * len(str(total)) + 1) + 3
        # What is too wide would take columns from the counts.
        self.room = wide - taken - (_BAR + 1 if wide >= _ROOM_FOR_BARS else 0)
        self._bars: dict[str, TaskID] = {
            name: self.screen.add_task(title, total=None, figures="", visible=False) for name, title in titles.items()
        }
        self._drawn: dict[str, float] = {}

    def __enter__(self) -> Self:
        self.screen.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.screen.stop()

    def update(self, counts: LiveCounts) -> None:
        """Take in the counts of a run; where there are more runs than lines, those that have ended leave."""
        meter = self.meters[counts.run].begun(counts)
        if self.all_meter is None:
            self._draw(counts.run, counts, meter.text)
            return
        self.all_meter.overall.put(counts)
        if time.monotonic() - self._drawn.get("", 0.0) > _REDRAW or counts.solved == counts.total:
            sums = self.all_meter.overall.sums
            self._draw("", sums, self.all_meter.begun(sums).text)
        self._draw(counts.run, counts, meter.short_text)

    def _draw(self, name: str, counts: LiveCounts, text: Callable[[LiveCounts, int], str]) -> None:
        done = counts.solved == counts.total
        if time.monotonic() - self._drawn.get(name, 0.0) > _REDRAW or done:
            self._drawn[name] = time.monotonic()
            self.screen.update(
                self._bars[name], completed=counts.solved, total=counts.total, figures=text(counts, self.room),
                visible=not (done and name and self.crowded),
            )  # fmt: skip

    def aside(self, write: Callable[[], None]) -> None:
        """Let something else be written above the bars."""
        self.screen.live.transient = True
        self.screen.stop()
        self.screen.live.transient = False
        write()
        self.screen.start()


def bars() -> "Progress":
    """Return a rich progress display on stderr; texts are shown as they are, never read as markup."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True)
    names, figures = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[figures]}", markup=False)
    wide = (BarColumn(bar_width=_BAR),) if console.width >= _ROOM_FOR_BARS else ()
    counts = MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=_ROOM_FOR_COUNTS))
    return Progress(names, *wide, counts, figures, console=console)


def screen(spending: SpendingMeter, entries: Mapping[str, Entry], *, talking: bool = False) -> Lines | Bars:
    """Return what shows progress on this stderr: plain lines while a person is `talking` to the command there."""
    return Bars(spending, entries) if is_lively(sys.stderr) and not talking else Lines(spending, entries)
