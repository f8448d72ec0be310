"""Builds wheel and sdist and checks them: `make dist`.

python docs/make_dist.py [FOLDER] [--python PYTHON]... [--linked]

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
import time
import tomllib
import zipfile
from collections.abc import Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = f"{PROJECT['name']}-{PROJECT['version']}"
RECORDED = ("tour.sqlite", "study.json", "student-card.json", "README.md", "chains/card.json")
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
    parser.add_argument(
        "--linked", action="store_true", help="dependencies are this environment's: no index is asked, and it is faster"
    )
    given = parser.parse_args()
    given.folder = given.folder.resolve()
    wheel, sdist = build(given.folder)
    check_metadata(wheel, sdist)
    check_contents(wheel, sdist)
    for python in given.python or [sys.executable]:
        print(install(wheel, python, linked=given.linked))


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


def install(wheel: Path, python: str, *, linked: bool) -> str:
    """Put the wheel and what it requires, no extra, into a new environment, run it there, and say what ran."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as made:
        there, home = Path(made, "environment"), Path(made, "home")
        home.mkdir()
        run(python, "-m", "venv", *["--without-pip"] * linked, str(there))
        inside = str(there / _BIN / "python")
        if linked:
            places = run(inside, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
            count = link_requirements(Path(places))
            run(
                python,
                "-m",
                "pip",
                "--python",
                inside,
                "install",
                "-q",
                "--no-deps",
                "--no-compile",
                str(wheel),
                cwd=home,
            )
        else:
            run(inside, "-m", "pip", "install", "-q", str(wheel), cwd=home)
            count = len(json.loads(run(inside, "-m", "pip", "list", "--format", "json", cwd=home)))
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "SYSTEMROOT", "LANG", "LC_ALL"}}
        told = run(str(there / _BIN / "stepdown"), "tour", cwd=home, env={**kept, "HOME": str(home), "PYTHONUTF8": "1"})
        version = run(inside, "-c", _VERSIONS, cwd=home).strip()
    if "7 of 7" not in told or PROJECT["version"] not in version:
        raise SystemExit(f"{version} told no tour of seven stops:\n{told}")
    seconds = time.perf_counter() - began
    return f"from the wheel alone: {version}, {count} packages; `stepdown tour` told 7 stops; {seconds:.0f} s"


_VERSIONS = """
import sys
from stepdown.version import __version__
print(f"stepdown {__version__} on Python {sys.version.split()[0]}")
"""


def link_requirements(places: Path) -> int:
    """Link what the package requires without extras, and what that requires, from this environment; return how many."""
    wanted, found = [Requirement(one) for one in PROJECT["dependencies"]], dict[str, Distribution]()
    while wanted:
        one = wanted.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(name)
        wanted += map(Requirement, found[name].requires or ())
    for here in found.values():
        for top in {file.parts[0] for file in here.files or ()} - {"..", "__pycache__"}:
            (places / top).symlink_to(Path(str(here.locate_file(top))))
    return len(found)


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
