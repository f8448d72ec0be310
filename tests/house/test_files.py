"""What is written is whole or absent, replaces only files, and leaves nothing behind."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.errors import UsageError
from stepdown.files import folder_beside, locked, replacing, replacing_folder, resumable_folder, write_whole


def test_a_file_is_not_there_until_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with replacing(out, False) as part:
        part.write_text("half")
        assert not out.exists()
    assert out.read_text() == "half" and list(tmp_path.iterdir()) == [out]


def test_a_file_that_was_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(RuntimeError), replacing(out, True) as part:
        part.write_text("half")
        raise RuntimeError
    assert out.read_text() == "old" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("place", ["/dev/null", "/dev/zero", "fifo", "folder", "link"])
def test_what_is_no_regular_file_is_never_replaced(place: str, force: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    out = tmp_path / place
    before = out.stat().st_mode
    with pytest.raises(UsageError, match=r"regular file|directory|cannot write"):
        write_whole(out, b"mine", force=force)
    assert out.stat().st_mode == before


def test_a_file_that_is_there_is_only_replaced_by_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(UsageError, match="there already"):
        write_whole(out, b"new", force=False)
    write_whole(out, b"new")
    assert out.read_text() == "new"


def test_a_link_is_followed_and_permissions_stay(tmp_path: Path) -> None:
    out, link = tmp_path / "out", tmp_path / "link"
    out.write_text("old")
    out.chmod(0o600)
    link.symlink_to(out)
    write_whole(link, b"new")
    assert (link.is_symlink(), out.read_text(), out.stat().st_mode & 0o777) == (True, "new", 0o600)


KILLED = """
import os, signal, sys
from pathlib import Path
from stepdown.files import folder_beside, replacing, replacing_folder
out = Path(sys.argv[1])
with replacing(out, True) as part, folder_beside(part) as folder, replacing_folder(out.with_name("b")) as other:
    (other / "part").write_text("half")
    part.write_text("half")
    (folder / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_the_killed_left_is_swept_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    out, other = tmp_path / "a[1].csv", tmp_path / ".a[1].csv.mine"
    other.write_text("mine")
    subprocess.run([sys.executable, "-c", KILLED, str(out)])
    assert len(list(tmp_path.iterdir())) == 4
    write_whole(out, b"whole")
    with replacing_folder(tmp_path / "b"):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([out, tmp_path / "b", other])


def test_what_the_living_write_is_not_swept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with replacing(out, True) as first:
        first.write_text("first")
        with folder_beside(out) as folder, replacing(out, True) as second:
            second.write_text("second")
            assert first.exists() and folder.exists()
    assert out.read_text() == "first" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["n" * 250, "ä" * 120, "-", "a b\n"])
def test_a_name_that_the_disk_takes_is_taken(name: str, tmp_path: Path) -> None:
    write_whole(tmp_path / name, b"x")
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("place", ["missing/out", "n" * 300, "a\0b", "/proc/none"])
def test_a_place_that_cannot_be_written_is_said(place: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        write_whole(tmp_path / place, b"x")


def test_a_page_of_a_report_replaces_no_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filled import fill

    fill(tmp_path / "s.sqlite", 2)
    (tmp_path / "out").symlink_to("/dev/null")
    assert main(["report", "--html", str(tmp_path / "out"), "--store", str(tmp_path / "s.sqlite")]) == 2
    assert "not a regular file" in capsys.readouterr().err


def test_what_one_writer_holds_is_refused_to_others(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", "another process writes it"),
        pytest.raises(UsageError, match="another process writes it"),
        locked(tmp_path / "lock", "another process writes it"),
    ):
        pass
    with locked(tmp_path / "lock", "another process writes it"):
        assert (tmp_path / "lock").exists()


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_that_knows_no_locks_stops_nobody(answer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(answer, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuses)
    with locked(tmp_path / "lock", "another process writes it"):
        assert (tmp_path / "lock").exists()


def test_what_a_worker_left_that_outlived_its_command_does_not_come_into_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "kept"
    with resumable_folder(out, "k") as work:
        (work / "bucket-0000.json").write_text("{}")
        # Of a process that runs: nothing but the folder's end removes it.
        (work / f".bucket-0000.json.stepdown-e83e82-{os.getpid()}-25c081").write_text("{")
        (work / ".kept").write_text("")
    assert {path.name for path in out.iterdir()} == {"bucket-0000.json", ".kept"}
