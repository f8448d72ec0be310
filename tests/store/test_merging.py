"""Stores that are joined hold what each held: once, whole or not at all, and the same however often it is done."""

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from stepdown.cli import main
from stepdown.errors import StoreError, UsageError
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.runner import Task, grade, run_task
from stepdown.shards import Shard
from stepdown.store import (
    Annotation,
    BatchedCall,
    Batches,
    Decision,
    LostCall,
    Run,
    Store,
    annotate,
    annotations_by_trace,
    correct,
    decide_review,
    lost_calls,
    payers,
    put_lost_calls,
    put_server_faults,
    request_review,
    review_decision,
    servers_of,
)
from stepdown.store.call_claims import Claim, Claims
from stepdown.store.maintenance import check
from stepdown.store.merging import merge
from stepdown.types import GREEDY, Model, Plan, Usage
from worlds import TRACED, LastWord, student, sums, teacher
from written_earlier import OLDEST

COUNT = 12
SHARDS = [Shard(number, 3) for number in (1, 2, 3)]


def solve(path: Path, shard: Shard | None = None, model: Model | None = None) -> str:
    task = Task(
        problems=sums(COUNT), method=TRACED, student=model or student(), teacher=teacher(), grader=LastWord(),
        shard=shard,
    )  # fmt: skip
    with Store(path) as store:
        return asyncio.run(run_task(task, store)).run.id


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stores of three shards of one run, and of the whole of it, twice."""
    folder = tmp_path_factory.mktemp("stores")
    for shard in SHARDS:
        solve(folder / f"part{shard.number}", shard)
    for name in ("one", "other"):
        solve(folder / name)
    return folder


@pytest.fixture
def parts(solved: Path, tmp_path: Path) -> list[Path]:
    """Copies of the stores of the shards."""
    return [Path(shutil.copy(solved / f"part{shard.number}", tmp_path)) for shard in SHARDS]


@pytest.fixture
def twins(solved: Path, tmp_path: Path) -> tuple[Path, Path, str]:
    """Copies of two stores that have the whole run, each paid for by itself, and the run's id."""
    one, other = (Path(shutil.copy(solved / name, tmp_path)) for name in ("one", "other"))
    with Store(one, reading=True) as store:
        return one, other, run_of(store).id


def dump(path: Path) -> list[str]:
    with sqlite3.connect(path) as db:
        lines = list(db.iterdump())
    db.close()
    return lines


def run_of(store: Store) -> Run:
    return store.runs()[0]


def test_shards_become_the_run_that_would_have_been_made_at_once(
    parts: list[Path], twins: tuple[Path, Path, str], tmp_path: Path
) -> None:
    path, _, name = twins
    found = merge(parts, tmp_path / "all")
    with Store(path) as whole, Store(tmp_path / "all") as joined:
        for store in (whole, joined):
            store.db.execute("update calls set reply = json_remove(reply, '$.seconds')")
        first, second = whole.run(name), joined.run(name)
        assert list(first.graded()) == list(second.graded()) and first.settings == second.settings
        assert report(first, prices=Prices()).to_json() == report(second, prices=Prices()).to_json()
        assert sorted(whole.paid([name])) == sorted(joined.paid([name]))
    assert [(one.shards, one.of, one.missing, one.problems) for one in found.runs] == [(3, 3, (), COUNT)]
    assert check(tmp_path / "all").sound


def test_what_reports_count_is_counted_when_stores_are_joined(parts: list[Path], tmp_path: Path) -> None:
    merge(parts, tmp_path / "all.sqlite")
    with Store(tmp_path / "all.sqlite") as joined:
        assert joined.value("select count(*) from summaries") and [run.refresh() for run in joined.runs()] == [0]


def test_merging_the_same_store_again_changes_nothing(parts: list[Path], tmp_path: Path) -> None:
    merge(parts, tmp_path / "all")
    before = dump(tmp_path / "all")
    again = merge([*parts, parts[0], tmp_path / "all"], tmp_path / "all")
    assert dump(tmp_path / "all") == before and len(again.stores) == 3
    assert not any(sum(one.added.values()) + one.paid_twice for one in again.stores)


