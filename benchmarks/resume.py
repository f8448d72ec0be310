"""Kills a training with SIGKILL, lets the same command finish it, and compares it with one that was never killed.

python benchmarks/resume.py [--base smollm2-135m] [--pool FILE.jsonl.gz] [--steps 12] [--kill 5,8] [--json]

Prints the losses of both by step and whether the logs and the final weights are equal. Without a pool the rows are
word sums with their worked solutions.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rows import print_row
from training import read_chains

from stepdown.training import Training, TrainingProgress, train


def settings(steps: int) -> Training:
    return Training(steps=steps, batch=8, evaluations=0, checkpoints=max(steps // 3, 1))


def child(base: str, pool: str, out: str, steps: int, kill: int) -> None:
    """Train, and die at a step where one is named."""

    def told(progressed: TrainingProgress) -> None:
        if kill and progressed.step == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    train(read_chains(pool), base=base, out=out, training=settings(steps), progress=told)


def start(options: argparse.Namespace, out: Path, kill: int) -> int:
    """Run one training in a process of its own and return its exit code."""
    arguments = [options.base, options.pool, str(out), str(options.steps), str(kill)]
    return subprocess.run([sys.executable, __file__, "--child", *arguments]).returncode


def losses(out: Path) -> dict[int, float]:
    rows = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def compare(whole: Path, killed: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    one, other = (load_file(path / "model.safetensors") for path in (whole, killed))
    apart = max(float((one[name].float() - other[name].float()).abs().max()) for name in one)
    first, second = losses(whole), losses(killed)
    last = max(first)
    return {
        "steps": last,
        "final_loss": first[last],
        "final_loss_resumed": second[last],
        "losses_equal": first == second,
        "weights_apart": apart,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base", default="smollm2-135m")
    parser.add_argument("--pool", default="")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--kill", default="5,8", help="steps at which a run is killed, one run after the other")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        base, pool, out, steps, kill = options.child
        child(base, pool, out, int(steps), int(kill))
        return
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        assert start(options, whole, 0) == 0
        kills = [int(step) for step in options.kill.split(",")]
        for step in kills:
            assert start(options, killed, step) == -signal.SIGKILL, f"it was not killed at step {step}"
            assert not killed.exists(), "a killed training leaves no student"
        assert start(options, killed, 0) == 0
        row = {"benchmark": "resume", "base": options.base, "kills": kills, **compare(whole, killed)}
        for step, loss in losses(whole).items():
            print(f"step {step:>4}  {loss:.8f}  {losses(killed)[step]:.8f}", file=sys.stderr)
    print_row(row, as_json=options.json)
    assert row["losses_equal"] and row["weights_apart"] == 0.0


if __name__ == "__main__":
    main()
