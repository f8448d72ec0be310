"""Published files that tests and benchmarks read whole, known by their hash: found where they lie, or fetched.

`make data` fetches those that have an address into `tests/data/whole/`. Tests that need a file which is neither there
nor in `../shared/data` are left out (`@pytest.mark.whole("gsm8k/test.jsonl")`), and the head of pytest's output counts
them; each has a sister that reads a few rows of `tests/data/cuts/` and always runs.
"""

import csv
import json
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import msgspec

from places import DATA, ROOT
from stepdown.answers import gold_expression, gold_number
from stepdown.types import Kind, Problem

CUTS = DATA / "cuts"
FETCHED = DATA / "whole"
PLACES = (FETCHED, ROOT.parent / "shared" / "data")
MOST_BYTES = 50_000_000


class Published(msgspec.Struct, frozen=True):
    """A file's SHA-256 and the address it is fetched from, empty where there is none to rely on."""

    sha256: str
    url: str = ""


class Checked(NamedTuple):
    """A row of the authors' released traces, with what a person found in it."""

    file: str
    row: int
    problem: Problem
    plan: str
    solution: str
    right: bool
    leaked: bool


FILES = msgspec.toml.decode((DATA / "files.toml").read_bytes(), type=dict[str, Published])
TRACES = tuple(sorted(name for name in FILES if name.startswith("trace-of-thought/")))


@cache
def here(name: str) -> Path | None:
    """Return where a whole file lies on this machine, None where it is not or is another one."""
    for folder in PLACES:
        path = folder / name
        if path.is_file() and sha256(path.read_bytes()).hexdigest() == FILES[name].sha256:
            return path
    return None


def whole(name: str) -> Path:
    """Return where a whole file lies, for a test that is marked with its name."""
    path = here(name)
    assert path is not None, f"`{name}` is not here: mark the test with it"
    return path


def fetch(name: str, published: Published, folder: Path = FETCHED) -> Path:
    """Fetch a file into a folder. Raises `ValueError` where another one comes."""
    with urlopen(published.url, timeout=60) as response:
        content = response.read(MOST_BYTES)
    if (found := sha256(content).hexdigest()) != published.sha256:
        raise ValueError(f"`{published.url}` gives another file: its SHA-256 is {found}, not {published.sha256}")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def checked_rows() -> Iterator[Checked]:
    """Stream the rows that were checked by hand, of all of the authors' files."""
    csv.field_size_limit(10**9)
    with (DATA / "verdicts.csv").open(newline="", encoding="utf-8") as file:
        verdicts = {(row["file"], int(row["row"])): row for row in csv.DictReader(file)}
    for name in sorted({name for name, _ in verdicts}):
        with whole(f"trace-of-thought/{name}").open(newline="", encoding="utf-8") as file:
            for at, cells in enumerate(csv.reader(file)):
                found = verdicts[name, at]
                right, leaked = (found[column] == "1" for column in ("right", "leaked"))
                yield Checked(name, at, _problem(name, cells), cells[2], cells[3], right, leaked)


def _problem(name: str, cells: list[str]) -> Problem:
    number = gold_number(cells[4]) if "####" in cells[4] else None
    kind: Kind = "expression" if number is None else "number"
    gold = number or gold_expression(cells[4]) or ""
    return Problem(name, json.loads(cells[0])["dataset_question"], gold, kind=kind)


def main() -> int:
    """Fetch what is not here, and say of each file where it lies; 1 where one could not be fetched."""
    failed = 0
    for name, published in FILES.items():
        try:
            path = here(name) or (fetch(name, published) if published.url else None)
            print(f"{name}: {path or 'has no address to fetch it from'}")
        except (OSError, ValueError) as error:
            failed = 1
            print(f"{name}: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
