"""Training and answering with the lowest versions that pyproject.toml allows, in an environment of their own.

python benchmarks/oldest.py [--folder build/oldest] [--keep]

It makes a virtual environment (7 GB: torch of that age brings CUDA's libraries), installs what `dependencies` and the
extra `train` name, each at its lower bound, prints the versions, and runs tests of training, of going on after a kill,
of DPO, of two processes, of serving and of reading bases. Minutes; no GPU. The folder is removed then, unless `--keep`.
The newest versions are what the extra `dev` installs, which the whole suite runs in.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Beside what is tried: what the tests themselves need.
TOOLS = ["pytest>=9.2.0", "hypothesis>=6.170.0", "numpy"]
TESTS = [
    "tests/training/test_training.py::test_a_student_remembers_its_training_and_learns",
    "tests/training/test_training.py::test_how_a_step_is_split_into_passes_changes_nothing",
    "tests/training/test_training.py::test_a_killed_training_goes_on_to_the_same_losses_and_weights",
    "tests/training/test_dpo.py",
    "tests/training/test_world.py",
    "tests/training/test_student_batches.py",
    "tests/models/test_bases.py",
]
SHOWN = "torch", "transformers", "trl", "peft", "accelerate", "huggingface_hub", "tokenizers"


def requirements() -> list[str]:
    """Return the requirements of the package and of the extra `train`, each at its lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    return [one.partition(",")[0].replace(">=", "==") for one in listed]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "oldest")
    parser.add_argument(
        "--keep", action="store_true", help="leave the environment, and take it as it is if it is there"
    )
    options = parser.parse_args()
    python = options.folder / "bin" / "python"
    if not python.exists():
        venv.create(options.folder, with_pip=True)
        needed = [*requirements(), *TOOLS]
        subprocess.run([python, "-m", "pip", "install", "-q", *needed], check=True)
    code = f"from importlib.metadata import version\nprint(*(f'{{one}} {{version(one)}}' for one in {SHOWN}), sep=', ')"
    subprocess.run([python, "-c", code], check=True)
    # Warnings of libraries, old and new, are no matter here.
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", *TESTS]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    if not options.keep:
        shutil.rmtree(options.folder)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
