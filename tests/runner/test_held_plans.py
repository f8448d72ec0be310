"""A reviewed run holds each plan until a person decides, in the terminal or elsewhere, and never asks twice."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command_line import PLAN, sums_at_hand
from stepdown.cli import main
from stepdown.errors import Interrupted
from stepdown.graders import load_grader
from stepdown.models import ScriptedModel
from stepdown.runner import RunOutcome, Stop, Task, run_task
from stepdown.runner.held_plans import StoredReview
from stepdown.store import Store
from stepdown.store.reviews import PendingReview, decide_review, pending_reviews
from worlds import TRACED, solver, student, sums, teacher

RUN = ("run", "sums.jsonl", "--method", "trace-of-thought", "--student", "openai/student", "--teacher",
       "openai/teacher", "--review")  # fmt: skip


def accept(store: Store, held: PendingReview) -> None:
    decide_review(store, (held.run, held.problem.id), decision="accepted", plan=held.plan)


def edit(store: Store, held: PendingReview) -> None:
    plan = held.plan.edit("Look at the number.", author="Ann")
    decide_review(store, (held.run, held.problem.id), decision="edited", plan=plan)


def leave(store: Store, held: PendingReview) -> None:
    plan = held.plan.edit("", author="Ann")
    decide_review(store, (held.run, held.problem.id), decision="left", plan=plan)


async def deciding(store: Store, how: Callable[[Store, PendingReview], None], done: asyncio.Event) -> int:
    """Decide on everything that is held until the run is done, and return how many that was."""
    count = 0
    while not done.is_set():
        for held in pending_reviews(store):
            how(store, held)
            count += 1
        await asyncio.sleep(0)
    return count


def reviewed(
    store: Store, how: Callable[[Store, PendingReview], None], solves: ScriptedModel
) -> tuple[RunOutcome, int]:
    """Run three problems while a person decides, and return what became of it and how often they were asked."""

    async def work() -> tuple[RunOutcome, int]:
        done = asyncio.Event()
        person = asyncio.create_task(deciding(store, how, done))
        outcome = await run_task(task_of(solves, StoredReview(store, every=0.01)), store)
        done.set()
        return outcome, await person

    return asyncio.run(work())


def task_of(solves: ScriptedModel, review: StoredReview | None) -> Task:
    return Task(problems=sums(3), method=TRACED, student=solves, teacher=teacher(), grader=load_grader(), review=review)


def test_the_student_follows_the_plan_as_the_person_left_it(store: Store) -> None:
    solves = student()
    outcome, asked = reviewed(store, edit, solves)
    assert (outcome.counts.right, asked) == (3, 3)
    assert all("Look at the number." in call.messages[-1].content for call in solves.calls)
    assert {trace.plan.author for trace in outcome.run.traces() if trace.plan} == {"Ann"}


def test_a_reviewed_run_is_another_run_than_the_unreviewed_one(store: Store) -> None:
    outcome, _ = reviewed(store, accept, student())
    assert outcome.run.settings.plans == "teacher+reviewed"
    assert outcome.run.id != task_of(student(), None).settings().id


def test_a_decision_is_not_asked_for_again(store: Store) -> None:
    reviewed(store, leave, student())
    outcome, asked = reviewed(store, accept, student())
    assert asked == 0 and outcome.counts.errors == 3


def test_a_problem_that_is_left_is_ungraded_and_says_by_whom(store: Store) -> None:
    solves = student()
    outcome, _ = reviewed(store, leave, solves)
    assert {trace.error for trace in outcome.run.traces()} == {"left by Ann"}
    assert outcome.counts.graded == 0 and solves.calls == []


def test_a_stop_while_plans_wait_ends_the_run_and_the_next_one_goes_on(store: Store) -> None:
    stop = Stop()
    review = StoredReview(store, stopped=lambda: stop.why is not None, every=0.01)

    async def work() -> RunOutcome:
        running = asyncio.create_task(run_task(task_of(student(), review), store, stop=stop))
        while len(pending_reviews(store)) < 3:
            await asyncio.sleep(0)
        stop(Interrupted())
        return await running

    assert isinstance(asyncio.run(work()).stopped, Interrupted)
    outcome, asked = reviewed(store, accept, ScriptedModel(solver, "student"))
    assert (outcome.counts.right, asked) == (3, 3)


# -- the command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with two problems, and a server that answers."""
    monkeypatch.setenv("STEPDOWN_STORE", "s.sqlite")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("EDITOR", f"{sys.executable} -c \"import sys; open(sys.argv[1], 'w').write('Just add.')\"")
    monkeypatch.delenv("VISUAL", raising=False)
    with sums_at_hand(tmp_path, monkeypatch, count=2):
        yield tmp_path


