"""Runs are found by what people call them, put aside, and taken out without what was paid for."""

import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from command_line import Solved, printed, solved_once, speak, stored_runs
from faulty_server import FaultyServer
from stepdown.cli import main
from stepdown.store import Store
from stepdown.store.maintenance import check

RUN = ("run", "sums.jsonl", "--method", "direct,cot", "--student", "openai/student", "--name", "first", "--tag", "a,b")
AGAIN = ("run", "sums.jsonl", "--method", "direct", "--student", "openai/student")


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    with solved_once(tmp_path_factory.mktemp("world"), RUN, speak=speak, count=2) as solved:
        yield solved


@pytest.fixture
def server(solved: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    return solved.copy_to(tmp_path, monkeypatch)


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    return printed(capsys, "runs", *options)


def fails(capsys: pytest.CaptureFixture[str], *tokens: str) -> str:
    assert main(tokens) == 2
    return capsys.readouterr().err


def test_a_command_calls_its_runs_also_on_going_on(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert [(one["name"], one["tags"]) for one in listed(capsys)] == [("first", ["a", "b"])] * 2
    assert main([*AGAIN, "--name", "again", "--tag", "c"]) == 0 and not server.bodies
    assert [(one["name"], one["tags"]) for one in listed(capsys)] == [("again", ["a", "b", "c"]), ("first", ["a", "b"])]
    assert [one["name"] for one in listed(capsys, "--last")] == ["again"]


@pytest.mark.parametrize(
    ("options", "methods"),
    [
        ("--method direct", ["direct"]),
        ("--dataset sums --name first", ["direct", "chain-of-thought"]),
        ("--student STUD -n 1", ["chain-of-thought"]),
        ("--since 1h --tag a --tag b", ["direct", "chain-of-thought"]),
        ("--since 2999-01-01", []),
        ("--dataset su", []),
    ],
)
def test_runs_are_filtered(
    server: FaultyServer, capsys: pytest.CaptureFixture[str], options: str, methods: list[str]
) -> None:
    assert [one["method"] for one in listed(capsys, *options.split())] == methods


@pytest.mark.parametrize("since", ["x", "-1d", "99999999999w", "²d"])
def test_a_time_that_is_none_is_refused(server: FaultyServer, capsys: pytest.CaptureFixture[str], since: str) -> None:
    assert "give a day such as" in fails(capsys, "runs", f"--since={since}")


def test_hidden_runs_are_left_out_and_counted(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    direct, other = stored_runs()
    assert main(["runs", "hide", direct]) == 0
    assert [one["run"] for one in listed(capsys)] == [other] and len(listed(capsys, "--all")) == 2
    assert main(["runs"]) == 0 and "1 hidden run left out; --all shows them" in capsys.readouterr().out
    assert main(["runs", "show", "first"]) == 0 and len(listed(capsys)) == 2


@pytest.mark.parametrize("word", ["sums", "sums.jsonl", "@last", "@a", "first"])
def test_a_word_that_means_several_runs_names_them_where_one_is_wanted(
    server: FaultyServer, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    said = fails(capsys, "traces", word)
    assert f"`{word}` means 2 runs" in said and all(run in said for run in stored_runs())


def test_a_run_is_taken_by_its_name_wherever_a_run_is(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    direct, _ = stored_runs()
    assert main(["runs", "rename", direct, "base line"]) == main(["runs", "note", "base line", "why"]) == 0
    assert [one["run"] for one in printed(capsys, "traces", "base line")] == [direct] * 2
    assert main(["export", "base line", "--to", "csv", "--out", "rows.csv"]) == main(["audit", "base line"]) == 0
    assert main(["runs", "note", "base line"]) == 0 and capsys.readouterr().out.endswith("why\n")
    with Store("stepdown.sqlite", reading=True) as store:
        assert store.run("base line").id == direct


def test_tags_are_taken_away(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "tag", "sums", "a", "--remove"]) == 0
    assert [one["tags"] for one in listed(capsys)] == [["b"], ["b"]]
    assert "there is no tag `a`" in fails(capsys, "runs", "--tag", "a")


def test_a_run_that_is_taken_out_is_found_again_without_paying(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    direct, other = stored_runs()
    [gone] = printed(capsys, "runs", "rm", direct, "--yes")
    assert (gone["runs"], gone["rows"]["traces"], gone["calls"]) == ([direct], 2, 2)
    assert stored_runs() == [other] and check(Path("stepdown.sqlite")).sound
    assert main(AGAIN) == 0 and not server.bodies and set(stored_runs()) == {direct, other}


def test_calls_go_only_when_asked_and_never_those_of_other_runs(server: FaultyServer) -> None:
    direct, other = stored_runs()
    with Store("stepdown.sqlite") as store:
        store.db.execute("update calls set run = ?", (direct,))
    assert main(["runs", "rm", direct, "--yes", "--calls"]) == 0
    assert check(Path("stepdown.sqlite")).sound
    with Store("stepdown.sqlite", reading=True) as store:
        assert store.value("select count(*) from calls") == len(store.run(other)) == 2


@pytest.mark.parametrize(("typed", "left"), [("n\n", 2), ("\n", 2), ("y\n", 1)])
def test_a_person_is_asked_before_a_run_is_taken_out(
    server: FaultyServer, monkeypatch: pytest.MonkeyPatch, typed: str, left: int
) -> None:
    keyboard = StringIO(typed)
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)
    assert main(["runs", "rm", stored_runs()[0]]) == (0 if left == 1 else 130)
    assert len(stored_runs()) == left


def test_nobody_to_ask_means_no(server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--yes takes them out" in fails(capsys, "runs", "rm", "sums")
    assert len(stored_runs()) == 2
