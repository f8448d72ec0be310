"""What lies here and can be named: runs of the store, corpora, student folders, files."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

Words = Iterator[tuple[str, str]]
_MOST_RUNS, _MOST_FOLDERS, _DEPTH = 300, 400, 3
_LEFT_OUT = {"node_modules", "__pycache__", "site-packages"}
_WEIGHTS, _CONFIG = ("model.safetensors", "model.gguf"), "config.json"


def runs(store: str) -> Words:
    """Stream names, tags and ids of runs, newest first, with what they ran; nothing where the store cannot be read."""
    path = Path(store or os.environ.get("STEPDOWN_STORE") or "stepdown.sqlite").expanduser()
    if not path.is_file():
        return
    about = "json_extract(settings, '$.dataset') || ' ' || json_extract(settings, '$.method')"
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        db.execute("pragma busy_timeout = 50")
        labels: list[tuple[str, str, str, str]] = []
        with suppress(sqlite3.Error):  # a store of an earlier version has none
            labels = db.execute("select run, kind, item, value from labels where value != ''").fetchall()
        hidden = {run for run, kind, _, _ in labels if kind == "hidden"}
        yield from {value: "name of a run" for _, kind, _, value in labels if kind == "name"}.items()
        yield from {f"@{item}": "runs with this tag" for _, kind, item, _ in labels if kind == "tag"}.items()
        found = db.execute(
            f"select id, {about} || ' ' || json_extract(settings, '$.student') from runs order by created desc limit ?",
            (_MOST_RUNS,),
        )
        yield from ((run, words or "") for run, words in found if run not in hidden)


def tags(store: str) -> Words:
    """Stream the tags of runs."""
    yield from ((word[1:], about) for word, about in runs(store) if word.startswith("@"))


def folders(*, trained: bool) -> Words:
    """Stream the folders below this one that hold a corpus, or a `trained` student that has its weights."""
    for folder in _with_cards(Path()):
        weights = any((folder / name).exists() for name in _WEIGHTS)
        if weights if trained else not (weights or (folder / _CONFIG).exists()):
            yield str(folder), "a student" if trained else "a corpus"


def _with_cards(top: Path) -> Iterator[Path]:
    """Stream folders with a card, the nearest first, of the first few hundred below."""
    waiting, looked = [(top, 0)], 0
    while waiting and looked < _MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        looked += 1
        with suppress(OSError):
            if depth and (folder / "card.json").is_file():
                yield folder
            elif depth < _DEPTH:
                inner = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
                waiting += [(folder / name, depth + 1) for name in inner if name[0] != "." and name not in _LEFT_OUT]


def files(begun: str, *ends: str) -> Words:
    """Stream the files and folders whose path begins so; files with one of these `ends` only, if there are any."""
    head, slash, name = begun.rpartition("/")
    folder = Path(head or slash or ".").expanduser()
    with suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            if entry.name.startswith(".") and not name.startswith("."):
                continue
            inner = entry.is_dir()
            if inner or not ends or entry.name.endswith(ends):
                yield f"{head}{slash}{entry.name}{'/' * inner}", ""
