"""Copies of a store are whole, or hold what can be read of a damaged one; compacting drops nothing that was paid."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.errors import StoreError, UsageError
from stepdown.runner import Task, run_task
from stepdown.store import Run, Store
from stepdown.store.call_claims import Claim, Claims
from stepdown.store.maintenance import check, compact, copy
from stepdown.store.summaries import columns_of
from stepdown.types import Plan, Usage
from worlds import DIRECT, LastWord, student, sums


def solve(store: Store, count: int = 20) -> Run:
    task = Task(problems=sums(count), method=DIRECT, student=student(), grader=LastWord())
    return asyncio.run(run_task(task, store)).run


def test_a_copy_is_whole_while_the_store_is_open_and_written(store: Store, tmp_path: Path) -> None:
    run = solve(store)
    with store.writing() as db:
        db.execute("update runs set grader = 'not committed'")
        made = copy(store.path, tmp_path / "copy.sqlite")
    assert (made.damaged, made.rows["traces"]) == (False, 20)
    with Store(tmp_path / "copy.sqlite") as copied:
        assert list(copied.run(run.id).graded()) == list(run.graded("last-word@1"))


def test_a_copy_replaces_nothing_unasked(store: Store, tmp_path: Path) -> None:
    solve(store, 1)
    (tmp_path / "there").write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        copy(store.path, tmp_path / "there")
    copy(store.path, tmp_path / "there", force=True)
    assert check(tmp_path / "there").sound


def break_index(path: Path) -> None:
    """Make the pages of an index nonsense; the rows of its table can be read all the same."""
    with sqlite3.connect(path) as db:
        page = db.execute("select rootpage from sqlite_master where name = 'sqlite_autoindex_calls_1'").fetchone()[0]
        size = db.execute("pragma page_size").fetchone()[0]
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def test_of_a_damaged_store_a_copy_holds_what_can_be_read_and_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        run = solve(store)
    break_index(path)
    assert not check(path).sound
    made = copy(path, tmp_path / "copy.sqlite")
    assert made.damaged and made.rows["calls"] == made.rows["traces"] == 20
    assert check(tmp_path / "copy.sqlite").sound
    with Store(tmp_path / "copy.sqlite") as copied:
        assert len(list(copied.run(run.id).graded())) == 20


def test_of_a_file_that_was_cut_off_the_calls_before_the_cut_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        solve(store, 300)
        store.db.execute("pragma journal_mode = delete").close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    found = check(path)
    assert not found.sound and found.faults and not found.rows
    made = copy(path, tmp_path / "copy.sqlite")
    assert made.damaged and 20 < made.rows["calls"] < 300
    assert check(tmp_path / "copy.sqlite").sound


def test_rows_that_are_not_whole_stay_behind(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        solve(store)
        store.db.execute("update calls set reply = x'00' where rowid <= 3")
    made = copy(path, tmp_path / "copy.sqlite")
    assert (made.damaged, made.lost, made.rows["calls"], made.rows["traces"]) == (True, 3 + 3 + 3, 17, 17)
    assert check(tmp_path / "copy.sqlite").sound


def test_of_what_cannot_be_read_at_all_there_is_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    with pytest.raises(StoreError):
        copy(path, tmp_path / "copy.sqlite")
    assert [file.name for file in tmp_path.iterdir()] == ["s.sqlite"]


def leave_behind(store: Store) -> None:
    """Leave what an interrupted copy of a run, a dead process and a problem of no trace leave."""
    run = solve(store, 3)
    store.put_problems([sums(9)[3]])
    with store.writing() as db:
        columns = "ordinal, sample, problem, plan, calls, solution, error, truncated, usage, extra"
        db.execute(f"insert into traces (run, {columns}) select 'half', {columns} from traces")
        db.execute("insert into grades select 'half', ordinal, sample, grader, verdict, found, why from grades")
        Claims(store).take([Claim(b"k" * 16, run.id, "m")], Usage(1, 1))
    run.put_edit("sums/test/0", Plan("1. Add.", "ann", edited_from="1. Sum."))


NOBODYS = {"edits": 0, "reviews": 0, "annotations": 0, "labels": 0, "commands": 0, "queue_marks": 0}
DROPPED = {"problems": 1, "traces": 3, "grades": 3, **NOBODYS, "claims": 1}


def test_compacting_says_what_it_would_drop_and_drops_nothing(store: Store) -> None:
    leave_behind(store)
    assert compact(store.path, dry=True).dropped == DROPPED
    assert store.value("select count(*) from traces") == 6


def test_compacting_drops_what_nothing_names_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        leave_behind(store)
        before = [list(run.graded()) for run in store.runs()]
    assert compact(path).dropped == DROPPED
    with Store(path) as store:
        assert [list(run.graded()) for run in store.runs()] == before
        assert store.value("select count(*) from calls where length(request) > 100") == 3
        assert store.value("select count(*) from edits") == 1
    assert compact(path, dry=True).dropped == dict.fromkeys(DROPPED, 0)


def test_what_the_dead_may_have_spent_stays_in_the_books(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        leave_behind(store)
        run = store.runs()[0].id
    compact(path)
    with Store(path) as store:
        assert Usage(1, 1) in [usage for _, usage in store.paid([run])]


def test_a_store_that_is_in_use_is_not_compacted(store: Store) -> None:
    leave_behind(store)
    with pytest.raises(StoreError, match="open in another process"):
        compact(store.path)
    assert store.value("select count(*) from traces") == 6


def test_the_verb_says_what_it_did_in_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    solve(store, 2)
    where = ["--store", str(store.path), "--json"]
    assert main(["store", "check", *where]) == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True
    assert main(["store", "copy", str(store.path.with_name("copy")), *where]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["calls"] == 2
    assert main(["store", "compact", "--dry-run", *where]) == 0
    assert json.loads(capsys.readouterr().out)["after"] is None


def test_a_check_makes_missing_summaries_and_mends_wrong_ones(store: Store) -> None:
    run = solve(store)
    run.refresh()
    with store.writing() as db:
        db.execute("update summaries set rights = 7 where kind = 'grades last-word@1'")
        db.execute("delete from summaries where kind = 'traces'")
    assert run.tally().rights == 7, "what is kept is believed"
    assert check(store.path).summaries == {"sound": 0, "made": 1, "mended": 1}
    assert run.tally() == (20, 20, 0) and check(store.path).summaries["sound"] == 2


@pytest.mark.parametrize("body", [b"", b"\x91\xa1\xff", b"\x00", b"\x92\x01"])
def test_a_summary_whose_bits_were_flipped_counts_as_none(store: Store, body: bytes) -> None:
    run = solve(store)
    run.refresh()
    [before] = columns_of(store, run.id, run.grader)
    with store.writing() as db:
        assert db.execute("update summaries set body = ?", (body,)).rowcount == 2
    assert list(columns_of(store, run.id, run.grader)) == [before]
    assert check(store.path).summaries["mended"] == 2
