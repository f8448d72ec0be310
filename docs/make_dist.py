"""Builds wheel and sdist and checks them: `make dist`, or `python docs/make_dist.py [FOLDER] [--python PYTHON]...`

Metadata are read by twine as the index would; what is in both, and how large they are, is held against the lists below.
Then the wheel alone, without extras, goes into a new environment of each PYTHON (this one, where none is named), which
runs `stepdown tour` from an empty home.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = f"{PROJECT['name']}-{PROJECT['version']}"
RECORDED = ("tour.sqlite", "study.json", "README.md", "chains/card.json")
IN_WHEEL = (
    *("stepdown/py.typed", "stepdown/web/templates/base.html", "stepdown/web/static/app.css"),
    *(f"stepdown/tour/recorded/{name}" for name in RECORDED),
    *(f"{NAME}.dist-info/{name}" for name in ("METADATA", "entry_points.txt", "licenses/LICENSE")),
)
IN_SDIST = (
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "Makefile",
    "src/stepdown/tour/recorded/tour.sqlite",
)
# What a wheel never holds: tests and their data, what tools leave, weights, and files of the machine it was built on.
UNWANTED = ("tests/", "test_", "__pycache__", ".pyc", ".sqlite-", ".gguf", ".safetensors", ".env", "results.jsonl")
MOST_BYTES = {"wheel": 5_000_000, "sdist": 12_000_000}
_BIN = "Scripts" if os.name == "nt" else "bin"


def main() -> None:
    """Build, check and install what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--python", action="append", default=[], help="an interpreter to install for; may be repeated")
    given = parser.parse_args()
    wheel, sdist = build(given.folder)
    check_metadata(wheel, sdist)
    check_contents(wheel, sdist)
    for python in given.python or [sys.executable]:
        print(install(wheel, python))


def build(folder: Path) -> tuple[Path, Path]:
    """Build both into a folder and return them; those of this version that were there are replaced."""
    for kind in ("wheel", "sdist"):
        run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder), cwd=ROOT)
    return folder / f"{NAME}-py3-none-any.whl", folder / f"{NAME}.tar.gz"


def check_metadata(*files: Path) -> None:
    """Let twine read what the index would show."""
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    print(f"metadata: {len(files)} files pass twine's strict check; Python {PROJECT['requires-python']}")


def check_contents(wheel: Path, sdist: Path) -> None:
    """Refuse an archive that lacks what it needs, holds what is none of its business, or is too large."""
    with zipfile.ZipFile(wheel) as packed:
        in_wheel = packed.namelist()
    with tarfile.open(sdist) as tar:
        in_sdist = [name.removeprefix(f"{NAME}/") for name in tar.getnames()]
    faults = [f"the wheel lacks `{name}`" for name in IN_WHEEL if name not in in_wheel]
    faults += [f"the sdist lacks `{name}`" for name in IN_SDIST if name not in in_sdist]
    faults += [f"the wheel holds `{name}`" for name in in_wheel if any(one in name for one in UNWANTED)]
    for kind, file, names in (("wheel", wheel, in_wheel), ("sdist", sdist, in_sdist)):
        if (size := file.stat().st_size) > MOST_BYTES[kind]:
            faults.append(f"the {kind} has {size:,} bytes, more than {MOST_BYTES[kind]:,}")
        print(f"{kind}: {len(names)} files, {size / 1e6:.1f} MB")
    if faults:
        raise SystemExit("\n".join(faults))


def install(wheel: Path, python: str) -> str:
    """Install the wheel into a new environment, run it there, and say what ran."""
    with tempfile.TemporaryDirectory() as made:
        there = Path(made, "environment")
        run(python, "-m", "venv", str(there))
        run(str(there / _BIN / "python"), "-m", "pip", "install", "-q", str(wheel), cwd=Path(made))
        home = Path(made, "home")
        home.mkdir()
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "SYSTEMROOT", "LANG", "LC_ALL"}}
        environment = {**kept, "HOME": str(home), "PYTHONUTF8": "1"}
        command = str(there / _BIN / "stepdown")
        version = run(command, "--version", cwd=home, env=environment).strip()
        told = run(command, "tour", cwd=home, env=environment)
        data = json.loads(run(command, "tour", "--json", cwd=home, env=environment))
        packages = run(str(there / _BIN / "python"), "-c", _COUNTED, cwd=home).strip()
    if version != PROJECT["version"] or f"7 of {len(data['stops'])}" not in told:
        raise SystemExit(f"the installed command says version {version}, and a tour of {len(data['stops'])} stops")
    return f"installed from the wheel: stepdown {version}, {packages}; `stepdown tour` told {len(data['stops'])} stops"


_COUNTED = """
import sys
from importlib.metadata import distributions
print(f"Python {sys.version.split()[0]}, {len(list(distributions()))} packages")
"""


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it wrote to stdout. Raises `SystemExit` with its words where it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"{_words(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _words(command: Sequence[str]) -> str:
    return " ".join(Path(command[0]).name if number == 0 else one for number, one in enumerate(command))


if __name__ == "__main__":
    main()
