"""How long loading a model takes on this machine: as its last loads did, before there are such by the weights' size."""

import os
from contextlib import suppress
from pathlib import Path
from statistics import median_low

import msgspec

from stepdown.models.weights.cache import models_folder

# Guesses of a machine with two cores: seconds, and seconds for each byte of the GGUF file.
_LOAD, _MAKE = (2.0, 2e-9), (6.0, 17e-9)
_KEPT = 5


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
    base, each = _MAKE if made_ready else _LOAD
    known = _read().get(_key(source, made_ready), ())
    # A load beside other work takes several times as long: two that did outweigh the guess, one does not.
    some = known if len(known) > 1 else (*known, base + each * path.stat().st_size)
    return Loading(name, median_low(some), made_ready)


def note_loading(loading: Loading, source: str, seconds: float) -> None:
    """Keep how long it took, for the next times; a cache that cannot be written keeps nothing."""
    times, key = _read(), _key(source, loading.made_ready)
    times[key] = (*times.get(key, ()), round(seconds, 1))[-_KEPT:]
    file = _file()
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with suppress(OSError):
        part.write_bytes(msgspec.json.encode(times))
        part.replace(file)


def _key(source: str, made_ready: bool) -> str:
    return f"{source}{'+made' * made_ready}"


def _file() -> Path:
    return models_folder() / "load_times.json"


def _read() -> dict[str, tuple[float, ...]]:
    try:
        # Until November 2026 only the last time was kept.
        kept = msgspec.json.decode(_file().read_bytes(), type=dict[str, tuple[float, ...] | float])
    except (OSError, msgspec.DecodeError, RecursionError):
        return {}
    return {key: times if isinstance(times, tuple) else (times,) for key, times in kept.items()}
