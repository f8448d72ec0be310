"""Each extra of pyproject.toml in a clean environment: installed from this checkout, and used for one real thing.

python benchmarks/extras.py [EXTRA ...] [--folder build/extras] [--keep] [--markdown]

A JSON line for each: whether it holds, seconds of installing and of use, megabytes, what was done (`extra_uses.py`) or
the last line of the error. `base` is no extra at all. Without names all are tried, but for `dev`, which is what the
tests run in. Minutes, gigabytes for `train`; an environment is removed once it was used, unless `--keep`. `--markdown`
prints the rows of the table in docs/integrations.md instead.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path
from typing import Any

from extra_uses import USES

ROOT = Path(__file__).parents[1]
# What the use itself needs beside the extra: the small models of the tests import it.
TOOLS = {"train": ["pytest"]}
Row = dict[str, Any]


def listed() -> list[str]:
    """Return `base` and the extras of pyproject.toml but `dev`. Raises `SystemExit` where one has no use here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = ["base", *(one for one in project["optional-dependencies"] if one != "dev")]
    if lacking := {*extras} - {*USES}:
        raise SystemExit(f"benchmarks/extra_uses.py has no use for {', '.join(sorted(lacking))}")
    return extras


def row_of(extra: str, folder: Path, *, keep: bool) -> Row:
    """Return what came of an extra in an environment of its own."""
    place = folder / extra
    began = time.monotonic()
    python = place / "bin" / "python"
    if not (place / "filled").exists():
        wanted = f"{ROOT}" if extra == "base" else f"{ROOT}[{extra}]"
        done = install(place, wanted, *TOOLS.get(extra, ()))
        if done.returncode:
            return {"extra": extra, "ok": False, "did": f"not installed: {last_line(done.stderr)}"}
        (place / "filled").touch()
    installed = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        command = [python, ROOT / "benchmarks" / "extra_uses.py", extra]
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "STEPDOWN_STORE")}
        done = subprocess.run(command, capture_output=True, text=True, cwd=work, env=kept, timeout=900)
    used = time.monotonic()
    row = {
        "extra": extra,
        "ok": not done.returncode,
        "install_s": round(installed - began, 1),
        "use_s": round(used - installed, 1),
        "mb": round(sum(one.stat().st_size for one in place.rglob("*") if one.is_file()) / 1e6),
        "did": json.loads(done.stdout.splitlines()[-1])["did"] if not done.returncode else last_line(done.stderr),
    }
    if not keep:
        shutil.rmtree(place)
    return row


def install(place: Path, *packages: str) -> subprocess.CompletedProcess[str]:
    """Make an environment and install packages into it: by uv where it is there, which takes seconds, else by pip."""
    quick = shutil.which("uv")
    venv.create(place, with_pip=not quick, clear=True)
    python = str(place / "bin" / "python")
    command = [quick, "pip", "install", "--python", python] if quick else [python, "-m", "pip", "install"]
    return subprocess.run([*command, "-q", *packages], capture_output=True, text=True)


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("WARNING", "[notice]"))]
    return lines[-1].strip()[:300] if lines else "it said nothing"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", metavar="EXTRA")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "extras")
    parser.add_argument("--keep", action="store_true", help="leave the environments, and take those that are there")
    parser.add_argument("--markdown", action="store_true")
    chosen = parser.parse_args()
    if unknown := {*chosen.extras} - {*USES}:
        parser.error(f"no such extra: {', '.join(sorted(unknown))}")
    failed = 0
    for extra in chosen.extras or listed():
        row = row_of(extra, chosen.folder.absolute(), keep=chosen.keep)
        cells = (f"`{extra}`", row["did"], row.get("install_s", ""), row.get("use_s", ""), row.get("mb", ""))
        print(f"| {' | '.join(map(str, cells))} |" if chosen.markdown else json.dumps(row), flush=True)
        failed += not row["ok"]
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
