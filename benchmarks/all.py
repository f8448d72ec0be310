"""Runs every benchmark, prints one table, and keeps the rows in benchmarks/results.jsonl.

python benchmarks/all.py [URL]     URL: an OpenAI-compatible server at no latency; without it one is started here
"""

import argparse
import datetime
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rows import print_row

HERE = Path(__file__).parent
SHARED_SERVER = HERE.parents[1] / "shared" / "tools" / "mock_openai.mjs"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def free_port() -> int:
    [port] = free_ports(1)
    return port


def wait_for(port: int) -> None:
    """Return once something listens at a port of this machine; ends the benchmark after twenty seconds without."""
    for _ in range(400):
        with socket.socket() as some:
            if some.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("a server did not start")


@contextmanager
def server(*, ours: bool = False) -> Iterator[str]:
    """Start a local server in a process of its own: the shared one if it and node are here, else `ours`."""
    port = free_port()
    shared = not ours and SHARED_SERVER.exists() and shutil.which("node")
    command = ["node", str(SHARED_SERVER), "--port", str(port)] if shared else []
    process = subprocess.Popen(
        command or [sys.executable, str(HERE / "server.py"), str(port)], stdout=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


def rows(script: str, *arguments: str) -> list[dict[str, object]]:
    """Run one benchmark and return the JSON lines it printed."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments, "--json"], check=True, stdout=subprocess.PIPE, text=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", help="an OpenAI-compatible server at no latency; without it one is started")
    url = parser.parse_args().url
    found = rows("startup.py") + rows("tour.py")
    found += rows("first_answer.py")
    found += rows("bases.py")
    found += rows("on_policy.py")
    found += rows("pipeline.py", *([url] if url else []))
    found += rows("matrix.py") + rows("adherence.py")
    found += rows("grading.py") + rows("corpus.py") + rows("chains.py") + rows("embedded.py", "--quick")
    found += rows("sampling.py") + rows("training.py") + rows("training.py", "--estimate") + rows("attention.py")
    found += rows("passes.py")
    found += rows("resume.py") + rows("batch.py")
    found += rows(
        "gpu.py", "--device", "cpu", "--together", *(f"--part={one}" for one in ("serving", "dtypes", "faults"))
    )
    found += rows("estimate.py") + rows("deaths.py")
    found += rows("fleet.py", "--quick")
    found += rows("grid.py", "--demo")
    found += rows("merging.py")
    found += rows("ray_kills.py", "--quick") + rows("ray_study.py")
    found += rows("large.py")
    found += rows("guarantees.py") + rows("drift.py") + rows("until_decided.py")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with (HERE / "results.jsonl").open("a") as kept:
        for row in found:
            kept.write(json.dumps({"at": now, **row}) + "\n")
            print_row(row, as_json=False)


if __name__ == "__main__":
    main()
