"""Where the file system's locks are not to be relied on, one process writes at a time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from filled import questions, solve
from stepdown.store import Store
from stepdown.store.filesystem import NETWORKS, WriterLock, network_of
from stepdown.store.owners import Owner


def test_this_disk_is_no_network_and_the_well_known_ones_are(tmp_path: Path) -> None:
    assert network_of(tmp_path / "not" / "there") == ""
    assert {"NFS", "SMB", "CIFS", "Lustre", "FUSE"} <= set(NETWORKS.values())


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite", journal="delete") as opened:
        yield opened


def test_on_a_network_the_store_has_no_log_in_shared_memory(elsewhere: Store) -> None:
    assert len(solve(elsewhere, 3)) == 3
    assert elsewhere.db.execute("pragma journal_mode").fetchone() == ("delete",)
    assert not list(elsewhere.path.parent.glob("*-wal"))


def test_on_a_network_one_process_writes_and_others_read(elsewhere: Store) -> None:
    solve(elsewhere, 3)
    code = "import sys; from stepdown.store import Store; Store(sys.argv[1], journal='delete')"
    done = subprocess.run([sys.executable, "-c", code, str(elsewhere.path)], capture_output=True, text=True)
    assert f"is being written by process {os.getpid()}" in done.stderr
    assert questions(elsewhere.path) == 3


def test_the_owners_lock_goes_with_its_store_and_of_a_dead_owner(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, journal="delete").close()
    assert not list(tmp_path.glob("*-owner"))
    dead = Owner().name.split(" ")
    path.with_name("s.sqlite-owner").write_text(" ".join([dead[0], "99999999", *dead[2:]]))
    WriterLock(path, "NFS").release()
    assert not list(tmp_path.glob("*-owner"))
