"""Runs on a disk that fills up, is enlarged, and is then only to be read: what is said, what is lost, what can be read.

python benchmarks/disks.py URL [--problems 400]

URL is the mock server of the shared tools; its /stats counts repeats. The disk is a tmpfs of one megabyte in a mount
namespace of its own, which `unshare` must be able to make; where it is not, nothing is tried.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

INSIDE = "STEPDOWN_DISK"
READING = ("runs", "report", "report --html OUT/page.html", "traces RUN", "plans RUN", "plans RUN --export OUT/plans",
           "audit RUN", "export RUN --to jsonl --out OUT/run.jsonl", "store check", "store copy OUT/copy.sqlite",
           "doctor")  # fmt: skip


def stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/stats") as reply:
        return dict(json.load(reply))


def stepdown(words: str, url: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none"}
    command = [sys.executable, "-m", "stepdown", *words.split()]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def mount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)


def inside(url: str, problems: int, disk: Path) -> None:
    mount(disk, "size=1m")
    with tempfile.TemporaryDirectory() as out:
        store = f"--store {disk / 's.sqlite'}"
        run = f"run wordsums -n {problems} --teacher openai/teacher --student openai/student {store} --json"
        urllib.request.urlopen(urllib.request.Request(f"{url}/reset", method="POST")).close()
        full = stepdown(f"{run} --method trace-of-thought", url)
        assert full.returncode == 5 and "full" in full.stderr and "hint:" in full.stderr, full
        answered = stats(url)["completed"]
        assert answered < 2 * problems, "the disk was to fill up before the end"
        for words in ("runs", "report", "store check"):
            assert stepdown(f"{words} {store}", url).returncode in (0, 1), f"{words} on a full disk"
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        done = stepdown(f"{run} --method trace-of-thought", url)
        assert done.returncode == 0, done.stderr
        name, after = json.loads(done.stdout.splitlines()[-1])["run"], stats(url)
        assert after["repeats"] <= 64, "only what was in flight when the disk was full is asked again"
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in READING:
            read = stepdown(f"{words.replace('RUN', name).replace('OUT', out)} {store}", url)
            assert read.returncode in (0, 1), f"{words} on a read-only disk: {read.stderr}"
        assert stepdown(f"{run} --method direct", url).returncode == 5, "a run on a read-only disk is refused"
        assert stats(url)["requests"] == after["requests"], "nothing is sent where nothing can be kept"
        left = sorted(file.name for file in disk.iterdir())
        print(f"full after {answered} answers, {after['repeats']} asked again; {len(READING)} verbs read; left: {left}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--problems", type=int, default=400)
    options = parser.parse_args()
    if disk := os.environ.get(INSIDE):
        inside(options.url, options.problems, Path(disk))
        return
    with tempfile.TemporaryDirectory() as folder:
        unshare = ["unshare", "-m", "--propagation", "private"]
        tried = ["mount", "-t", "tmpfs", "tmpfs", folder]
        if not shutil.which("unshare") or subprocess.run([*unshare, *tried], capture_output=True).returncode:
            print("left: no mount namespace can be made here")
            return
        environment = {**os.environ, INSIDE: folder}
        raise SystemExit(subprocess.run([*unshare, sys.executable, *sys.argv], env=environment).returncode)


if __name__ == "__main__":
    main()
