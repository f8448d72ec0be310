"""A model of this machine that the resident engine answers for, and that is loaded here where there is none."""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager

import msgspec

from stepdown.custom import CustomModel
from stepdown.errors import EndpointRefused
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.engine_file import EngineAddress
from stepdown.models.local.engine_messages import MOST_LINE, Hello, LoadingNow, Welcome, decode_message, encode
from stepdown.models.local.engine_server import HOST
from stepdown.models.local.load_times import Loading
from stepdown.models.local.worker import ERRORS, Failed, Finished, Generate, TextDelta
from stepdown.types import Messages, Reply, Sampling

FindEngine = Callable[[], EngineAddress | None]
CONNECT_SECONDS = 5.0
_NUMBER = 1  # each command has a connection of its own


class _Gone(Exception):
    """There is no engine that answers for this model."""


class ResidentModel(CustomModel):
    """Another process's model: same name, source, width and words as the one it stands for.

    `find` says where the engine is, at the first call. Where there is none, it refuses the model, or it ends before it
    has said anything, the model itself is loaded here and answers. `on_loading` is told of either's loading.
    """

    def __init__(self, model: EmbeddedModel, find: FindEngine) -> None:
        self.name, self.capabilities, self.width = model.name, model.capabilities, model.width
        self.engine, self.logprobs = model.engine, model.logprobs
        self._engine_there = model.engine_elsewhere
        self.on_loading: Callable[[Loading], None] | None = None
        self._model, self._find = model, find
        self._address: EngineAddress | None = None
        self._here = False

    def __repr__(self) -> str:
        return f"ResidentModel(name={self.name!r}, source={self.capabilities.source!r})"

    async def prepare(self) -> None:
        """Do nothing; the first call finds the engine, or loads the model."""

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies; raises as the model does, and `EndpointRefused`."""
        if not self._here:
            try:
                async with aclosing(self._exchange(Generate(_NUMBER, messages, sampling, n))) as answers:
                    async for answer in answers:
                        if isinstance(answer, Finished):
                            return [self._named(reply) for reply in answer.replies]
            except _Gone:
                self._stay()
        return await self._model.reply(messages, sampling, n)

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        """Yield the text piece by piece, then the whole `Reply`; raises as `reply` does."""
        begun = False
        if not self._here:
            try:
                async with aclosing(self._exchange(Generate(_NUMBER, messages, sampling, streamed=True))) as answers:
                    async for answer in answers:
                        begun = True
                        yield answer.text if isinstance(answer, TextDelta) else self._named(answer.replies[0])
                return
            except _Gone:
                if begun:
                    why = f"the engine of `{self.name}` ended while it answered"
                    raise EndpointRefused(why, "run the same command again") from None
                self._stay()
        async with aclosing(self._model.stream(messages, sampling)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Leave the model where it was loaded here; the engine keeps its own."""
        await self._model.close()

    def _stay(self) -> None:
        """Have the model answer here from now on."""
        self._here, self._model.on_loading = True, self.on_loading

    def _named(self, reply: Reply) -> Reply:
        # The engine knows a file by its whole path.
        return msgspec.structs.replace(reply, model=self.name)

    async def _exchange(self, command: Generate) -> AsyncGenerator[TextDelta | Finished, None]:
        """Yield the engine's answers to a command, `Finished` last. Raises `_Gone`, and what the command ended in."""
        async with self._connected() as (reader, writer):
            writer.write(encode(command) + b"\n")
            while True:
                message = await _read(reader)
                if isinstance(message, LoadingNow):
                    if self.on_loading is not None:
                        self.on_loading(Loading(message.name, message.seconds, message.made_ready))
                elif isinstance(message, Failed):
                    raise ERRORS.get(message.kind, EndpointRefused)(message.what, message.hint)
                elif isinstance(message, TextDelta | Finished):
                    yield message
                    if isinstance(message, Finished):
                        return

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
        self._address = self._address or await asyncio.to_thread(self._find)
        if self._address is None:
            raise _Gone
        catalogued = self.name.startswith("embedded/")
        path = self.name if catalogued else os.path.abspath(os.path.expanduser(self.name))
        model = Hello("", "", path, self._engine_there, self.capabilities.source or "", self.logprobs)
        async with connected(self._address, model) as streams:
            yield streams


@asynccontextmanager
async def connected(
    address: EngineAddress, hello: Hello
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """Connect to an engine and say hello, which is signed here. Raises `_Gone` for whoever is not that engine."""
    nonce = secrets.token_urlsafe(16)
    signed = msgspec.structs.replace(hello, nonce=nonce, proof=address.proof(nonce, "client"))
    writer: asyncio.StreamWriter | None = None
    try:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, address.port, limit=MOST_LINE)
                writer.write(encode(signed) + b"\n")
                welcome = await _read(reader)
        except OSError:  # a time-out is one
            raise _Gone from None
        if not isinstance(welcome, Welcome) or welcome.refusal or not address.proves(welcome.proof, nonce, "engine"):
            raise _Gone
        yield reader, writer
    finally:
        if writer is not None:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> object:
    try:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise _Gone
        return decode_message(line)
    except (OSError, ValueError, RecursionError):
        raise _Gone from None


async def answers(address: EngineAddress, *, stop: bool = False) -> bool:
    """Whether an engine answers at its address; with `stop` it is told to end."""
    try:
        async with connected(address, Hello("", "", stop=stop)):
            return True
    except _Gone:
        return False
