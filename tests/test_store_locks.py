"""A store that is open stays whole while this process opens it again and other processes come and go."""

import subprocess
import sys
from pathlib import Path

import pytest

from stepdown.errors import StoreError
from stepdown.store import Store
from stepdown.types import Problem

COME_AND_GO = """
import sys
from stepdown.store import Store
from stepdown.types import Problem
with Store(sys.argv[1]) as store:
    store.put_problems([Problem(f"other/{n}", "q" * 500, "1") for n in range(100)])
"""


def test_another_process_that_leaves_takes_no_log_away_from_an_open_store(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as first, Store(path) as second:
        first.put_problems([Problem("own/0", "q", "1")])
        subprocess.run([sys.executable, "-c", COME_AND_GO, str(path)], check=True)
        assert path.with_name("s.sqlite-wal").exists()
        second.put_problems([Problem("own/1", "q", "1")])
        assert first.value("select count(*) from problems") == 102
        assert first.db.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("text", [b"no database", b"no database at all, and longer than a head of SQLite's" * 100])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(text)
    with pytest.raises(StoreError, match="does not begin as an SQLite file"):
        Store(path)
    assert path.read_bytes() == text and [one.name for one in tmp_path.iterdir()] == ["s.sqlite"]
