"""An audit finds the same whether its findings were kept or not, and what was kept of a changed trace is gone."""

from stepdown.audits import audit, keep_audits
from stepdown.audits.audited_blocks import version
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Run, Store, StoredTrace, kept_audit, maintenance
from worlds import LastWord, follower, sums, teacher


def solved(store: Store) -> Run:
    student = ScriptedModel(follower, "student")
    return run(sums(3), "trace-of-thought", student=student, teacher=teacher(), grader=LastWord(), store=store)


def is_kept(one: Run) -> bool:
    return kept_audit(one.store, one.id, 0, version()) is not None


def test_what_is_kept_of_an_audit_is_what_it_found(store: Store) -> None:
    one = solved(store)
    found = audit(one)
    keep_audits(store.path, [one])
    assert is_kept(one) and audit(one) == found and found.cases


def test_a_trace_that_is_written_again_is_audited_again(store: Store) -> None:
    one = solved(store)
    keep_audits(store.path, [one])
    ordinal, trace, _ = next(one.rows())
    cut = StoredTrace(ordinal, type(trace)(trace.problem, trace.method, None, (), "say it again. " * 50), ())
    one.put_traces([cut])
    assert not is_kept(one) and audit(one).runs[0].endings == {"runaway": 1}


def test_a_check_leaves_no_findings_that_it_cannot_judge(store: Store) -> None:
    one = solved(store)
    keep_audits(store.path, [one])
    maintenance.check(store.path)
    assert not is_kept(one)
