"""A run keeps which study file it came from, by the hash that a paper cites, and nothing of the run changes for it."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from command_line import printed, stored_runs
from faulty_server import FaultyServer
from stepdown.cli import main
from stepdown.errors import StoreError
from stepdown.store import Store, extract_runs, labels_of
from stepdown.store.merging import merge

TEXT = 'dataset = "sums.jsonl"\nlimit = 2\nmethod = ["direct", "cot"]\nstudent = ["openai/student"]\n'
TYPED = ("run", "sums.jsonl", "-n", "2", "--method", "direct,cot", "--student", "openai/student")
HASH = sha256(TEXT.encode()).hexdigest()
CITED = {"sha256": HASH, "file": "study.toml", "options": []}


@pytest.fixture(autouse=True)
def study(server: FaultyServer) -> None:
    Path("study.toml").write_text(TEXT)


def studies(capsys: pytest.CaptureFixture[str]) -> list[list[dict[str, Any]]]:
    return [one["studies"] for one in printed(capsys, "runs")]


def test_a_run_by_a_study_file_is_the_run_as_typed_and_says_where_it_came_from(
    server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(TYPED) == 0
    before, asked = stored_runs(), len(server.bodies)
    assert studies(capsys) == [[], []] and asked
    assert main(["run", "study.toml"]) == 0
    assert stored_runs() == before and len(server.bodies) == asked
    assert studies(capsys) == [[CITED], [CITED]]
    assert main(TYPED) == 0 and studies(capsys) == [[CITED], [CITED]]


def test_the_hash_is_on_every_list_and_leads_back_to_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "study.toml"]) == 0
    [report] = printed(capsys, "report", "sums")
    assert report["studies"] == {run: [CITED] for run in stored_runs()}
    [run], [file] = printed(capsys, "show", stored_runs()[0]), printed(capsys, "show", "study.toml")
    assert HASH in run["about"]["study"] and (file["kind"], file["about"]["sha256"]) == ("study file", HASH)
    [found] = printed(capsys, "show", HASH[:9])
    assert (found["kind"], found["id"], found["about"]["runs"]) == ("study file", HASH, ", ".join(stored_runs()))
    for verb in ("runs", "report"):
        assert main([verb]) == 0 and HASH[:12] in capsys.readouterr().out


def test_what_went_before_the_file_is_said_and_what_changes_nothing_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["run", "study.toml", "-n", "1", "--method", "direct", "--max-tokens-total", "9999", "--name", "one"]) == 0
    )
    assert studies(capsys) == [[{**CITED, "options": ["--method", "--limit"]}]]
    assert main(["runs"]) == 0 and f"{HASH[:12]}*" in capsys.readouterr().out
    Path("study.toml").write_text("# again\n" + TEXT.replace("2", "1"))
    assert main(["run", "study.toml"]) == 0
    assert [len(one) for one in studies(capsys)] == [2, 1]


def test_a_study_file_goes_along_where_stores_are_joined_and_cut(tmp_path: Path) -> None:
    assert main(["run", "study.toml"]) == 0
    with Store() as store:
        extract_runs(store, stored_runs()[:1], tmp_path / "cut.sqlite")
    merge([Path("cut.sqlite")], Path("joined.sqlite"))
    with Store("joined.sqlite", reading=True) as joined:
        assert [[one.sha256 for one in labels.studies] for labels in labels_of(joined).values()] == [[HASH]]


def test_a_label_that_names_no_study_is_damage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "study.toml"]) == 0
    with Store() as store, store.writing() as db:
        db.execute("update labels set value = ? where kind = 'study'", (json.dumps({"no": "study"}),))
    assert main(["runs"]) == StoreError.exit_code and "damaged" in capsys.readouterr().err
