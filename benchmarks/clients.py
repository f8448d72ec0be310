"""Asks `stepdown serve` by `llm`, pydantic-ai and LangChain, and prints what came back: chat, streams, tools, schemas.

python benchmarks/clients.py [--embedded] [--python VENV/bin/python] [--json]

The clients stand in an environment of their own, made by uv, or by venv where there is no uv (about 100 MB); --python
names one that is there. Behind the server is a small server of this repository's tests whose model calls tools and
answers by a schema; --embedded asks `smollm2-135m` besides, which is on this machine (98 MB).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from all import free_port, wait_for
from rows import print_row

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
PACKAGES = ("llm", "pydantic-ai-slim[openai]", "langchain-openai")
TOOLED = "trace-of-thought/openai-api/lab/teacher->openai-api/lab/student"
EMBEDDED = "trace-of-thought/embedded/smollm2-135m"
ASKED = ("plain", "stream", "tools", "schema", "responses", "completions")


def environment(folder: Path) -> Path:
    """Make an environment with the clients and return its Python."""
    uv = shutil.which("uv")
    python = folder / "bin" / "python"
    if uv:
        subprocess.run([uv, "venv", "-q", str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), *PACKAGES], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


@contextmanager
def served(folder: Path, behind: str) -> Iterator[str]:
    """Serve a store of its own; yields the endpoint's base URL."""
    port = free_port()
    names = {**os.environ, "LAB_BASE_URL": behind, "STEPDOWN_STORE": str(folder / "clients.sqlite")}
    command = [sys.executable, "-m", "stepdown", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=names, cwd=folder, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def rows_of(python: Path, base: str, model: str, asked: tuple[str, ...], folder: Path) -> Iterator[dict[str, object]]:
    """Ask by every client and give what came back."""
    for client in ("llm", "pydantic-ai", "langchain"):
        for what in asked:
            began = time.perf_counter()
            command = [str(python), str(HERE / "clients_asking.py"), client, what, base, model]
            names = {**os.environ, "LLM_USER_PATH": str(folder / "llm"), "PYTHONPATH": ""}
            done = subprocess.run(command, env=names, cwd=folder, capture_output=True, text=True, timeout=300)
            last = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()[-1]
            if done.returncode == 3:
                continue
            yield {
                "client": client, "asked": what, "ok": done.returncode == 0, "s": round(time.perf_counter() - began, 1),
                "back": last[:160],
            }  # fmt: skip


def main() -> int:
    """Print a row for each client and what it was asked; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--python", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from tool_server import tool_server

    failed = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepdown-clients-")))
        python = options.python.absolute() if options.python else environment(folder / "venv")
        base = stack.enter_context(served(folder, stack.enter_context(tool_server()).url))
        asked = {TOOLED: ASKED} | ({EMBEDDED: ("plain", "stream")} if options.embedded else {})
        for model, what in asked.items():
            for row in rows_of(python, base, model, what, folder):
                print_row({"model": model.rpartition("/")[2], **row}, as_json=options.json)
                failed += not row["ok"]
    summary = {"bar": "three clients are answered in every form they ask for", "met": not failed}
    print(json.dumps(summary) if options.json else f"bar: {summary['bar']}: {'met' if not failed else 'missed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
