"""Tries hard what must hold: killed processes, faulty endpoints, hostile texts and files, damaged stores, open doors.

python benchmarks/torture.py [PART...] [--long] [--list]

Each part is one command, in a process of its own and bounded in time; the table says what held. Without --long all of
it takes under ten minutes on two cores; with it, kills and random examples are ten times as many. Only this machine is
asked, and only folders of the parts' own are written in.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from all import SHARED_SERVER, free_port, wait_for

HERE = Path(__file__).parent
ROOT = HERE.parent
# A part that takes longer than this has met something that does not end.
SECONDS = 240
LONGER = 10


class Part(NamedTuple):
    """What is tried: a script with its arguments, or test files; `faulty`: a server with faults is started for it."""

    name: str
    what: str
    command: tuple[str, ...]
    long: tuple[str, ...] = ()
    faulty: bool = False


def tests(*names: str) -> tuple[str, ...]:
    """Return the command that runs these files of `tests/`. Raises `FileNotFoundError` for one that is not there."""
    files = [ROOT / "tests" / f"{name}.py" for name in names]
    for file in files:
        # Without a file pytest would run all of them.
        file.stat()
    return ("-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, files))


def bench(script: str, *arguments: str) -> tuple[str, ...]:
    return (str(HERE / script), *arguments)


PARTS = (
    Part(
        "processes",
        "eight processes, one store, faults, kill -9: nothing asked twice, one budget",
        bench("processes.py", "URL", "--processes", "8", "--kills", "6", "--problems", "900", "--budget", "10"),
        ("--kills", "60", "--problems", "9000"),
        faulty=True,
    ),
    Part(
        "kills",
        "one run killed again and again: the store stays sound, only calls in flight are lost",
        bench("kill.py", "URL", "--kills", "6", "--problems", "400"),
        ("--kills", "60", "--problems", "6000"),
        faulty=True,
    ),
    Part(
        "disks",
        "a disk that fills up, is enlarged, and is then only to be read",
        bench("disks.py", "URL"),
        faulty=True,
    ),
    Part(
        "damage",
        "stores damaged at random: every verb says so, and what is copied of them is sound",
        bench("damage.py", "--stores", "60"),
        ("--stores", "600"),
    ),
    Part(
        "stores",
        "damaged, foreign, locked, read-only, removed and full stores",
        tests(
            "store/test_store_files",
            "store/test_store_locks",
            "store/test_store_copies",
            "runner/test_writer",
            "house/test_files",
        ),
    ),
    Part(
        "replies",
        "over 300 kinds of faulty replies, statuses and streams",
        tests(
            "models/test_replies",
            "models/test_http_errors",
            "models/test_streaming",
            "models/test_endpoint_adaptation",
            "models/test_usage",
            "models/test_finish_reasons",
            "runner/test_payment_losses",
        ),
    ),
    Part(
        "templates",
        "chat templates that never end or eat all memory",
        tests("models/test_chat_templates", "models/test_environment"),
    ),
    Part("texts", "a megabyte of text written to break each reader", bench("reading.py")),
    Part(
        "files",
        "damaged and hostile weights, cards, corpora, stores and rows",
        tests("house/test_untrusted", "corpus/test_corpus_faults", "problems/test_problems_golds"),
    ),
    Part(
        "doors",
        "random requests, attacks and hardships of the served pages and endpoint",
        tests(
            "web/test_server_fuzz",
            "web/test_guards",
            "web/test_server_faults",
            "web/test_server_killed",
            "web/test_errors",
        ),
    ),
)


def run(part: Part, url: str, *, long: bool) -> tuple[bool, float, str]:
    """Run one part; return whether it held, its seconds and the last line it wrote."""
    command = [url if word == "URL" else word for word in part.command]
    command += list(part.long) if long else []
    more = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(HERE)))}
    profile = ["--hypothesis-profile=default"] if long and "pytest" in command else []
    began, seconds = time.monotonic(), SECONDS * (LONGER if long else 1)
    try:
        done = subprocess.run(
            [sys.executable, *command, *profile], cwd=ROOT, env={**os.environ, **more}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
        )  # fmt: skip
        held, lines = done.returncode == 0, done.stdout.strip().splitlines()
    except subprocess.TimeoutExpired:
        held, lines = False, [f"did not end within {seconds} s"]
    return held, time.monotonic() - began, (lines or [""])[-1]


@contextmanager
def faulty_server() -> Iterator[str]:
    """Start the shared server with faults in three of ten requests; "" where it or node is not here."""
    if not (SHARED_SERVER.exists() and shutil.which("node")):
        yield ""
        return
    port = free_port()
    command = ["node", str(SHARED_SERVER), "--port", str(port), "--faults", "0.3", "--latency", "5", "--hang", "1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main(tokens: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *(part.name for part in PARTS)], metavar="PART")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args(tokens)
    chosen = [part for part in PARTS if not options.parts or part.name in options.parts]
    if options.list:
        print(*(f"{part.name:<10} {part.what}" for part in chosen), sep="\n")
        return 0
    broken = 0
    for part in chosen:
        with ExitStack() as stack:
            url = stack.enter_context(faulty_server()) if part.faulty else ""
            if part.faulty and not url:
                print(f"left  {part.name:<10} needs node and the server of the shared tools", flush=True)
                continue
            held, seconds, last = run(part, url, long=options.long)
        broken += not held
        print(f"{'held' if held else 'BROKE':<6}{part.name:<10}{seconds:6.0f} s  {last[:110]}", flush=True)
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