class Terminal:
    """A command in a terminal of its own; `until` reads what it writes there."""

    def __init__(self, *words: str) -> None:
        self.master, slave = pty.openpty()
        command = [sys.executable, "-m", "stepdown", *words]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.said = ""

    def until(self, words: str) -> str:
        """Return what was written up to these words, which are not read again."""
        while words not in self.said:
            self.said += os.read(self.master, 65536).decode()
        before, _, self.said = self.said.partition(words)
        return before

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        try:
            while read := os.read(self.master, 65536):
                self.said += read.decode()
        except OSError:  # Linux says so when the other side is gone
            pass
        os.close(self.master)
        return self.process.wait(20)


@pytest.mark.slow
def test_the_terminal_shows_each_plan_and_takes_enter_and_an_edit(folder: Path) -> None:
    terminal = Terminal(*RUN, "--json")
    shown = terminal.until("q stop:")
    assert "What is 0 plus one?" in shown and "1. Take the number." in shown
    terminal.type("\n")
    terminal.until("q stop:")
    terminal.type("e\n")
    assert terminal.end() == 0
    with Store("s.sqlite") as store:
        plans = [trace.plan.text for trace in store.runs()[0].traces() if trace.plan]
    assert sorted(plans) == sorted([PLAN, "1. Just add."])


@pytest.mark.slow
def test_a_problem_may_be_left_in_the_terminal_and_q_stops(folder: Path) -> None:
    terminal = Terminal(*RUN)
    terminal.until("q stop:")
    terminal.type("l\n")
    terminal.until("q stop:")
    terminal.type("q\n")
    assert terminal.end() == Interrupted.exit_code
    with Store("s.sqlite") as store:
        assert [str(trace.error)[:8] for trace in store.runs()[0].traces()] == ["left by "]
        assert len(pending_reviews(store)) == 1


@pytest.mark.slow
def test_what_is_decided_elsewhere_is_not_asked_in_the_terminal(folder: Path) -> None:
    terminal = Terminal(*RUN)
    terminal.until("q stop:")
    with Store("s.sqlite") as store:
        while not (held := pending_reviews(store)):
            pass
        accept(store, held[0])
    terminal.until("decided in another place")
    terminal.until("q stop:")
    terminal.type("\n")
    assert terminal.end() == 0


@pytest.mark.slow
def test_ctrl_c_ends_a_waiting_run_cleanly(folder: Path) -> None:
    terminal = Terminal(*RUN)
    terminal.until("q stop:")
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("finishing what was begun")
    assert terminal.end() == Interrupted.exit_code


def test_without_a_terminal_the_browser_decides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = threading.Event()

    def decide_all() -> None:
        with Store("s.sqlite") as store:
            while not done.wait(0.01):
                for held in pending_reviews(store):
                    accept(store, held)

    person = threading.Thread(target=decide_all)
    person.start()
    try:
        assert main([*RUN]) == 0
    finally:
        done.set()
        person.join()
    assert "`stepdown serve`, then /reviews" in capsys.readouterr().err


def test_review_without_plans_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "sums.jsonl", "--method", "direct", "--student", "openai/student", "--review"]) == 2
    assert "--review holds plans" in capsys.readouterr().err
