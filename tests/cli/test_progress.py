"""What the lines of a grid say of all its runs: how many are done, the time left, what is spent and what is to come."""

import io
import re
import sys
import time

import msgspec
import pytest
from rich.console import Console

from filled import solve
from stepdown.cli.console.grid_table import GridTable
from stepdown.cli.console.progress import AllMeter, Entry, Meter, Overall, SpendingMeter, fitted, meters_of, screen
from stepdown.cli.progress_lines import ProgressLines
from stepdown.events import Event
from stepdown.methods import DIRECT
from stepdown.models import Prices, ScriptedModel
from stepdown.runner import Budget, LiveCounts, Task
from stepdown.store import Store
from stepdown.text import pace
from stepdown.types import Usage
from worlds import Cents, LastWord, sums


def task(name: str = "openai/gpt-4o-mini") -> Task:
    return Task(problems=sums(10), method=DIRECT, student=ScriptedModel(lambda *_: "1", name=name), grader=LastWord())


def spending(*, paid: int, limit: float | None = None, name: str = "openai/gpt-4o-mini") -> SpendingMeter:
    """Return the meter of a budget of which a command has used so many million tokens, after an earlier command's."""
    budget = Budget(Prices(), money=limit)
    budget.add(name, Usage(1_000_000, 0))
    budget.add(name, Usage(paid * 1_000_000, 0), "a")
    meter = SpendingMeter(budget)
    meter.check(task(name))
    return meter


def counts(run: str, solved: int) -> LiveCounts:
    return LiveCounts(run, 10, solved, solved, solved, started=time.monotonic() - 6000)


def overall(*solved: int) -> Overall:
    """Return what ten runs of ten problems have come to, of which some have begun."""
    made = Overall({str(n): Entry(task(), 10) for n in range(10)})
    for run, number in enumerate(solved):
        made.put(counts(str(run), number))
    return made


def test_all_runs_of_a_grid_are_one_line_with_runs_time_and_money_left() -> None:
    made = overall(10, 10, 5)
    meter = AllMeter(made, spending(paid=10, limit=20.0))
    meter.began = 0
    line = meter.line(made.sums)
    assert line.startswith("all 10 runs: 25/100 · right 25/25 · 2 of 10 runs done · 5.0 h left · ")
    assert line.endswith(" · 11.00 M tokens · $1.65 of $20.00, about $4.50 to go")


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (71, "right 25/25 · 2 of 10 runs done · 5.0 h left · $1.65, about $4.50 to go"),
        (70, "right 25/25 · 5.0 h left · $1.65, about $4.50 to go"),
        (20, "5.0 h left · $1.65"),
        (5, "5.0 h left"),
    ],
)
def test_in_a_narrow_terminal_time_and_money_left_stay(width: int, text: str) -> None:
    made = overall(10, 10, 5)
    meter = AllMeter(made, spending(paid=10))
    meter.began = 0
    assert meter.text(made.sums, width) == text


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_a_grid_says_how_many_are_done_the_time_left_and_the_money_at_every_width(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for name, value in {"COLUMNS": str(width), "LINES": "40", "TERM": "xterm", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    with screen(spending(paid=10), {str(run): Entry(task(), 100) for run in range(10)}) as bars:
        assert bars.all_meter is not None
        bars.all_meter.began = 0
        bars.update(counts("0", 9))
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().err).replace("\r", "\n").splitlines()
    assert [line for line in shown if "9/910" in line and " left" in line and "$1.65" in line]
    assert max(map(len, shown)) <= width


def test_what_an_earlier_command_paid_is_not_what_is_to_come() -> None:
    assert fitted(spending(paid=0).parts(5, 5)).endswith("· $0.15")


@pytest.mark.parametrize(("solved", "waiting"), [(0, 10), (10, 0)])
def test_nothing_is_foretold_before_the_first_problem_and_after_the_last(solved: int, waiting: int) -> None:
    assert "to go" not in fitted(spending(paid=10).parts(solved, waiting))


@pytest.mark.parametrize(("rate", "words"), [(0.0, "0.0/s"), (0.04, "2.4/min"), (1.0, "1.0/s"), (32.4, "32.4/s")])
def test_what_is_slow_is_said_by_the_minute(rate: float, words: str) -> None:
    assert pace(rate) == words


def test_the_first_line_of_a_run_that_goes_on_has_its_tokens_and_cost(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    made = solve(store, 3)
    used = made.summary().tokens["student"]
    assert used is not None and used.input + used.output > 0
    ProgressLines(store, made.settings, Cents()).update(LiveCounts(made.id, 9, 3))
    sent = msgspec.json.decode(capsys.readouterr().out, type=Event).progress
    assert sent is not None and (sent.tokens, sent.done) == (used.input + used.output, 3) and sent.cost


def test_an_unknown_price_foretells_nothing() -> None:
    said = fitted(spending(paid=10, name="nobody/knows").parts(5, 5))
    assert said.endswith("cost unknown") and "to go" not in said


def test_one_run_of_several_does_not_foretell_the_money_of_all() -> None:
    meters = meters_of(spending(paid=10), {"a": Entry(task(), 10), "b": Entry(task(), 10)})
    assert [one.alone for one in meters.values()] == [False, False]
    assert "to go" not in meters["a"].line(counts("a", 5)) and "to go" in Meter("a", spending(paid=10)).line(
        counts("a", 5)
    )


@pytest.mark.parametrize(
    ("width", "titles"),
    [(60, "method solved right % right cut"), (40, "method solved right % right cut"), (20, "method solved")],
)
def test_the_table_of_a_grid_has_whole_columns_in_a_narrow_terminal(
    width: int, titles: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    grid = GridTable({str(run): Entry(task(), 2000) for run in range(2)})
    grid.update(counts("0", 185))
    drawn = io.StringIO()
    Console(file=drawn, width=width).print(grid.table())
    head, *rows = drawn.getvalue().strip().splitlines()
    assert " ".join(head.split()) == titles and "…" not in "".join(rows)
