"""What runs on a node: one engine, asked by messages of many prompts."""

import asyncio
import os
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec

from stepdown.errors import EndpointRefused, StepdownError
from stepdown.models.cluster.weight_files import SentFile, receive
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_local
from stepdown.models.local.worker import Failed, Finished, Generate, failed
from stepdown.text import clipped
from stepdown.workers import Versions, connect, difference, versions

encode = msgspec.msgpack.encode
decode_message = msgspec.msgpack.Decoder(list[Generate]).decode
_LONGEST = 200
decode_answer = msgspec.msgpack.Decoder(list[Finished | Failed]).decode


class EngineSpec(msgspec.Struct, frozen=True):
    """Which model a worker loads: a catalogue name or an absolute path, its engine, the source it must have, and
    whether log-probabilities are wanted."""

    name: str
    engine: str
    source: str
    logprobs: bool = False


class Loaded(msgspec.Struct, frozen=True):
    """What became of loading: `refused` says why this node cannot, `missing` that the files are not at the path."""

    width: int = 0
    process: int = 0
    refused: str = ""
    missing: bool = False


class EngineActor:
    """One engine in a process of Ray's; a process whose engine died ends, and Ray starts another."""

    def __init__(self, cores: int) -> None:
        self.model: EmbeddedModel | None = None
        # Ray says 1, as it goes by what an actor takes in its books.
        os.environ["OMP_NUM_THREADS"] = str(cores)

    async def versions_differ(self, driver: tuple[str, str]) -> str:
        """Return in which version this node differs from the driver; "" where it does not."""
        return difference(versions(), Versions(*driver))

    async def load(self, spec: EngineSpec, files: list[SentFile] | None = None) -> Loaded:
        """Load the engine, from the path or from files that were sent; only weights of the right hash."""
        try:
            model = await asyncio.to_thread(_find, spec, files)
            if model is None:
                return Loaded(missing=True)
            found = model.capabilities.source or ""
            if found != spec.source:
                return Loaded(refused=_other(found, spec))
            await model.prepare()
        except StepdownError as error:
            return Loaded(refused=error.what)
        except Exception as error:
            # What an engine raises where it cannot be had is its own: of its library, of memory, of a driver.
            traceback.print_exc()
            return Loaded(refused=f"its engine does not load: {type(error).__name__}: {clipped(str(error), _LONGEST)}")
        self.model = model
        return Loaded(width=model.width, process=os.getpid())

    async def answer(self, message: bytes) -> bytes:
        """Answer the prompts of a message, all at once."""
        if self.model is None:
            # Started again by Ray, and not yet told what to load: the driver sees a message that was lost.
            raise RuntimeError("no model is loaded")
        model = self.model
        return encode(await asyncio.gather(*(_answer(model, one) for one in decode_message(message))))


async def _answer(model: EmbeddedModel, asked: Generate) -> Finished | Failed:
    try:
        return Finished(asked.number, await model.reply(asked.messages, asked.sampling, asked.n))
    except EndpointRefused:
        _end()
    except StepdownError as error:
        return failed(asked.number, error)
    except Exception:
        _end()


def _other(found: str, spec: EngineSpec) -> str:
    """Return in words why a model from another source is not the one wanted."""
    if found.partition("/")[0] == spec.source.partition("/")[0]:
        return f"it would answer from `{found}` and not `{spec.source}`: another device serves `{spec.name}` there"
    return f"other weights at `{spec.name}`: `{found}` and not `{spec.source}`"


def _end() -> NoReturn:
    """End the process: its engine died. Ray's own way to leave an actor would have it asked again as it is."""
    traceback.print_exc()
    os._exit(1)


def _find(spec: EngineSpec, files: list[SentFile] | None) -> EmbeddedModel | None:
    """Return the model, not loaded yet; None where its files are not here."""
    os.environ["STEPDOWN_ENGINE"] = spec.engine
    if spec.name.startswith("embedded/"):
        return load_local(spec.name, logprobs=spec.logprobs)
    path = Path(spec.name)
    if not path.exists():
        if files is None:
            return None
        path = receive(files, spec.source, connect(), file=path.suffix == ".gguf")
    return load_local(str(path), logprobs=spec.logprobs)
