"""An audit finds the same whether its findings were kept or not, and what was kept of a changed trace is gone."""

import pytest

from stepdown.audits import audit, audited_blocks, keep_audits
from stepdown.audits.audited_blocks import version
from stepdown.cli import main
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Run, Store, StoredTrace, kept_audit
from stepdown.workers import ProcessPool
from worlds import LastWord, follower, sums, teacher


def solved(store: Store) -> Run:
    student = ScriptedModel(follower, "student")
    return run(sums(3), "trace-of-thought", student=student, teacher=teacher(), grader=LastWord(), store=store)


def is_kept(one: Run) -> bool:
    return kept_audit(one.store, one.id, 0, version()) is not None


def test_what_is_kept_of_an_audit_is_what_it_found(store: Store) -> None:
    one = solved(store)
    found = audit(one)
    keep_audits(store.path, [one.id])
    assert is_kept(one) and audit(one) == found and found.cases


def test_a_trace_that_is_written_again_is_audited_again(store: Store) -> None:
    one = solved(store)
    keep_audits(store.path, [one.id])
    ordinal, trace, _ = next(one.rows())
    cut = StoredTrace(ordinal, type(trace)(trace.problem, trace.method, None, (), "say it again. " * 50), ())
    one.put_traces([cut])
    assert not is_kept(one) and audit(one).runs[0].endings == {"runaway": 1}


@pytest.mark.slow
def test_findings_are_the_same_when_other_processes_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = solved(store)
    found = audit(one)
    monkeypatch.setattr(audited_blocks, "open_workers", lambda jobs: ProcessPool(2))
    keep_audits(store.path, [one.id])
    assert is_kept(one) and audit(one) == found


def test_how_far_a_look_is_is_said_and_a_second_has_nothing_to_do(store: Store) -> None:
    one, told = solved(store), list[tuple[int, int]]()
    for _ in range(2):
        keep_audits(store.path, [one.id], progress=lambda *figures: told.append(figures))
    assert told == [(512, 512)]


def test_damaged_findings_are_not_believed_and_a_check_makes_them_anew(store: Store) -> None:
    one = solved(store)
    keep_audits(store.path, [one.id])
    found, before = audit(one), kept_audit(store, one.id, 0, version())
    with store.writing() as db:
        db.execute("update summaries set body = cast(x'00' || substr(body, 2) as blob) where kind = 'audit'")
    assert is_kept(one) and audit(one) == found
    assert main(["store", "check", "--store", str(store.path)]) == 0
    assert before is not None and kept_audit(store, one.id, 0, version()) == before