def test_what_failed_at_servers_is_summed_over_shards_and_counted_once(parts: list[Path], tmp_path: Path) -> None:
    for path in parts:
        with Store(path) as store:
            put_server_faults(store, {(run_of(store).id, "http://a/v1", "500"): 2})
    merge(parts[:2], tmp_path / "all")
    for _ in range(2):
        merge(parts, tmp_path / "all")
    with Store(tmp_path / "all") as joined:
        assert [one.errors for one in servers_of(run_of(joined))] == [6]


def test_lost_calls_are_added_up_and_counted_once(parts: list[Path], tmp_path: Path) -> None:
    for part in parts[:2]:
        with Store(part) as store:
            put_lost_calls(store, [LostCall(run_of(store).id, "m", Usage(3, 4))])
    for _ in range(2):
        merge(parts, tmp_path / "all")
    with Store(tmp_path / "all") as joined:
        run = run_of(joined)
        assert lost_calls(run) == [LostCall(run.id, "m", Usage(3, 4))] * 2


def test_an_incomplete_set_is_said(parts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "merge", *map(str, parts[:2]), "--into", str(tmp_path / "all")]) == 0
    assert "2 of 3 shards, without 3/3" in capsys.readouterr().out
    with Store(tmp_path / "all") as joined:
        assert "this store has 2 of 3 shards" in report(run_of(joined)).caption
    assert main(["store", "merge", str(parts[2]), "--into", str(tmp_path / "all"), "--json"]) == 0
    [said] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["missing"], one["problems"], one["total"]) for one in said["runs"]] == [([], COUNT, COUNT)]


def test_a_merge_that_is_only_tried_writes_nothing(parts: list[Path], tmp_path: Path) -> None:
    new = merge(parts, tmp_path / "all", dry=True)
    assert new.dry_run and new.rows["traces"] == COUNT and not (tmp_path / "all").exists()
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in parts}
    before = dump(parts[0])
    there = merge(parts[1:], parts[0], dry=True)
    assert there.rows == new.rows and dump(parts[0]) == before


def test_what_both_stores_paid_for_is_in_the_books_twice_and_each_keeps_its_answer(
    twins: tuple[Path, Path, str], tmp_path: Path
) -> None:
    (one, other, name), into = twins, tmp_path / "all"
    found = merge([one, other], into)
    assert [part.paid_twice for part in found.stores] == [0, 2 * COUNT] and found.conflicting == 0
    with Store(one) as first, Store(into) as joined:
        assert len(list(joined.paid([name]))) == 2 * len(list(first.paid([name]))) == 4 * COUNT
        assert list(first.run(name).graded()) == list(joined.run(name).graded())
    before = dump(into)
    merge([other, one], into)
    assert dump(into) == before and check(into).sound


def test_in_whatever_order_stores_come_each_payment_is_booked_once(
    twins: tuple[Path, Path, str], tmp_path: Path
) -> None:
    one, other, name = twins
    merge([one, other], tmp_path / "a")
    merge([other, one], tmp_path / "b")
    merge([tmp_path / "a"], tmp_path / "b")
    merge([tmp_path / "b"], other)
    for path in (tmp_path / "b", other):
        with Store(path) as joined:
            assert len(list(joined.paid([name]))) == 4 * COUNT and len(joined.run(name)) == COUNT
        assert check(path).sound


def test_a_solution_takes_the_place_of_a_failure_and_never_the_other_way(
    twins: tuple[Path, Path, str], tmp_path: Path
) -> None:
    failed, solved, name = twins
    with Store(failed) as store, store.writing() as db:
        db.execute("update traces set solution = null, error = 'no answer'")
        db.execute("update grades set verdict = 'ungraded'")
    for order in ((failed, solved), (solved, failed)):
        into = tmp_path / f"{order[0].name} first"
        assert merge(order, into).conflicting == 0
        with Store(into) as joined:
            assert (joined.run(name).summary().right, joined.run(name).summary().errors) == (COUNT, 0)


