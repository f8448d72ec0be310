"""The thread in which draws are written together: who joins when, and what becomes of them where something fails."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import torch

from stepdown.errors import CallFailed, EndpointRefused, StepdownError
from stepdown.models.local.draws import RowDraw
from stepdown.models.local.row_batch import RowBatch

# Draws that are made together arrive one by one: a first batch waits this many seconds for the others.
GATHERING = 0.01
# Reading prompts holds up those who write: so many tokens of prompts are read in one go.
MOST_READ = 16_384
# Reading a prompt costs about a step, so a few wait for one another: until they are an eighth of those under way, or so
# many steps.
PATIENCE = 8
# The share of free memory that keys and values may take; the rest is for a step itself.
SHARE = 0.7
# Errors after which a graphics card answers nothing in this process; before torch 2.8 they had no name.
_BROKEN: Any = getattr(torch, "AcceleratorError", ())


class RowScheduler:
    """Writes draws with a model, `width` at once at most; `take(draw, token, score)` is called with each token."""

    def __init__(self, model: Any, take: Callable[[RowDraw, int, float], None], *, width: int, name: str) -> None:
        self.width, self._name = width, name
        self._model, self._take = model, take
        self._batch = RowBatch(model, take)
        self._waiting: deque[RowDraw] = deque()
        self._waited = self._bytes = 0
        self._inbox: SimpleQueue[RowDraw | None] = SimpleQueue()
        self._closing, self._stopped = False, threading.Event()
        self._end: StepdownError = EndpointRefused(f"the engine of `{name}` stopped", "run the same command again")
        self._thread = threading.Thread(target=self._work, name=f"transformers {name}", daemon=True)
        self._thread.start()

    def put(self, draws: Sequence[RowDraw]) -> None:
        """Have draws written; each one's future tells what came of it."""
        for draw in draws:
            self._inbox.put(draw)
        if self._stopped.is_set():
            self._refuse()

    def close(self) -> None:
        """Stop the thread after what is under way; what waits fails."""
        self._inbox.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._receive():
                self._advance()
        except _BROKEN as error:
            self._end = EndpointRefused(
                f"the graphics card failed, and answers nothing in this process any more ({_words(error)})",
                "run the same command again; CUDA_LAUNCH_BLOCKING=1 shows where it happened, and STEPDOWN_ENGINE or "
                "CUDA_VISIBLE_DEVICES= takes another engine or the CPU",
            )
        finally:
            self._stopped.set()
            for draw in (*self._batch.rows, *self._waiting):
                draw.settle(self._end)
            self._refuse()

    def _refuse(self) -> None:
        with suppress(Empty):
            while True:
                draw = self._inbox.get_nowait()
                if draw is not None:
                    draw.settle(self._end)

    def _receive(self) -> bool:
        """Take in what has come, and wait where there is nothing to do; false once it is to end."""
        if not (self._batch.rows or self._waiting or self._closing):
            self._accept(self._inbox.get())
            until = monotonic() + GATHERING
            while not self._closing and len(self._waiting) < self.width and (left := until - monotonic()) > 0:
                with suppress(Empty):
                    self._accept(self._inbox.get(timeout=left))
        with suppress(Empty):
            while not self._closing:
                self._accept(self._inbox.get_nowait())
        return bool(self._batch.rows or self._waiting or not self._closing)

    def _accept(self, draw: RowDraw | None) -> None:
        if draw is not None:
            self._waiting.append(draw)
            return
        self._closing = True
        self._end = EndpointRefused(f"the engine of `{self._name}` was closed", "run it again")
        for waiting in self._waiting:
            if not waiting.tokens:
                waiting.settle(self._end)
        self._waiting = deque(waiting for waiting in self._waiting if waiting.tokens)

    def _advance(self) -> None:
        """Let in who may join, write a token of every row, and answer who has ended."""
        joining = self._next()
        try:
            with torch.inference_mode():
                if joining:
                    self._batch.join(joining)
                    self._bytes = self._batch.bytes_per_token or self._bytes
                    self._answer()
                if self._batch.rows:
                    self._batch.step()
                    self._answer()
            return
        except BaseException as error:
            if isinstance(error, _BROKEN) or not isinstance(error, Exception):
                # The thread ends; whoever was to join is told with all others.
                self._put_back(joining)
                raise
            # Nobody can list what libraries raise over a batch, and the next one may be well.
            words, memory = _words(error), _is_memory(error)
        # Only out of the `except` is what the failed step held free.
        if memory:
            self._halve(joining)
        else:
            self._fail(joining, words)

    def _next(self) -> list[RowDraw]:
        """Take from those who wait who may join now: none as long as waiting for others costs little."""
        self._waiting = deque(draw for draw in self._waiting if draw.going)
        rows, waiting = self._batch.rows, self._waiting
        if not waiting:
            return []
        room = min(self._fitting() - len(rows), len(waiting))
        if room < 1:
            return []
        if room * 8 < len(rows) and self._waited < PATIENCE:
            self._waited += 1
            return []
        self._waited = 0
        joining = [waiting.popleft()]
        longest = len(joining[0].read)
        while len(joining) < room:
            longest = max(longest, len(waiting[0].read))
            if longest * (len(joining) + 1) > MOST_READ:
                break
            joining.append(waiting.popleft())
        return joining

    def _fitting(self) -> int:
        """Return how many rows may be under way: one of them always, all of `width` where memory is not counted."""
        if not self._batch.shares:
            return 1
        free = self.free_memory()
        if free is None:
            return self.width
        if not self._bytes:
            return 1
        widest = max((draw.need for draw in (*self._batch.rows, *self._waiting)), default=1)
        return max(1, min(self.width, int((free + self._batch.held_bytes) * SHARE / (self._bytes * widest))))

    def free_memory(self) -> int | None:
        """Return the free bytes of the graphics card; None on a CPU, where memory is not counted."""
        device = self._model.device
        if device.type != "cuda":
            return None
        free: int = torch.cuda.mem_get_info(device)[0]
        return free + int(torch.cuda.memory_reserved(device)) - int(torch.cuda.memory_allocated(device))

    def _answer(self) -> None:
        for draw in self._batch.leave():
            if draw.finish:
                draw.answer()

    def _put_back(self, joining: Sequence[RowDraw]) -> None:
        """Throw the batch away; its rows, and those that were to join it, wait again, before all others."""
        there = set(map(id, self._batch.rows))
        rows = [*self._batch.rows, *(draw for draw in joining if id(draw) not in there)]
        self._waiting.extendleft(reversed(rows))
        self._batch = RowBatch(self._model, self._take)

    def _halve(self, joining: Sequence[RowDraw]) -> None:
        """Go on in batches of half as many after memory ran out; a row that does not fit alone fails."""
        before = len(self._waiting)
        self._put_back(joining)
        under_way = len(self._waiting) - before
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if under_way > 1:
            self.width = max(1, under_way // 2)
            return
        draw = self._waiting.popleft()
        draw.settle(
            CallFailed(
                f"`{len(draw.read)}` tokens of one reply, prompt included, do not fit the memory",
                "shorten the prompt or lower --max-tokens, or take a smaller model",
            )
        )

    def _fail(self, joining: Sequence[RowDraw], words: str) -> None:
        """Let those fail whose reading or writing failed; where these only wanted to join, the others go on."""
        failed = list(joining) if joining and joining[0] not in self._batch.rows else list(self._batch.rows)
        self._put_back(joining)
        for draw in failed:
            draw.settle(CallFailed(f"the engine failed on a batch ({words})", "run the same command again"))


def _is_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _words(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
