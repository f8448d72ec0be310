"""The script for a graphics card runs every line at toy size, and says it where there is no card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from small_students import TRAINS

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def told(*arguments: str) -> "subprocess.CompletedProcess[str]":
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, env=hidden)


def test_without_a_card_the_script_says_so_and_ends() -> None:
    done = told("--device", "cuda")
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("no GPU: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(TRAINS[0].args[0], reason="needs the extra `train`")
def test_every_serving_line_runs_at_toy_size_and_meets_its_bars(tmp_path: Path) -> None:
    parts = ["versions", "serving", "dtypes", "faults"]
    done = told("--device", "cpu", "--together", "--work", str(tmp_path), *(f"--part={one}" for one in parts))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout[-2000:]
    assert [row["part"] for row in rows if "ended" in row] == parts
    assert rows[-1]["missed"] == rows[-1]["not_whole"] == [] and rows[-1]["met"] == rows[-1]["bars"] > 8
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == len(rows) - 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(TRAINS[0].args[0], reason="needs the extra `train`")
def test_every_training_line_that_needs_one_process_runs_at_toy_size_and_meets_its_bars(tmp_path: Path) -> None:
    # Others start processes of their own (`ranks`, `trl`, `scotd`), or are held by tests of their own: seeds, resuming
    # and weights that are split by tests/training, and losses are those of a CPU here, on either side.
    parts = ["checks", "attention", "speed", "memory"]
    done = told("--device", "cpu", "--together", "--work", str(tmp_path), *(f"--part={one}" for one in parts))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout[-2000:]
    assert [row["part"] for row in rows if "ended" in row] == parts
    assert rows[-1]["missed"] == rows[-1]["not_whole"] == [] and rows[-1]["met"] == rows[-1]["bars"] >= 2
