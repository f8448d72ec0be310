"""The process in which a model works apart: questions as lines of JSON on stdin, answers as lines on stdout."""

import asyncio
import os
import sys
import threading
from contextlib import aclosing
from functools import partial
from typing import BinaryIO

import msgspec

from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong, StepdownError, UsageError
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_local
from stepdown.types import Messages, Reply, Sampling

# What an error of the child becomes in the parent: the first of these that it is one of.
ERRORS: dict[str, type[StepdownError]] = {
    kind.__name__: kind for kind in (UsageError, PromptTooLong, CallFailed, EndpointRefused, StepdownError)
}


class Generate(msgspec.Struct, frozen=True, tag=True):
    """Messages that want n replies, or one in pieces where `streamed`; `number` names it in answers and in `Cancel`."""

    number: int
    messages: Messages
    sampling: Sampling
    n: int = 1
    streamed: bool = False


class Prepare(msgspec.Struct, frozen=True, tag=True):
    """The command to have the engine loaded; answered by `Finished` of none."""

    number: int


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """The command to hear no more of a question."""

    number: int


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    """A piece of a streamed reply."""

    number: int
    text: str


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The replies to a question; it is over."""

    number: int
    replies: list[Reply]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The error that a question ended in: its kind by name, and its words."""

    number: int
    kind: str
    what: str
    hint: str = ""


Command = Generate | Prepare | Cancel
Response = TextDelta | Finished | Failed
encode = msgspec.json.encode
decode_command = msgspec.json.Decoder(Command).decode
decode_response = msgspec.json.Decoder(Response).decode


def failed(number: int, error: StepdownError) -> Failed:
    """Return the response that a command ended in an error."""
    kind = next(name for name, kind in ERRORS.items() if isinstance(error, kind))
    return Failed(number, kind, error.what, error.hint)


class ModelWorker:
    """Answers commands with one model, many at once; `answers` is the pipe to the parent."""

    def __init__(self, model: EmbeddedModel, answers: BinaryIO) -> None:
        self.model, self._answers = model, answers
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def serve(self, commands: "asyncio.Queue[bytes]") -> None:
        """Answer until an error that is no one's but the program's: that ends the process, with a traceback."""
        async with asyncio.TaskGroup() as group:
            while True:
                command = decode_command(await commands.get())
                if not isinstance(command, Cancel):
                    task = self._tasks[command.number] = group.create_task(self._execute(command))
                    task.add_done_callback(partial(self._forget, command.number))
                elif command.number in self._tasks:
                    self._tasks[command.number].cancel()

    def _forget(self, number: int, _: "asyncio.Task[None]") -> None:
        del self._tasks[number]

    async def _execute(self, command: Generate | Prepare) -> None:
        try:
            replies = await self._ask(command) if isinstance(command, Generate) else await self._prepare()
        except StepdownError as error:
            self._send(failed(command.number, error))
        else:
            self._send(Finished(command.number, replies))

    async def _prepare(self) -> list[Reply]:
        await self.model.prepare()
        return []

    async def _ask(self, request: Generate) -> list[Reply]:
        if not request.streamed:
            return await self.model.reply(request.messages, request.sampling, request.n)
        replies: list[Reply] = []
        async with aclosing(self.model.stream(request.messages, request.sampling)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    self._send(TextDelta(request.number, piece))
                elif isinstance(piece, Reply):
                    replies.append(piece)
        return replies

    def _send(self, answer: Response) -> None:
        try:
            self._answers.write(encode(answer) + b"\n")
            self._answers.flush()
        except BrokenPipeError:
            end()


def end() -> None:
    """End the process now: its parent is gone, and nothing here is to be kept."""
    # An engine in the middle of a long step, or of loading, would hold an ordinary exit up.
    os._exit(0)


def _read(commands: "asyncio.Queue[bytes]", loop: asyncio.AbstractEventLoop) -> None:
    for line in sys.stdin.buffer:
        loop.call_soon_threadsafe(commands.put_nowait, line)
    end()


async def work(name: str, answers: BinaryIO, *, logprobs: bool) -> None:
    """Response the commands on stdin with the model of this name until stdin ends."""
    model = load_local(name, logprobs=logprobs)
    assert model is not None, "only a model of this machine runs in a subprocess"
    commands: asyncio.Queue[bytes] = asyncio.Queue()
    threading.Thread(target=_read, args=(commands, asyncio.get_running_loop()), daemon=True).start()
    await ModelWorker(model, answers).serve(commands)


def main() -> None:
    """Keep stdout for answers, as engines print there too, and serve."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asyncio.run(work(sys.argv[1], answers, logprobs="logprobs" in sys.argv[2:]))
