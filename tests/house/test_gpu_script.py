"""The script for a graphics card says it where there is none; every line of it runs at toy size in CI."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def told(*arguments: str) -> "subprocess.CompletedProcess[str]":
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=hidden)


def test_without_a_card_the_script_says_so_and_ends() -> None:
    done = told("--device", "cuda")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("no GPU: ")
    assert len(done.stderr.splitlines()) == 1


def test_at_toy_size_what_did_not_come_to_its_end_is_a_failure(tmp_path: Path) -> None:
    done = told("--device", "cpu", "--minutes", "0", "--work", str(tmp_path), "--part", "checks", "--part", "ranks")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["ended"] for row in rows[:-1]] == ["not begun: the time is over"] * 2
    assert done.returncode == 1 and len(rows[-1]["not_whole"]) == 2


def test_ci_runs_every_line_at_toy_size() -> None:
    assert "\nmake gpu DEVICE=cpu PYTHON=.venv/bin/python\n" in (ROOT / ".ci" / "run").read_text()
    listed = told("--list").stdout.split()
    assert listed[0] == "versions" and listed[-1] == "scotd" and len(listed) == len(set(listed)) > 10
