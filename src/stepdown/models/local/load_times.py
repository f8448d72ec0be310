"""How long loading a model takes on this machine: as it was measured before, else guessed from the weights' size."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from stepdown.models.weights.cache import models_folder

# Guesses of a machine with two cores: seconds, and seconds for each byte of the GGUF file.
_LOAD, _MAKE = (2.0, 2e-9), (6.0, 17e-9)


class Loading(msgspec.Struct, frozen=True):
    """A model that is about to be loaded: about how many seconds that takes, and whether it is made ready first."""

    name: str
    seconds: float
    made_ready: bool

    def __str__(self) -> str:
        first = ", which is made ready for this machine once" if self.made_ready else ""
        return f"loading {self.name.removeprefix('embedded/')}{first}, about {max(1, round(self.seconds))} s"


def expected_loading(name: str, source: str, path: Path, *, made_ready: bool) -> Loading:
    """Return what is known of loading the weights at a path by the engine that `source` names."""
    known = _read().get(_key(source, made_ready))
    base, each = _MAKE if made_ready else _LOAD
    return Loading(name, base + each * path.stat().st_size if known is None else known, made_ready)


def note_loading(loading: Loading, source: str, seconds: float) -> None:
    """Keep how long it took, for the next time; a cache that cannot be written keeps nothing."""
    times = _read() | {_key(source, loading.made_ready): round(seconds, 1)}
    file = _file()
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with suppress(OSError):
        part.write_bytes(msgspec.json.encode(times))
        part.replace(file)


def _key(source: str, made_ready: bool) -> str:
    return f"{source}{'+made' * made_ready}"


def _file() -> Path:
    return models_folder() / "load_times.json"


def _read() -> dict[str, float]:
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