def test_what_was_solved_or_graded_differently_stays_and_is_said(
    parts: list[Path], twins: tuple[Path, Path, str], tmp_path: Path
) -> None:
    _, other, _ = twins
    with Store(other) as store, store.writing() as db:
        db.execute("update traces set solution = 'Answer: 99' where ordinal < 2")
        db.execute("update grades set verdict = 'wrong' where ordinal = 3")
    found = merge([*parts, other], tmp_path / "all")
    said = [(one.store, one.problem, one.what) for one in found.conflicts]
    assert sorted(said) == [
        (str(other), "sums/test/0", "solved differently"),
        (str(other), "sums/test/1", "solved differently"),
        (str(other), "sums/test/3", "graded differently by last-word@1"),
    ]
    with Store(tmp_path / "all") as joined:
        assert joined.runs()[0].summary().right == COUNT


def test_what_people_did_is_joined_oldest_first(parts: list[Path], tmp_path: Path) -> None:
    for path, moment in zip(parts[:2], (200.0, 100.0), strict=True):
        with Store(path) as store:
            run = run_of(store)
            problem = next(run.traces()).problem.id
            run.put_edit("sums/test/0", Plan(f"edited at {moment:.0f}", author="person"), created=moment)
            annotate(run, problem, annotation=Annotation(path.name, "", "ann", moment))
            correct(run, next((o, t.sample) for o, t, _ in run.rows()), verdict="wrong", author="ann")
    merge(parts, tmp_path / "all")
    with Store(tmp_path / "all") as joined:
        run = run_of(joined)
        assert [edit.plan.text for edit in run.edits()] == ["edited at 100", "edited at 200"]
        assert sorted(one.delegation for some in annotations_by_trace(run).values() for one in some) == [
            "part1", "part2",
        ]  # fmt: skip
        assert run.grader == "last-word@1+person" and run.summary().right == COUNT - 2


def test_of_plans_held_for_a_person_a_decision_counts_and_another_one_is_said(
    parts: list[Path], tmp_path: Path
) -> None:
    plan, problem = Plan("1. Look.", "teacher"), next(iter(sums(1)))
    decisions: tuple[Decision | None, ...] = (None, "edited", "accepted")
    for path, decision in zip(parts, decisions, strict=True):
        with Store(path) as store:
            request_review(run_of(store), problem, plan)
            if decision:
                decide_review(store, (run_of(store).id, problem.id), decision=decision, plan=plan)
    found = merge(parts, tmp_path / "all")
    assert [one.what for one in found.conflicts] == ["a person decided otherwise on its plan"]
    with Store(tmp_path / "all") as joined:
        kept = review_decision(run_of(joined), problem.id)
        assert kept is not None and kept.decision == "edited"


def test_grades_of_shards_are_joined_and_shown(twins: tuple[Path, Path, str], tmp_path: Path) -> None:
    first, _, name = twins
    copies = [tmp_path / f"copy{number}" for number in (1, 2, 3)]
    for path, shard in zip(copies, SHARDS, strict=True):
        merge([first], path)
        with Store(path) as store:
            grade(store.run(name), "strict", shard=shard)
    merge(copies, first)
    with Store(first) as joined:
        assert joined.run(name).grader.startswith("strict@")
        assert joined.run(name).summary().graded == COUNT


def test_runs_whose_problems_come_as_they_come_are_put_one_after_the_other(
    twins: tuple[Path, Path, str], tmp_path: Path
) -> None:
    for path in twins[:2]:
        with Store(path) as store:
            served = store.open_run(msgspec.structs.replace(run_of(store).settings, count=0))
            rows = list(run_of(store).traces())
            for trace in rows[: 3 if path.name == "one" else 5][::-1]:
                served.append(trace, [bytes.fromhex(key) for key in keys_of(store, trace.problem.id)])
    for _ in range(2):
        merge(twins[:2], tmp_path / "all")
    with Store(tmp_path / "all") as joined:
        served = next(run for run in joined.runs() if not run.settings.count)
        assert [trace.problem.id[-1] for trace in served.traces()] == list("21043210")
        assert all(payers(served, place, 0)[0] for place in range(8))


def keys_of(store: Store, problem: str) -> list[str]:
    row = store.db.execute("select calls from traces join problems on key = problem where id = ?", (problem,))
    return [entry[2] for entry in json.loads(row.fetchone()[0])]


