"""What people say of runs stays beside them: through copies, repairs and merges, and never in who they are."""

from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.errors import StoreError, UsageError
from stepdown.store import (
    NO_LABELS,
    Run,
    RunLabels,
    Store,
    label,
    labels_of,
    last_command,
    note_command,
    run_labels,
    tag,
    untag,
)
from stepdown.store.maintenance import compact, copy
from stepdown.store.merging import merge
from stepdown.store.schema import LABELS_SINCE
from stored_runs import USUAL, keep_run

SAID = RunLabels("baseline", ("old", "paper"), "first try", hidden=True)


def labelled(path: Path, **said: str) -> str:
    """Make a store with one run that is called so, and return the run's id."""
    with Store(path) as store:
        run = keep_run(store, [])
        label(run, **said)  # type: ignore[arg-type]
        return run.id


def say_all(run: Run) -> None:
    label(run, name="baseline", note="first try", hidden=True, author="ada")
    tag(run, "paper", "old")


def test_what_is_said_of_a_run_is_read_alone_and_with_all_others(store: Store) -> None:
    run, other = keep_run(store, []), keep_run(store, [], method="zero-shot-cot")
    assert run_labels(run) == NO_LABELS and labels_of(store) == {}
    say_all(run)
    assert run_labels(run) == SAID and labels_of(store) == {run.id: SAID}
    assert run_labels(other) == NO_LABELS and store.id_of(USUAL) != other.id


def test_what_is_taken_back_is_gone(store: Store) -> None:
    run = keep_run(store, [])
    say_all(run)
    label(run, name="", note="", hidden=False)
    untag(run, "paper", "never there")
    assert run_labels(run) == RunLabels(tags=("old",))


@pytest.mark.parametrize("name", ["-x", " x", "a\nb", "a\x1b[2J", "x" * 81, USUAL.dataset])
def test_a_name_that_cannot_be_typed_or_means_something_else_is_refused(store: Store, name: str) -> None:
    run = keep_run(store, [])
    for bad in (name, run.id[:5]):
        with pytest.raises(UsageError):
            label(run, name=bad)
    assert run_labels(run) == NO_LABELS


@pytest.mark.parametrize("word", ["", "two words", "a,b", "-x", "x" * 41, "a\x00"])
def test_a_tag_that_is_not_one_word_is_refused(store: Store, word: str) -> None:
    with pytest.raises(UsageError, match="no tag"):
        tag(keep_run(store, []), word)


def test_labels_survive_a_copy_a_salvage_and_compaction(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        say_all(run := keep_run(store, []))
        note_command([run], "one")
        store.db.execute("insert into labels values ('gone', 'name', '', 'x', '', 1.0)")
        store.db.execute("insert into calls values (x'00', '', '', '', 0, '', '', 1.0, null)")
    assert copy(path, tmp_path / "copy").damaged and compact(path).dropped["labels"] == 1
    for file in (tmp_path / "copy", path):
        with Store(file, reading=True) as store:
            assert labels_of(store)[run.id] == SAID and last_command(store) == [run.id]


def test_a_merge_brings_labels_once_and_says_where_two_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    run = labelled(ours, name="baseline")
    assert labelled(theirs, name="other", note="theirs") == run
    assert [part.added["labels"] for _ in range(2) for part in merge([theirs], ours).stores] == [1, 0]
    with Store(ours, reading=True) as store:
        assert labels_of(store) == {run: RunLabels("baseline", note="theirs")}
    assert main(["store", "merge", str(theirs), "--into", str(ours)]) == 0
    assert "is named `baseline` here and `other` there; what was there first stays" in capsys.readouterr().err


def test_what_was_taken_back_later_does_not_come_again_with_a_merge(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (theirs, ours):
        with Store(path) as store:
            say_all(keep_run(store, []))
    with Store(ours) as store:
        [run] = store.runs()
        label(run, name="", hidden=False)
        untag(run, "old")
    merge([theirs], ours)
    merge([ours], theirs)
    for path in (ours, theirs):
        with Store(path, reading=True) as store:
            assert labels_of(store) == {run.id: RunLabels(tags=("paper",), note="first try")}


def test_the_runs_of_the_last_command_are_kept(store: Store) -> None:
    one, other = keep_run(store, []), keep_run(store, [], method="zero-shot-cot")
    assert last_command(store) == []
    note_command([one, other], "first")
    assert last_command(store) == [one.id, other.id]
    note_command([other], "second")
    assert last_command(store) == [other.id]


def test_a_store_of_an_earlier_schema_is_read_without_labels(tmp_path: Path) -> None:
    run = labelled(tmp_path / "s")
    with Store(tmp_path / "s") as store:
        for statement in ("drop table labels", "drop table commands", f"pragma user_version = {LABELS_SINCE - 1}"):
            store.db.execute(statement)
    with Store(tmp_path / "s", reading=True) as store:
        assert (labels_of(store), last_command(store), run_labels(store.run(run))) == ({}, [], NO_LABELS)


def test_a_label_that_is_no_text_is_damage(store: Store) -> None:
    run = keep_run(store, [])
    store.db.execute("insert into labels values (?, 'name', '', x'ff', '', 1.0)", (run.id,))
    for look in (lambda: labels_of(store), lambda: run_labels(run)):
        with pytest.raises(StoreError, match="damaged"):
            look()
