"""A disk that is full is told as that, whichever library met it, and what was kept stays."""

import errno
import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from small_lessons import FAST, chains
from small_students import TRAINS, small_student
from stepdown.errors import FileError, UsageError
from stepdown.files import replacing
from stepdown.full_disks import explained_full_disk, full_disk
from stepdown.training import train

pytestmark = TRAINS
HINT = "free some space; what was kept is still there, and the same command goes on from it"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes, as a quota does: EFBIG, which is met where ENOSPC is."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def by_safetensors(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.ones(100_000)}, path)


def by_torch(path: Path) -> None:
    import torch

    torch.save({"a": torch.ones(100_000)}, path)


def by_tokenizers(path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE(vocab={f"word{n}": n for n in range(9_000)}, merges=[])).save(str(path))


def by_polars(path: Path) -> None:
    import polars

    polars.DataFrame({"a": [os.urandom(100).hex() for _ in range(2_000)]}).write_parquet(path)


def by_numpy(path: Path) -> None:
    import numpy

    numpy.ones(100_000).tofile(path)


@pytest.mark.parametrize("write", [by_safetensors, by_torch, by_tokenizers, by_polars, by_numpy])
def test_every_library_that_we_write_by_is_understood(write: Callable[[Path], None], tmp_path: Path) -> None:
    with files_up_to(20_000), pytest.raises(FileError) as full, explained_full_disk(tmp_path / "x"):
        write(tmp_path / "x")
    assert str(tmp_path) in full.value.what and full.value.hint == HINT and full.value.exit_code == 5


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
     sqlite3.OperationalError("database or disk is full"),
     RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")],
)  # fmt: skip
def test_a_full_disk_is_found_behind_the_error_that_came_of_it(error: Exception) -> None:
    outer = RuntimeError("the writer stopped")
    outer.__cause__ = error
    for one in (error, outer):
        assert (found := full_disk(one, "x.bin")) is not None and found.what.startswith("`x.bin`: ")


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("28"), RuntimeError()])
def test_other_errors_are_none_of_a_full_disk(error: Exception) -> None:
    assert full_disk(error) is None
    with pytest.raises(type(error)), explained_full_disk("x"):
        raise error


def test_a_file_that_found_no_room_is_not_said_to_have_a_wrong_name(tmp_path: Path) -> None:
    with files_up_to(1_000), pytest.raises(FileError) as full, replacing(tmp_path / "out", False) as part:
        part.write_bytes(bytes(5_000))
    assert full.value.hint == HINT and not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=r"is a directory|cannot write"), replacing(tmp_path, False) as part:
        part.write_bytes(b"")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_without_room_says_so_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    base, out, said = small_student(tmp_path / "base"), tmp_path / "student", list[Any]()
    with files_up_to(30_000), pytest.raises(FileError) as full:
        train(chains(), base=base, out=out, training=FAST, progress=said.append)
    assert str(out) in full.value.what and full.value.hint == HINT and not out.exists()
    assert train(chains(), base=base, out=out, training=FAST) == [out] and (out / "model.safetensors").exists()
