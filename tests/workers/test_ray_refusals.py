"""What `--on ray` refuses before a cluster is asked for anything."""

import socket
import sys
from pathlib import Path

import pytest

from command_line import write_sums
from stepdown import run
from stepdown.cli import main
from stepdown.errors import EndpointRefused, MissingExtra, UsageError
from stepdown.models import ScriptedModel
from stepdown.store import Store
from stepdown.workers import Versions, difference, open_workers


def test_ray_client_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(UsageError, match="Ray Client") as caught:
        open_workers(on="ray")
    assert "ray job submit" in caught.value.hint


def test_an_address_where_no_cluster_answers_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(EndpointRefused, match=f"no Ray cluster answers at `RAY_ADDRESS={address}`"):
            open_workers(on="ray")


def test_auto_wants_a_cluster_that_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(EndpointRefused, match="no Ray cluster runs on this machine"):
        open_workers(on="ray")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    with pytest.raises(EndpointRefused, match="no Ray cluster runs on this machine"):
        open_workers(on="ray")


def test_without_ray_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra) as caught:
        open_workers(on="ray")
    assert caught.value.hint == "pip install 'stepdown[ray]'"


def test_versions_that_differ_are_said() -> None:
    driver = Versions("0.1.0", "3.11.7")
    assert difference(driver, driver) == ""
    assert difference(Versions("0.0.9", "3.12.1"), driver) == (
        "stepdown `0.0.9` and not `0.1.0`, Python `3.12.1` and not `3.11.7`"
    )


def test_a_cluster_is_refused_where_no_model_is_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERE_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.chdir(tmp_path)
    write_sums(2)
    grid = ["--student", "openai-api/here/m", "--method", "direct", "--on", "ray"]
    assert main(["run", "sums.jsonl", *grid]) == 2
    assert "`openai-api/here/m` is not a model of this machine" in capsys.readouterr().err


def test_grading_without_a_judge_asks_the_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with Store(tmp_path / "s.sqlite") as store:
        model = ScriptedModel(["7"] * 3, "student", version="1")
        found = run("wordsums", "direct", student=model, limit=3, store=store)
    assert main(["grade", found.id, "--on", "ray", "--store", str(tmp_path / "s.sqlite")]) == 2
    assert "Ray Client" in capsys.readouterr().err
