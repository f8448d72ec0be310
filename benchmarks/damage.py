"""Damages stores at random and runs every verb on each: errors in words, a way out, and copies that are sound.

python benchmarks/damage.py [--stores 40] [--seed 1] [--json]

Each store is damaged in one of these ways: bits flipped, bytes overwritten, cut short, pages swapped, a page of another
place written over it, garbage as its log. A verb holds where it ends by itself with a code of the documents, shows no
traceback and, where it fails, says what to do. Where `store copy` can save anything, the copy must pass `store check`.
"""

import argparse
import asyncio
import collections
import contextlib
import io
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rows import print_row

from stepdown.cli import main as stepdown
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import ScriptedModel
from stepdown.problems import load_problems
from stepdown.runner import Task, run_task
from stepdown.store import Store

PAGE = 4096
VERBS = ("runs", "report", "traces RUN", "plans RUN", "audit RUN", "grade RUN", "export RUN --to jsonl --out OUT",
         "store", "store check", "store compact --dry-run", "doctor")  # fmt: skip
CODES = {0, 1, 2, 5}


def fill(path: Path) -> str:
    """Make a store of one run of a hundred problems, and return the run's id."""
    model = ScriptedModel(lambda *_: "1. Add the parts.\n\nAnswer: 42", "m")
    task = Task(
        problems=load_problems("wordsums", limit=100), method=load_method("trace-of-thought"), student=model,
        teacher=model, grader=load_grader(),
    )  # fmt: skip
    with Store(path) as store:
        return asyncio.run(run_task(task, store)).run.id


def damage(path: Path, draw: random.Random) -> str:
    """Damage a file, and say how."""
    body = bytearray(path.read_bytes())
    kind = draw.choice(["bits", "bytes", "cut", "swap", "copy", "log"])
    pages = len(body) // PAGE
    one, other = (draw.randrange(pages) * PAGE for _ in range(2))
    if kind == "bits":
        for _ in range(draw.choice([1, 3, 30, 300])):
            body[draw.randrange(16, len(body))] ^= 1 << draw.randrange(8)
    elif kind == "bytes":
        at = draw.randrange(16, len(body))
        body[at : at + draw.choice([1, 16, 700])] = draw.randbytes(draw.choice([1, 16, 700]))
    elif kind == "cut":
        del body[draw.randrange(len(body)) :]
    elif kind in ("swap", "copy"):
        first, second = bytes(body[one : one + PAGE]), bytes(body[other : other + PAGE])
        body[one : one + PAGE] = second
        if kind == "swap":
            body[other : other + PAGE] = first
    else:
        path.with_name(path.name + "-wal").write_bytes(draw.randbytes(9000))
    path.write_bytes(bytes(body))
    return kind


def verb(words: list[str]) -> tuple[int, str]:
    """Run a verb and return its code and what it wrote to stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = stepdown(words)
    return code, err.getvalue()


def try_one(path: Path, run: str, folder: Path) -> list[str]:
    """Run all verbs on a damaged store; return what did not hold."""
    wrong = []
    for words in VERBS:
        made = [word.replace("RUN", run).replace("OUT", str(folder / "out")) for word in words.split()]
        work = folder / "work.sqlite"
        for end in ("", "-wal"):
            source = path.with_name(path.name + end)
            target = work.with_name(work.name + end)
            target.unlink(missing_ok=True)
            if source.exists():
                shutil.copyfile(source, target)
        work.with_name(work.name + "-shm").unlink(missing_ok=True)
        (folder / "out").unlink(missing_ok=True)
        code, said = verb([*made, "--store", str(work)])
        if code not in CODES or "Traceback" in said or (code not in (0, 1) and "hint:" not in said):
            if words.startswith("store check") and code == 5:
                continue  # its findings are what it says
            wrong.append(f"{words}: {code}, {said[-300:]}")
    code, said = verb(["store", "copy", str(folder / "copy"), "--force", "--store", str(path)])
    if code == 0:
        checked, found = verb(["store", "check", "--store", str(folder / "copy")])
        if checked:
            wrong.append(f"store copy: its copy is not sound: {found[-300:]}")
    elif code != 5:
        wrong.append(f"store copy: {code}, {said[-300:]}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began, kinds, wrong = time.monotonic(), collections.Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = fill(folder / "sound.sqlite")
        for seed in range(options.seed, options.seed + options.stores):
            path = folder / "damaged.sqlite"
            shutil.copyfile(folder / "sound.sqlite", path)
            path.with_name(path.name + "-wal").unlink(missing_ok=True)
            path.with_name(path.name + "-shm").unlink(missing_ok=True)
            kind = damage(path, random.Random(seed))
            kinds[kind] += 1
            wrong += [f"seed {seed} ({kind}): {fault}" for fault in try_one(path, run, folder)]
    row = {"bench": "damage", "stores": options.stores, "verbs": len(VERBS) + 1, "kinds": dict(kinds),
           "not_held": len(wrong), "seconds": round(time.monotonic() - began, 1)}  # fmt: skip
    for fault in wrong:
        print(fault, file=sys.stderr)
    print_row(row, as_json=options.json)
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
