"""How long `stepdown tour` takes with an empty home and cache: until its first table, and until a browser has the page.

Each run is a process of this interpreter, with modules compiled as an installed program has them. The page is read as a
browser reads it: the document, then every stylesheet, script and icon it names.

python benchmarks/tour.py [--times 3] [--json]
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urljoin

from compiled import compiled
from rows import print_row

COMMAND = [sys.executable, "-m", "stepdown", "tour"]
TABLE_SECONDS, PAGE_SECONDS = 3.0, 6.0
_RULE = "─────"
_NAMED = re.compile(rb"""<(?:link|script)[^>]*(?:href|src)="([^"]+)\"""")


def first_table(environment: dict[str, str]) -> float:
    """Return the seconds until the rows of the first table are on stdout."""
    began = time.perf_counter()
    with subprocess.Popen(
        COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as one:
        assert one.stdout is not None
        ruled = False
        for line in one.stdout:
            if ruled and not line.strip():
                break
            ruled = ruled or _RULE in line
        seconds = time.perf_counter() - began
        one.stdout.read()
    assert ruled and one.returncode == 0, "the tour told its story"
    return seconds


def first_page(environment: dict[str, str]) -> float:
    """Return the seconds until the first page and all that it names are here."""
    began = time.perf_counter()
    with subprocess.Popen([*COMMAND, "--open"], env=environment, stderr=subprocess.PIPE, text=True) as one:
        assert one.stderr is not None
        try:
            address = served(one.stderr)
            page = fetch(address)
            for name in _NAMED.findall(page):
                fetch(urljoin(address, name.decode()))
            seconds = time.perf_counter() - began
            assert b'class="tour"' in page, "the page has the tour's line"
        finally:
            one.send_signal(signal.SIGINT)
            one.stderr.read()
    return seconds


def served(lines: IO[str]) -> str:
    """Return the address that a server says it has."""
    for line in lines:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise SystemExit("`stepdown tour --open` served nothing")


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address) as answer:
        return bytes(answer.read())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tables, pages = [], []
    with compiled(COMMAND[1:]) as environment, tempfile.TemporaryDirectory() as folder:
        for number in range(options.times):
            home = Path(folder, str(number))
            home.mkdir()
            empty = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "STEPDOWN_CACHE": str(home / "cache")}
            # Whatever stands here for a browser is not waited for.
            one = {**environment, **empty, "BROWSER": "true", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
            tables.append(first_table(one))
            pages.append(first_page(one))
    table, page = statistics.median(tables), statistics.median(pages)
    print_row(
        {
            "bench": "tour",
            "first_table_s": round(table, 2),
            "browser_page_s": round(page, 2),
            "bar": f"{TABLE_SECONDS:g} s and {PAGE_SECONDS:g} s",
            "met": table <= TABLE_SECONDS and page <= PAGE_SECONDS,
        },
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
