"""Where a person decides on held plans: this terminal, and the pages of `stepdown serve`, whoever is first."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from stepdown.cli.console.editor import edited, person
from stepdown.cli.console.live_answer import numbered
from stepdown.cli.console.terminal import say, say_error
from stepdown.errors import Interrupted, StepdownError, UsageError
from stepdown.prompts import question_text
from stepdown.runner import EVERY, Stop, StoredReview, Task
from stepdown.store import Decision, PendingReview, Store, decide_review, pending_reviews
from stepdown.types import Plan

PAGE = "/reviews"
_KEYS = "[enter] accept, e edit, l leave unsolved, q stop: "
_ROOM = 65_536


class Keyboard:
    """Lines that a person types, read when they are asked for, so that an editor may have the terminal in between."""

    def __init__(self) -> None:
        self._line: asyncio.Future[str] | None = None

    async def line(self, seconds: float) -> str | None:
        """Return the next line, None if there is none within some seconds; `q` at the end of the input."""
        if self._line is None:
            self._line = asyncio.get_running_loop().create_future()
            # A thread of its own, never joined: nothing ends a read of a terminal but the person.
            threading.Thread(target=self._read, args=(asyncio.get_running_loop(), self._line), daemon=True).start()
        done, _ = await asyncio.wait([self._line], timeout=seconds)
        if not done:
            return None
        line, self._line = self._line.result(), None
        return line

    @staticmethod
    def _read(loop: asyncio.AbstractEventLoop, line: "asyncio.Future[str]") -> None:
        # Not through `sys.stdin`: a thread that waits in it would hold its lock when the process ends.
        read = os.read(sys.stdin.fileno(), _ROOM)
        text = read.decode("utf-8", "replace").strip().lower() if read else "q"
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda: None if line.done() else line.set_result(text))


class ReviewPrompt:
    """Takes the held plans of one command's runs one at a time, oldest first.

    `review` is what the tasks are given, `stop` what `q` and a signal set, `run` the run under way.
    """

    def __init__(self, store: Store) -> None:
        self.store, self.stop, self.run = store, Stop(), ""
        self.review = StoredReview(store, stopped=lambda: self.stop.why is not None)
        self.keyboard = Keyboard()

    def reviewed(self, tasks: Sequence[Task]) -> list[Task]:
        """Return the tasks with their plans held for a person. Raises `UsageError` where none has plans."""
        if not any(task.method.plan for task in tasks):
            raise UsageError("--review holds plans, and none of these methods has any", "add --method trace-of-thought")
        return [msgspec.structs.replace(task, review=self.review if task.method.plan else None) for task in tasks]

    @asynccontextmanager
    async def asking(self, run: str) -> AsyncIterator[None]:
        """Ask about the held plans of a run while the `with` lasts; without a terminal, only say where to decide."""
        self.run = run
        say(f"each plan waits for a person; in a browser: `stepdown serve`, then {PAGE}")
        work = asyncio.get_running_loop().create_task(self._watch())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _watch(self) -> None:
        current: PendingReview | None = None
        try:
            while sys.stdin.isatty():
                waiting = next(iter(self._waiting()), None)
                if waiting is None:
                    await asyncio.sleep(EVERY / 5)
                    continue
                await self._ask(waiting, again=waiting == current)
                current = waiting
        except StepdownError as error:
            self.stop(error)

    def _waiting(self) -> list[PendingReview]:
        return [] if self.stop.why else pending_reviews(self.store, self.run)

    async def _ask(self, review: PendingReview, *, again: bool) -> None:
        others = len(self._waiting()) - 1
        if not again:
            more = f" · {others} more waiting" if others else ""
            say("", f"{review.problem.id}{more}", question_text(review.problem), "", f"plan by {review.plan.author}:",
                *numbered(review.plan.steps), "")  # fmt: skip
        say(_KEYS)
        while (key := await self.keyboard.line(EVERY)) is None:
            if review not in self._waiting():
                say(*(["decided in another place"] if self.stop.why is None else []))
                return
        await self._obey(key, review)
        self.review.look()

    async def _obey(self, key: str, review: PendingReview) -> None:
        if key == "q":
            self.stop(Interrupted())
        elif key == "l":
            self._decide(review, "left", msgspec.structs.replace(review.plan, author=person()))
        elif key == "e":
            await self._edit(review)
        elif key == "":
            self._decide(review, "accepted", review.plan)

    async def _edit(self, review: PendingReview) -> None:
        try:
            # In a thread: other problems go on while the person writes.
            plan = await asyncio.to_thread(edited, review.plan, author=person(), about=question_text(review.problem))
        except StepdownError as error:
            say_error(error)
            return
        self._decide(review, "accepted" if plan == review.plan else "edited", plan)

    def _decide(self, review: PendingReview, decision: Decision, plan: Plan) -> None:
        if not decide_review(self.store, (review.run, review.problem.id), decision=decision, plan=plan):
            say("somebody was first; their decision counts")
