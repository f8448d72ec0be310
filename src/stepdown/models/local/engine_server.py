"""The resident engine: models of this machine that stay loaded in a process of their own, asked by later commands."""

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, cast

import msgspec

from stepdown.errors import StepdownError, UsageError
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.engine_file import EngineAddress, made_by, remove_address, sole_engine, write_address
from stepdown.models.local.engine_messages import MOST_LINE, Hello, LoadingNow, Welcome, decode_hello, encode
from stepdown.models.local.load_times import Loading
from stepdown.models.local.loading import load_local
from stepdown.models.local.worker import ModelWorker

HOST = "127.0.0.1"
_HELLO_SECONDS = 5.0
_LOOK_SECONDS = 1.0


def run_engine(idle_seconds: float, *, listening: Callable[[EngineAddress], None]) -> None:
    """Serve until it is told to end, or was asked nothing for so long. Raises `UsageError` where there is one already.

    Nothing is loaded before it is asked for. Only programs of this user on this machine are answered.
    """
    with sole_engine() as alone:
        if not alone:
            raise UsageError("an engine runs already", "`stepdown serve --engine --stop` ends it")
        asyncio.run(_ResidentEngine(idle_seconds).serve(listening))


class _ResidentEngine:
    """The models that were asked for, the connections that ask them, and when somebody last did."""

    def __init__(self, idle_seconds: float) -> None:
        self.idle_seconds = idle_seconds
        self.models: dict[tuple[str, str, bool], EmbeddedModel] = {}
        self.readers: dict[EmbeddedModel, set[asyncio.StreamWriter]] = {}
        self.open, self.last = 0, time.monotonic()
        self.ended = asyncio.Event()
        self.address = EngineAddress(0, 0, "", "")

    async def serve(self, listening: Callable[[EngineAddress], None]) -> None:
        """Answer until it is to end."""
        server = await asyncio.start_server(self._meet, HOST, 0, limit=MOST_LINE)
        port = server.sockets[0].getsockname()[1]
        self.address = EngineAddress(os.getpid(), port, secrets.token_urlsafe(32), made_by())
        # Windows has no handlers of a loop: there Ctrl-C ends the process as it ends any other.
        for number in (signal.SIGINT, signal.SIGTERM) if os.name == "posix" else ():
            asyncio.get_running_loop().add_signal_handler(number, self.ended.set)
        write_address(self.address)
        try:
            listening(self.address)
            while not self.ended.is_set() and not self._is_idle():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.ended.wait(), min(_LOOK_SECONDS, self.idle_seconds))
        finally:
            remove_address(self.address)
            server.close()

    def _is_idle(self) -> bool:
        return not self.open and time.monotonic() - self.last >= self.idle_seconds

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, if it has the token, until it is closed."""
        try:
            hello = decode_hello(await asyncio.wait_for(reader.readline(), _HELLO_SECONDS))
            if self.address.proves(hello.proof, hello.nonce, "client"):
                await self._answer(hello, reader, writer)
        except (TimeoutError, ValueError, OSError, RecursionError):
            pass  # who says nothing, or nothing that can be read, is told nothing
        finally:
            writer.close()

    async def _answer(self, hello: Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proof = self.address.proof(hello.nonce, "engine")
        if not hello.model:
            _write(writer, Welcome(proof))
            await writer.drain()
            if hello.stop:
                self.ended.set()
            return
        try:
            model = self._model(hello)
        except StepdownError as error:
            _write(writer, Welcome(proof, refusal=error.what))
            return
        _write(writer, Welcome(proof))
        self.open += 1
        self.readers.setdefault(model, set()).add(writer)
        try:
            await self._work(model, reader, writer)
        finally:
            self.readers[model].discard(writer)
            self.open, self.last = self.open - 1, time.monotonic()

    def _model(self, hello: Hello) -> EmbeddedModel:
        """Return the model that a client means, loaded or not. Raises `StepdownError` where it would be another one."""
        place = (hello.model, hello.engine, hello.logprobs)
        model = self.models.get(place) or load_local(hello.model, engine=hello.engine, logprobs=hello.logprobs)
        if model is None or model.capabilities.source != hello.source:
            raise UsageError(f"`{hello.model}` is another model here", "")
        loop = asyncio.get_running_loop()
        model.on_loading = lambda loading: cast(None, loop.call_soon_threadsafe(self._tell, model, loading))
        return self.models.setdefault(place, model)

    def _tell(self, model: EmbeddedModel, loading: Loading) -> None:
        for writer in self.readers.get(model, ()):
            _write(writer, LoadingNow(loading.name, loading.seconds, loading.made_ready))

    async def _work(self, model: EmbeddedModel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let a worker answer the commands of a connection; when it is closed, what it asked for is dropped."""
        commands: asyncio.Queue[bytes] = asyncio.Queue()
        worker = asyncio.create_task(ModelWorker(model, cast(BinaryIO, _Answers(writer))).serve(commands))
        reading = asyncio.create_task(_read(reader, commands))
        await asyncio.wait([worker, reading], return_when=asyncio.FIRST_COMPLETED)
        for task in (worker, reading):
            task.cancel()
        for failure in await asyncio.gather(worker, reading, return_exceptions=True):
            if isinstance(failure, Exception) and not isinstance(failure, ValueError | OSError):
                print(f"a connection ended: {failure!r}", file=sys.stderr)


async def _read(reader: asyncio.StreamReader, commands: "asyncio.Queue[bytes]") -> None:
    while (line := await reader.readline()).endswith(b"\n"):
        commands.put_nowait(line)


class _Answers:
    """A connection as the stream that a worker writes to; one that was closed takes everything and says nothing."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    def flush(self) -> None:
        return None


def _write(writer: asyncio.StreamWriter, message: msgspec.Struct) -> None:
    if not writer.is_closing():
        writer.write(encode(message) + b"\n")
