"""The store's file: read wherever it lies, refused when it is damaged, and never another one than the one named."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from filled import fill, questions, solve
from stepdown.cli import main
from stepdown.errors import StoreError
from stepdown.store import Store
from stepdown.store.opening import connect, migrate
from stepdown.store.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION

RESCUED = "*.saved-*"


# -- reading


def block(path: Path, name: str) -> None:
    """Let SQLite find no place for a file beside the store, as in a folder it may not write: also for root."""
    path.with_name(path.name + name).mkdir()


def test_reading_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    fill(path)
    before = path.read_bytes()
    assert questions(path) == 30
    assert (path.read_bytes(), os.listdir(tmp_path)) == (before, ["s.sqlite"])


@pytest.mark.parametrize("name", ["-shm", "-wal"])
def test_a_store_is_read_where_nothing_can_be_written_beside_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.sqlite"
    fill(path)
    block(path, name)
    assert questions(path) == 30


def test_commits_in_a_log_beside_the_file_are_read_too(tmp_path: Path) -> None:
    path, archive = tmp_path / "s.sqlite", tmp_path / "archive" / "s.sqlite"
    archive.parent.mkdir()
    with Store(path) as store:
        solve(store, 5)
        for end in ("", "-wal"):
            shutil.copyfile(f"{path}{end}", f"{archive}{end}")
    block(archive, "-shm")
    assert archive.with_name("s.sqlite-wal").stat().st_size
    assert questions(archive) == 5


def test_a_store_that_is_read_cannot_be_written(tmp_path: Path) -> None:
    fill(tmp_path / "s.sqlite")
    with Store(tmp_path / "s.sqlite", reading=True) as store, pytest.raises(StoreError, match="read only"):
        store.put_problems([])


@pytest.mark.parametrize("words", [["runs"], ["report"], ["traces", "RUN"], ["audit", "RUN"], ["store", "check"]])
def test_every_verb_that_reads_works_on_an_archive(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.sqlite"
    run = fill(path, 3)
    block(path, "-shm")
    assert main([word.replace("RUN", run) for word in words] + ["--store", str(path)]) == 0
    assert capsys.readouterr().out


# -- older files


def older(path: Path, schema: int) -> None:
    """Make an empty store of an earlier schema, as the program of that time left it."""
    db = connect(path, "rwc")
    for step in MIGRATIONS[:schema]:
        step(db)
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute(f"pragma user_version = {schema}")
    db.execute("insert into runs (id, settings, created) values ('one', '{}', 1.0)")
    db.close()


@pytest.mark.parametrize("schema", range(1, SCHEMA_VERSION))
def test_an_older_file_becomes_a_newer_one(tmp_path: Path, schema: int) -> None:
    older(tmp_path / "s.sqlite", schema)
    with Store(tmp_path / "s.sqlite") as store:
        assert store.value("pragma user_version") == SCHEMA_VERSION
        assert store.value("select count(*) from runs") == 1
        assert store.value("select count(*) from claims") == store.value("select count(*) from reviews") == 0


@pytest.mark.parametrize("schema", range(1, SCHEMA_VERSION))
def test_an_older_file_is_read_without_becoming_a_newer_one(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "s.sqlite"
    older(path, schema)
    before = path.read_bytes()
    with Store(path, reading=True) as store:
        assert store.value("select count(*) from reviews") == 0
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    older(tmp_path / "s.sqlite", 1)
    db = connect(tmp_path / "s.sqlite", "rw")
    db.execute("create table claims (x)")
    with pytest.raises(StoreError):
        migrate(db)
    assert db.execute("pragma user_version").fetchone() == (1,)
    assert db.execute("select count(*) from sqlite_master where name = 'reviews'").fetchone() == (0,)
    db.close()


# -- damage


def garble(path: Path, seed: int) -> None:
    body, draw = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(draw.choice([1, 4, 40])):
        body[draw.randrange(100, len(body))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(body))


def statement(words: str) -> Callable[[Path], None]:
    def work(path: Path) -> None:
        with sqlite3.connect(path) as db:
            db.execute(words)
        db.close()

    return work


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut in a page": lambda path: os.truncate(path, 5000),
    "only a header": lambda path: os.truncate(path, 100),
    "half a header": lambda path: os.truncate(path, 10),
    "empty": lambda path: os.truncate(path, 0),
    "random bytes": lambda path: path.write_bytes(random.Random(1).randbytes(50_000)),
    "text": lambda path: path.write_text("these are notes\n" * 100),
    "pages of zeros": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
    "no table": statement("drop table traces"),
    "another table": statement("alter table calls rename to phones"),
    "no column": statement("alter table runs rename column settings to other"),
    "another program's": statement("pragma application_id = 7"),
    "from the future": statement("pragma user_version = 99"),
    "from before the first": statement("pragma user_version = -3"),
    "of no version": statement("pragma user_version = 0"),
    "settings that are none": statement("update runs set settings = '{}'"),
    "settings that are no text": statement("update runs set settings = x'ff00'"),
    "a reply that is none": statement("update calls set reply = '[1]'"),
    "no calls": statement("delete from calls"),
    "no problems": statement("delete from problems"),
    "places that are none": statement("update traces set calls = '[[1,2]]'"),
    "dates that are none": statement("update runs set created = 'soon'"),
}


@pytest.mark.parametrize("words", [["runs"], ["report"], ["traces", "RUN"], ["export", "RUN", "--to", "jsonl"]])
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_said_in_every_verb_with_a_way_out(
    kind: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.sqlite"
    run = fill(path, 3)
    DAMAGE[kind](path)
    out = ["--out", str(tmp_path / "out")] if words[0] == "export" else []
    code = main([run if word == "RUN" else word for word in words] + [*out, "--store", str(path)])
    said = capsys.readouterr().err
    assert code in {0, StoreError.exit_code} and "Traceback" not in said
    assert code == 0 or "hint:" in said


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_by_a_check(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.sqlite"
    fill(path, 3)
    DAMAGE[kind](path)
    assert main(["store", "check", "--store", str(path)]) == StoreError.exit_code


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bits_are_no_traceback(seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.sqlite"
    run = fill(path, 10)
    garble(path, seed)
    for words in (["runs"], ["traces", run], ["store", "check"], ["doctor"]):
        assert main([*words, "--store", str(path)]) in {0, 1, StoreError.exit_code}


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_no_store(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "s.sqlite")
    for reading in (True, False):
        with pytest.raises(StoreError, match="not a regular file"):
            Store(tmp_path / "s.sqlite", reading=reading)


# -- another file under the name


def drop(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def replace(path: Path) -> None:
    drop(path)
    Store(path).close()


VANISHING: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "deleted with its log": drop,
    "moved": lambda path: path.rename(path.with_name("elsewhere")),
    "replaced": replace,
    "without its log": lambda path: path.with_name(path.name + "-wal").unlink(),
}


@pytest.mark.parametrize("kind", VANISHING)
def test_a_commit_into_a_file_that_is_gone_is_refused_and_what_it_held_is_saved(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        run = solve(store, 5)
        VANISHING[kind](path)
        with pytest.raises(StoreError, match=r"deleted, moved or replaced") as refused:
            run.grader = "another"
        with pytest.raises(StoreError, match="deleted"):
            run.grader = "a third"
    (saved,) = tmp_path.glob(RESCUED)
    assert str(saved) in str(refused.value)
    assert questions(saved) == 5


def test_a_run_whose_file_is_gone_at_its_end_does_not_end_well(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        solve(store, 2)
        drop(path)
        with pytest.raises(StoreError, match="deleted"):
            solve(store, 2)


def test_a_file_that_is_put_back_can_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        run = solve(store, 2)
        path.rename(tmp_path / "away")
        with pytest.raises(StoreError):
            run.grader = "a"
        (tmp_path / "away").rename(path)
        run.grader = "b"
        assert run.grader == "b"
