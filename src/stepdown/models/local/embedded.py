"""Models that run in this process from a GGUF file, with many replies under way at once."""

import asyncio
import atexit
import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from time import perf_counter
from typing import Protocol

import msgspec

from stepdown.custom import CustomModel
from stepdown.errors import UsageError
from stepdown.models.local.load_times import Loading, expected_loading, note_loading
from stepdown.models.local.places import WIDTHS
from stepdown.models.weights.cache import models_folder
from stepdown.models.weights.gguf import read_header
from stepdown.models.weights.openvino_form import is_made
from stepdown.types import Capabilities, Messages, Reply, Sampling, fingerprint


class Engine(Protocol):
    """What runs a model: `width` replies at once, one reply per seed, `close` frees it."""

    @property
    def width(self) -> int:
        """How many replies are written at once at most."""
        ...

    async def draw(self, messages: Messages, sampling: Sampling, seeds: Sequence[int]) -> list[Reply]:
        """Return one reply per seed."""
        ...

    def stream(self, messages: Messages, sampling: Sampling, seed: int) -> AsyncGenerator[str | Reply, None]:
        """Yield one draw's text in pieces, then its reply."""
        ...

    def close(self) -> None:
        """Free the engine; blocks until it has stopped."""
        ...


class EmbeddedModel(CustomModel):
    """A model in this process; all of one file and engine share one engine, whatever event loop asks.

    `source` is the start of the weights' SHA-256 with the engine's name, and its `device` (`cuda/bfloat16`) unless that
    is the CPU in float32, since what computes otherwise writes otherwise. `engine` is `openvino-int8`, `openvino-int4`
    (the file's weights written anew in OpenVINO's own format), `openvino` or `openvino-gguf` (the file as it is),
    `llamacpp` or `transformers`; `width` is how many replies at once make the engine fast. With a seed the n draws of a
    call differ and the same call, made alone, draws them again; without a seed every draw is new. `Reply.usage` counts
    the prompt for each draw, and as `cached` where another draw of the call had read it. `prompts` names the prompt set
    it was trained on, "" if none. OpenVINO gives log-probabilities where `logprobs` asks, the others always.
    `find_path` finds a GGUF file, or for the engine `transformers` a folder too.
    """

    def __init__(
        self,
        name: str,
        find_path: Callable[[], Path],
        *,
        engine: str,
        digest: str,
        prompts: str = "",
        device: str = "",
        logprobs: bool = False,
    ) -> None:
        self.name, self.engine = name, engine
        # A file that OpenVINO runs as it is has the source it has always had.
        self._source = "/".join(filter(None, (digest[:16], engine.removesuffix("-gguf"), device)))
        self.capabilities = Capabilities(source=self._source, local=True, streams=True, prompts=prompts)
        self._kind, _, self._form = engine.partition("-")
        self.width = {"openvino": 32, "llamacpp": 8}.get(self._kind) or WIDTHS[device.partition("/")[0] or "cpu"]
        self._find_path = find_path
        # Told in another thread what is about to be loaded, where this model is the one that loads the engine.
        self.on_loading: Callable[[Loading], None] | None = None
        self.logprobs = logprobs
        # Who wants log-probabilities and who does not have engines of their own.
        self._place = (self._source, logprobs)
        self._shared = False

    def __repr__(self) -> str:
        return f"EmbeddedModel(name={self.name!r}, source={self._source!r})"

    @property
    def engine_elsewhere(self) -> str:
        """The engine by whose name another process loads what this is: a form by its name computes in float32."""
        return self._kind if self._in_halves else self.engine

    @property
    def _in_halves(self) -> bool:
        return self._source.endswith("/cpu/bfloat16")

    async def prepare(self) -> None:
        """Fetch the weights and load the engine now: seconds, or minutes if it must download."""
        await asyncio.shield(asyncio.wrap_future(self._share()))

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n replies; raises `CallFailed` where prompt and engine do not fit, `UsageError` on bad sampling."""
        _check(sampling, n)
        engine = await asyncio.shield(asyncio.wrap_future(self._share()))
        started = perf_counter()
        replies = await engine.draw(messages, sampling, draw_seeds(sampling.seed, n))
        return [self._named(reply, started) for reply in replies]

    async def stream(self, messages: Messages, sampling: Sampling) -> AsyncGenerator[str | Reply, None]:
        """Yield the text piece by piece, then the whole `Reply`; raises as `reply` does.

        A consumer that closes it early takes the draw off the engine. A folder that transformers runs says its text
        in one piece.
        """
        _check(sampling, 1)
        engine = await asyncio.shield(asyncio.wrap_future(self._share()))
        started = perf_counter()
        async with aclosing(engine.stream(messages, sampling, draw_seeds(sampling.seed, 1)[0])) as pieces:
            async for piece in pieces:
                yield piece if isinstance(piece, str) else self._named(piece, started)

    def _named(self, reply: Reply, started: float) -> Reply:
        return msgspec.structs.replace(reply, model=self.name, seconds=perf_counter() - started)

    async def close(self) -> None:
        """Leave the engine; the last model to leave frees it. A later reply loads it again."""
        if self._shared:
            self._shared = False
            await asyncio.to_thread(_leave, self._place)

    def _share(self) -> "Future[Engine]":
        with _LOCK:
            engine = _ENGINES.get(self._place)
            if engine is None:
                engine = _ENGINES[self._place] = _Shared(self._load)
                engine.future.add_done_callback(self._forget_failure)
            if not self._shared:
                engine.users, self._shared = engine.users + 1, True
            return engine.future

    def _forget_failure(self, future: "Future[Engine]") -> None:
        if future.exception() is not None:
            with _LOCK:
                _ENGINES.pop(self._place, None)
        else:
            atexit.register(future.result().close)

    def _load(self) -> Engine:
        path = self._find_path()
        to_make = self._kind == "openvino" and not is_made(path, self._openvino_form, _converted())
        loading = expected_loading(self.name, self._source, path, made_ready=to_make)
        if self.on_loading is not None:
            self.on_loading(loading)
        started = perf_counter()
        engine = self._load_from(path)
        note_loading(loading, self._source, perf_counter() - started)
        return engine

    @property
    def _openvino_form(self) -> str:
        return self._form.removesuffix("gguf")

    def _load_from(self, path: Path) -> Engine:
        if self.engine == "transformers":
            from stepdown.models.local.transformers import TransformersEngine

            return TransformersEngine(path)
        header = read_header(path)
        if self._kind == "openvino":
            from stepdown.models.local.openvino import OpenVinoEngine

            form, halves = self._openvino_form, self._in_halves
            return OpenVinoEngine(path, header, _converted(), form, halves=halves, logprobs=self.logprobs)
        from stepdown.models.local.llamacpp import LlamaEngine

        return LlamaEngine(path, header)


def _converted() -> Path:
    return models_folder() / "converted"


class _Shared:
    """An engine, or the promise of it, and how many models use it."""

    def __init__(self, load: Callable[[], Engine]) -> None:
        loader = ThreadPoolExecutor(1, thread_name_prefix="load model")
        self.future = loader.submit(load)
        self.users = 0
        loader.shutdown(wait=False)


# A future that is already done calls back at once, under the lock: it must be one that its holder may take again.
_LOCK = threading.RLock()
_ENGINES: dict[tuple[str, bool], _Shared] = {}


def _leave(place: tuple[str, bool]) -> None:
    with _LOCK:
        engine = _ENGINES.get(place)
        if engine is None:
            return
        engine.users -= 1
        if engine.users > 0:
            return
        del _ENGINES[place]
    loaded = engine.future.result()
    atexit.unregister(loaded.close)
    loaded.close()


def draw_seeds(seed: int | None, n: int) -> list[int]:
    """Return the engine's seeds for n draws: from the caller's seed, or from the system's entropy without one."""
    first = secrets.randbits(32) if seed is None else int(fingerprint(seed)[:8], 16)
    return [(first + draw) % 2**32 for draw in range(n)]


def _check(sampling: Sampling, n: int) -> None:
    wrong = {
        "n": (n, n >= 1),
        "max_tokens": (sampling.max_tokens, sampling.max_tokens >= 1),
        "temperature": (sampling.temperature, 0 <= sampling.temperature < float("inf")),
        "top_p": (sampling.top_p, 0 < sampling.top_p <= 1),
    }
    for field, (value, fine) in wrong.items():
        if not fine:
            raise UsageError(f"`{field}` of `{value}` draws nothing", "see `Sampling` for what each may be")
