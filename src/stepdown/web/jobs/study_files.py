"""The study files in a study's folder: those that a page wrote for its forms, by the hash that cards carry."""

import hashlib
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import msgspec

from stepdown.errors import UsageError
from stepdown.files import replacing
from stepdown.types import StudyFile
from stepdown.web.jobs.study_form import FILE, StudySettings

_MOST, _MOST_BYTES = 20, 1 << 16


class WrittenStudy(msgspec.Struct, frozen=True):
    """A study file that lies in a study's folder, with its bytes."""

    cited: StudyFile
    content: bytes

    @property
    def text(self) -> str:
        """Its text as a page shows it."""
        return self.content.decode("utf-8", "replace")


def write_study_file(settings: StudySettings, corpus: Path, folder: Path) -> Path:
    """Write the study file of a form into the study's folder, and return where it lies.

    Students cite the files they were trained by, so one of other settings stays, and this one gets the next number.
    Raises `UsageError`.
    """
    for file in islice(_places(folder), _MOST):
        text = settings.text(file, corpus)
        if not file.exists():
            _write(file, text)
            return file
        if file.is_file() and file.read_bytes() == text.encode():
            return file
    raise UsageError(f"`{folder}` holds {_MOST} studies of other settings", "give this study another name")


def _places(folder: Path) -> Iterator[Path]:
    yield folder / FILE
    yield from (folder / FILE.replace(".", f"-{number}.") for number in count(2))


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write `{file}`: {error.strerror}", "serve with another --students") from error
    with replacing(file, False) as part:
        part.write_bytes(text.encode())


def study_files(folder: Path) -> tuple[WrittenStudy, ...]:
    """Return the study files of a study's folder in their order."""
    return tuple(filter(None, map(_read, islice(_places(folder), _MOST))))


def _read(file: Path) -> WrittenStudy | None:
    try:
        content = file.read_bytes() if file.is_file() and file.stat().st_size <= _MOST_BYTES else None
    except OSError:
        return None
    return WrittenStudy(StudyFile(hashlib.sha256(content).hexdigest(), file.name), content) if content else None