def names(folder: Path) -> set[str]:
    """Return what lies in a folder, without what SQLite keeps beside a file whose log it cannot take in."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


def refused(sources: list[Path], into: Path) -> str:
    """Return why stores are not joined; nothing is left of it."""
    there = names(into.parent)
    with pytest.raises((UsageError, StoreError)) as why:
        merge(sources, into)
    assert names(into.parent) == there
    return str(why.value)


def test_shards_of_another_cut_or_of_other_settings_are_refused(parts: list[Path], tmp_path: Path) -> None:
    solve(tmp_path / "half", Shard(2, 2))
    why = refused([parts[0], tmp_path / "half"], tmp_path / "all")
    assert "shard 1/3 of run" in why and "2/2" in why and "without --shard" in why
    solve(tmp_path / "odd", SHARDS[2], student("other"))
    why = refused([*parts[:2], tmp_path / "odd"], tmp_path / "all")
    assert "differ in `student`: `student` and `other`" in why and "--separate" in why
    found = merge([*parts[:2], tmp_path / "odd"], tmp_path / "all", separate=True)
    assert sorted(one.missing for one in found.runs) == [("1/3", "2/3"), ("3/3",)]


def test_stores_of_other_versions_are_refused_with_the_way_out(parts: list[Path], tmp_path: Path) -> None:
    older = OLDEST.copy_to(tmp_path / "older") / "store.sqlite"
    assert "`stepdown store compact --store" in refused([parts[0], older], tmp_path / "all")
    with sqlite3.connect(parts[1]) as db:
        db.execute("pragma user_version = 99")
    db.close()
    assert "this stepdown knows" in refused(parts, tmp_path / "all")


def test_what_is_no_store_or_not_there_is_refused(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no store at all, but long enough to be looked at" * 20)
    assert "does not begin as an SQLite file" in refused([parts[0], tmp_path / "text"], tmp_path / "all")
    assert "there is no store" in refused([parts[0], tmp_path / "nothing"], tmp_path / "all")
    assert "no store to merge" in refused([parts[0]], parts[0])


def test_a_store_that_a_living_process_asks_for_is_refused_and_a_dead_ones_calls_are_booked(
    parts: list[Path], tmp_path: Path
) -> None:
    with Store(parts[0]) as store:
        claims, run = Claims(store), run_of(store)
        with store.writing():
            claims.take([Claim(b"k" * 16, run.id, "student")], Usage(10, 20))
        why = refused(parts, tmp_path / "all")
        assert "has 1 calls under way in process" in why
        claims.end()
    for _ in range(2):
        merge(parts, tmp_path / "all")
    with Store(tmp_path / "all") as joined:
        assert list(joined.paid([run.id])).count(("student", Usage(10, 20))) == 1


def test_a_store_that_waits_for_a_batch_is_refused_until_its_answers_are_taken_up(
    parts: list[Path], tmp_path: Path
) -> None:
    with Store(parts[1]) as store:
        batches, run = Batches(store, Claims(store)), run_of(store)
        calls = [BatchedCall(bytes([one]) * 16, "m", "at", (), GREEDY, 0, run.id, 10, 5) for one in (1, 2)]
        assert batches.begin("b1", [[one] for one in calls], fits=lambda: True)
    assert "waits for 2 answers of a batch" in refused(parts, tmp_path / "all")
    with Store(parts[1]) as store:
        Batches(store, Claims(store)).mark("b1", "ended", note="done")
    assert merge(parts, tmp_path / "all").rows["traces"] == COUNT


def test_a_store_that_another_process_makes_meanwhile_is_not_replaced(parts: list[Path], tmp_path: Path) -> None:
    into = tmp_path / "all"

    def make(done: int, total: int) -> None:
        if not into.exists():
            shutil.copy(parts[0], into)

    with pytest.raises(StoreError, match="another process has made"):
        merge(parts, into, progress=make)
    assert dump(into) == dump(parts[0])
    merge(parts, into)
    with Store(into) as joined:
        assert len(run_of(joined)) == COUNT


def test_a_damaged_store_leaves_nothing_behind(parts: list[Path], tmp_path: Path) -> None:
    with parts[2].open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 40 * 4096)
    assert "damaged" in refused(parts, tmp_path / "all")
