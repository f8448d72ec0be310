"""CPU time per problem of other packages for the same two calls, against one local server, each in a venv of its own.

python benchmarks/peers/compare.py [--problems 300] [--flight 32] [--folder FOLDER] [--json]

A problem is two calls, a plan and a solution by it, the answer graded and kept as each package keeps its runs: DSPy's
`Evaluate` over a module of two predictors, Inspect's `eval` with its log, stepdown's store; and a bare aiohttp loop of
as many requests, which grades and keeps nothing. The venvs are made in FOLDER (a folder for temporary files unless
given) when they are not there yet; the first time takes minutes and the network.
"""

import argparse
import asyncio
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from all import server  # noqa: E402
from pipeline import bare, bodies, whole, write_problems  # noqa: E402

from stepdown.loops import run_loop  # noqa: E402

# The versions that were compared first; the newest there is where one cannot be had.
PEERS = {"dspy": ("dspy==3.4.1",), "inspect": ("inspect-ai==0.3.285", "openai")}


def python_of(peer: str, folder: Path) -> Path:
    """Return the interpreter of a peer's venv, which is made and filled where it is not there yet."""
    place = folder / peer
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (place / "filled").exists():
        venv.create(place, with_pip=True, clear=True)
        exact = PEERS[peer]
        if not installed(python, *exact):
            newest = [name.partition("==")[0] for name in exact]
            print(f"{exact[0]} cannot be installed here; the newest of it is taken", file=sys.stderr)
            if not installed(python, *newest):
                raise SystemExit(f"no version of {newest[0]} can be installed here")
        (place / "filled").touch()
    return python


def installed(python: Path, *packages: str) -> bool:
    return subprocess.run([str(python), "-m", "pip", "install", "-q", *packages]).returncode == 0


def peer_row(peer: str, url: str, problems: Path, folder: Path, flight: int) -> dict[str, object]:
    """Return what a peer's script prints of itself."""
    command = [str(python_of(peer, folder)), str(HERE / f"{peer}_peer.py"), url, str(problems), str(flight)]
    with tempfile.TemporaryDirectory() as place:
        # Nothing is fetched while it is measured: LiteLLM, below DSPy, would ask GitHub for a table of prices.
        environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=place, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def own_rows(problems: Path, url: str, folder: Path, flight: int) -> Iterator[dict[str, object]]:
    """Yield the row of a bare loop and that of stepdown, each after a warm-up."""
    requests = bodies(problems)
    asyncio.run(bare(url, requests[:100], flight))
    start, cpu = time.perf_counter(), time.process_time()
    asyncio.run(bare(url, requests, flight))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    version = importlib.metadata.version("aiohttp")
    yield {"name": "aiohttp, a bare loop", "version": version, "cpu_s": cpu, "seconds": seconds}
    run_loop(whole(write_problems(50, folder / "warm"), flight, folder / "warm.sqlite"))
    rate, each, calls = run_loop(whole(problems, flight, folder / "store.sqlite"))
    version = importlib.metadata.version("stepdown")
    yield {"name": "stepdown", "version": version, "cpu_s": each * calls, "seconds": calls / rate}


def rows(url: str, count: int, flight: int, folder: Path) -> Iterator[dict[str, object]]:
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        problems = write_problems(count, scratch / "problems")
        yield from own_rows(problems, url, scratch, flight)
        for peer in PEERS:
            yield peer_row(peer, url, problems, folder, flight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--flight", type=int, default=32)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "stepdown-peers")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    for peer in PEERS:
        python_of(peer, chosen.folder)
    with server() as url:
        for row in rows(url, chosen.problems, chosen.flight, chosen.folder):
            cpu_ms = 1000 * float(str(row["cpu_s"])) / chosen.problems
            rate = chosen.problems / float(str(row["seconds"]))
            if chosen.json:
                found = {"name": row["name"], "version": row["version"], "problems": chosen.problems}
                print(json.dumps({"benchmark": "peers", **found, "cpu_ms": round(cpu_ms, 2), "per_s": round(rate, 1)}))
            else:
                said = f"{row['name']} {row['version']}"
                print(f"{said:32} {cpu_ms:8.2f} ms of CPU per problem {rate:9.1f} problems/s", flush=True)


if __name__ == "__main__":
    main()
