"""The page on Slurm: its script, run as three tasks against a local server, makes the run that one machine makes."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import speak, write_sums
from faulty_server import FaultyServer, faulty_server
from places import ROOT
from stepdown.cli import main
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.store import Store

PAGE = (ROOT / "docs" / "slurm.md").read_text("utf-8")
SCRIPT, AFTER, *_ = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COUNT = 12

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """A server, and a folder with problems and what the script calls, of which `vllm` serves nothing itself."""
    write_sums(COUNT, tmp_path)
    (tmp_path / "bin").mkdir()
    for name, line in (("stepdown", f'exec "{sys.executable}" -m stepdown "$@"'), ("vllm", "exec sleep 100")):
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "sums.jsonl").rename(tmp_path / "problems.jsonl")
    with faulty_server(speak=speak) as started:
        yield started


def shell(script: str, folder: Path, server: FaultyServer, **variables: str) -> subprocess.Popen[str]:
    script = script.replace("http://127.0.0.1:8000/v1", server.url)
    variables["PYTHONPATH"] = str(ROOT / "src")
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env=os.environ | variables | {"PATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def rows(store: Path) -> list[dict[str, Any]]:
    """Return the rows of a store's report, without the seconds that its calls took."""
    with Store(store, reading=True) as opened:
        found = report(*opened.runs(), prices=Prices()).to_json()["rows"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in found]


@pytest.mark.skipif(not shutil.which("curl"), reason="the script waits for the server by curl")
def test_three_tasks_of_the_script_make_the_run_of_one_machine(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sum(line.strip() != "" for line in SCRIPT.splitlines()) == 10
    tasks = [shell(SCRIPT, tmp_path, server, SLURM_ARRAY_TASK_ID=n, SLURM_ARRAY_TASK_COUNT="3") for n in "123"]
    said = [task.communicate() for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0, 0], said
    merged = shell(AFTER, tmp_path, server)
    out, err = merged.communicate()
    assert merged.returncode == 0 and f"3 of 3 shards; {COUNT} of {COUNT} problems" in out, err
    assert len(server.bodies) == COUNT
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLLM_BASE_URL", server.url)
    line = next(line for line in SCRIPT.splitlines() if line.startswith("stepdown "))
    assert main([*line.partition(" --shard")[0].split()[1:], "--store", "whole.sqlite"]) == 0
    assert rows(tmp_path / "all.sqlite") == rows(tmp_path / "whole.sqlite")
