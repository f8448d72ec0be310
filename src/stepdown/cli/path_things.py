"""What a path is: a corpus, a student, a study, a store or a file; and what the catalogue names."""

import hashlib
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from stepdown.cli.known_things import KnownThing
from stepdown.cli.study_file import FIRST
from stepdown.corpus import CARD as CORPUS_CARD
from stepdown.corpus import read_card as read_corpus
from stepdown.models.weights import CARD as STUDENT_CARD
from stepdown.models.weights import CATALOGUE, WEIGHTS, find_folder
from stepdown.models.weights import read_card as read_student
from stepdown.problems import datasets
from stepdown.text import counted, percent

_DATA = frozenset({".jsonl", ".json", ".csv", ".tsv", ".parquet"})
_SQLITE = b"SQLite format 3\x00"
STUDY = "study.json"
_LARGEST = 1 << 20  # bytes of a study file
OTHER = "path"


def thing_at(path: Path) -> KnownThing | None:
    """Return what lies at a path, or what the catalogue or the list of data sets has by this name; None for neither.

    Raises `UsageError` for a card that is broken.
    """
    try:
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _file(path)
    except OSError:  # a name that no file can have
        return None
    return _listed(str(path))


def _folder(path: Path) -> KnownThing | None:
    place = quote(str(path))
    if (path / WEIGHTS).is_file() or find_folder(str(path)):
        return _student(path)
    if (path / CORPUS_CARD).is_file():
        card = read_corpus(path)
        facts = {
            "data set": card.dataset,
            "chains": f"{counted(card.chains, card.row)} for {counted(card.problems, 'problem')}",
            "right": f"{card.right} of {card.graded}, {percent(card.right / card.graded if card.graded else None)} %",
            "teachers": ", ".join(card.teachers),
            "fingerprint": card.fingerprint,
        }
        leads: tuple[str, ...] = (
            f"stepdown chains {place} right --where dropped",
            f"stepdown keep {place} right --out kept",
            f"stepdown train {place} --base smollm2-135m --out students/new",
        )
        return KnownThing(kind="corpus", id=str(path), about=facts, next=leads)
    if (path / STUDY).is_file():
        # In a study's folder a student lies at CELL/seed-N.
        students = sorted(one.parent for one in path.glob(f"*/*/{STUDENT_CARD}"))
        names = (one.relative_to(path).as_posix() for one in students[:8])
        facts = {"students": ", ".join(names) + " and more" * (len(students) > 8)}
        files = sorted(path.glob("study*.toml"))
        leads = tuple(f"stepdown show {quote(str(one))}" for one in (*files[:1], *students[:1]))
        return KnownThing(kind="study", id=str(path), about=facts, next=leads)
    return KnownThing(kind=OTHER, id=str(path), about={"what": "a folder; no corpus, student or study"})


def _student(path: Path) -> KnownThing:
    card, place = read_student(path), quote(str(path))
    facts = {}
    if card is not None:
        facts = {
            "base": card.base,
            "method": card.method,
            "step": f"{card.step} of {card.steps}" + ", chosen by dev problems" * bool(card.dev),
            "weights": "left out: base and adapter make them again" if card.left_out else "",
            "tested": ", ".join(f"{one.dataset} {one.right} of {one.graded}" for one in card.test),
            "study": "; ".join(map(str, card.studies)),
        }
    leads: tuple[str, ...] = (f"stepdown export {place} --to student --out whole",)
    if card is None or not card.left_out:
        leads = (
            f"stepdown run wordsums -n 20 --student {place}",
            f"stepdown export {place} --to gguf --out student.gguf",
        )
    return KnownThing(kind="student", id=str(path), about=facts, next=leads)


def _file(path: Path) -> KnownThing:
    place = quote(str(path))
    with path.open("rb") as file:
        is_store = file.read(len(_SQLITE)) == _SQLITE
    if is_store:
        leads: tuple[str, ...] = (f"stepdown runs --store {place}", f"stepdown store check --store {place}")
        return KnownThing(kind="store", id=str(path), about={"bytes": f"{path.stat().st_size:,}"}, next=leads)
    if path.suffix in _DATA:
        leads = (f"stepdown run {place} -n 5 --student MODEL", f"stepdown import {place}")
        return KnownThing(kind="file", id=str(path), about={"what": "problems, or traces of others"}, next=leads)
    if path.suffix == ".gguf":
        leads = (f"stepdown run wordsums -n 5 --student {place}",)
        return KnownThing(kind="model", id=str(path), about={"what": "weights in a GGUF file"}, next=leads)
    if path.suffix == ".toml" and path.stat().st_size < _LARGEST:
        return _study_file(path)
    return KnownThing(kind=OTHER, id=str(path), about={"bytes": f"{path.stat().st_size:,}"})


def _study_file(path: Path) -> KnownThing:
    """Return a study file by the SHA-256 that its runs keep; any other .toml as a path."""
    body, place = path.read_bytes(), quote(str(path))
    try:
        keys = msgspec.toml.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError):
        keys = {}
    verb = next((one for one, (first, _) in FIRST.items() if first in keys), "")
    if not verb:
        return KnownThing(kind=OTHER, id=str(path), about={"bytes": f"{len(body):,}"})
    digest, first = hashlib.sha256(body).hexdigest(), FIRST[verb][0]
    facts = {"sha256": digest, first: str(keys[first]), "for": f"stepdown {verb}"}
    estimate = [f"stepdown {verb} {place} --estimate"] * (verb == "run")
    leads = (*estimate, f"stepdown {verb} {place}", f"stepdown show {digest[:12]}")
    return KnownThing(kind="study file", id=str(path), about=facts, next=leads)


def _listed(name: str) -> KnownThing | None:
    """Return a data set or a model of the catalogue by its name."""
    for one in datasets():
        if one.name == name:
            facts = {"answers": one.kind, "splits": ", ".join(one.splits), "licence": one.licence, "source": one.source}
            return KnownThing(
                kind="data set", id=name, about=facts, next=(f"stepdown run {name} -n 5 --student MODEL",)
            )
    for weights in CATALOGUE:
        if name.removeprefix("embedded/") == weights.name:
            model = f"embedded/{weights.name}"
            leads = (f"stepdown models get {weights.name}", f"stepdown run wordsums -n 5 --student {model}")
            return KnownThing(kind="model", id=model, about={"for": weights.role}, next=leads)
    return None
