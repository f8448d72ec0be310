"""An import that is killed leaves no corpus, and the same command afterwards writes what one not killed does."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stepdown.exchange import import_corpus

pytest.importorskip("polars", reason="corpora need the extra `data`")
WORDS = "so the one before it and then what comes of both of them is " * 4


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of 9 MB: a second of reading."""
    path = tmp_path_factory.mktemp("pool") / "made_train.jsonl"
    with path.open("w") as file:
        for number in range(1_200):
            chains = [{"text": f"{WORDS}{number} {at}", "correct": at % 2 == 0, "pred": str(at)} for at in range(25)]
            file.write(json.dumps({"question": f"What is {number}?", "answer": "1", "chains": chains}) + "\n")
    return path


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def killed_in_the_middle(pool: Path, out: Path, buckets: int, sign: str) -> bool:
    """Import in a process of its own, kill it when a file like `sign` is there, and tell whether it was killed."""
    words = ["import", str(pool), "--out", str(out), "--jobs", "2", *(["--buckets", str(buckets)] if buckets else [])]
    with subprocess.Popen([sys.executable, "-m", "stepdown", *words], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(out.parent.glob(f".kept*/{sign}")):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize(("buckets", "sign"), [(0, "part-00000.parquet"), (8, "split.json")])
def test_a_killed_import_leaves_no_corpus_and_the_next_is_whole(
    buckets: int, sign: str, pool: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kept"
    assert killed_in_the_middle(pool, out, buckets, sign)
    assert not out.exists() and len(hidden(tmp_path)) == 1
    again = import_corpus(pool, out, buckets=buckets)
    assert not hidden(tmp_path) and again.card.chains == 30_000
    whole = import_corpus(pool, tmp_path / "whole", buckets=buckets)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        path.name: path.read_bytes() for path in whole.path.iterdir()
    }
