"""Student folders: written whole or not at all, and their weights in other forms."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import MissingExtra, UnknownName, UsageError
from stepdown.files import folder_beside, replacing, replacing_folder
from stepdown.full_disks import explained_full_disk, unwritable
from stepdown.models.weights import (
    CARD,
    GGUF,
    PLAIN_TEMPLATE,
    WEIGHTS,
    StudentCard,
    check_folder,
    file_hash,
    read_card,
)
from stepdown.object_stores import refuse_address
from stepdown.questions import FILE, Keys, write_keys
from stepdown.text import error_line
from stepdown.training.students.adapters import FOLDER as ADAPTER
from stepdown.training.students.adapters import restore_weights, save_merged
from stepdown.training.students.card_files import CURVES, write_card
from stepdown.training.students.curves import draw_curves
from stepdown.training.students.gguf_files import requantize, write_gguf
from stepdown.training.students.prompt_tokens import check_prompts
from stepdown.training.students.vocabularies import CannotConvert
from stepdown.untrusted import reading
from stepdown.version import __version__

LOG = "log.jsonl"


def write_student(
    out: str | Path,
    model: Any,
    *,
    tokenizer: Any,
    card: StudentCard,
    base: Path | None = None,
    log: Path | None = None,
    force: bool = False,
    met: Keys | None = None,
) -> Path:
    """Write the student folder `out` and return its path; it appears whole or not at all.

    `model` is a trained transformers model, or a peft model, whose adapter is kept in `adapter/` and then merged **in
    place**: it is spent afterwards, and its weights are of the card's `dtype`. `tokenizer` carries the chat template
    used in training; without one it gets `PLAIN_TEMPLATE`. `base` is the GGUF file that the base was read from, whose
    tokenizer and settings model.gguf then copies; None for a base from a folder or the hub. `log` is a file of JSON
    lines, each with `step` and any of `loss`, `dev` (share right, 0 to 1), `tokens_per_second`. `force` replaces a
    student that is there; a folder that is no student never is. `met` stands for the questions it was trained on, kept
    in `questions.bin`. What cannot be had (GGUF, curves) is left out, and the card says why.
    Raises `UsageError` where `out` is taken or cannot be written, and for weights that are not numbers.
    """
    with _fresh(Path(out), force=force) as folder:
        if hasattr(model, "merge_and_unload"):
            model.save_pretrained(folder / ADAPTER, save_embedding_layers=False)
        exact = save_merged(model, folder, card.dtype or "float16")
        _save_tokenizer(tokenizer, folder)
        notes = list(card.notes)
        if log is not None:
            shutil.copyfile(log, folder / LOG)
            notes += _drawn(folder)
        card = msgspec.structs.replace(
            card,
            stepdown=__version__,
            exact=exact,
            weights=file_hash(folder / WEIGHTS),
            gguf=_written_gguf(folder, tokenizer, base),
            notes=tuple(notes),
        )
        if met is not None:
            count = write_keys(folder / FILE, met)
            card = msgspec.structs.replace(card, lessons=msgspec.structs.replace(card.lessons, questions=count))
        write_card(folder, card)
    return Path(out)


def export_student(
    folder: str | Path,
    out: str | Path,
    *,
    to: str = "gguf",
    kind: str = "f16",
    force: bool = False,
) -> Path:
    """Write a student in another form and return the path: `gguf`, a file of `kind` `f16` or `q8_0`, or `student`.

    `student` is a folder with the weights that were left out of this one. F16 holds the very weights; Q8_0 is half the
    size, several times faster to serve, and not the same greedy text.
    A model folder that is no student of ours is converted where that is possible.
    Raises `UsageError` where it is not, or where `out` exists (without `force`), `UnknownName` for `to` and `kind`.
    """
    folder, out = Path(folder).expanduser(), Path(out)
    for what, name, known in (("export format", to, ("gguf", "student")), ("kind of GGUF", kind, ("f16", "q8_0"))):
        if name not in known:
            raise UnknownName(what, name, known)
    if to == "student":
        return _whole_student(folder, out, force=force)
    check_folder(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out, force) as part:
        if kind == "f16":
            _plain_gguf(folder, part)
        else:
            with folder_beside(out) as workplace:
                requantize(_plain_gguf(folder, workplace / "f16.gguf"), part)
    return out


def _whole_student(folder: Path, out: Path, *, force: bool) -> Path:
    """Write a copy of a student folder that has its weights again."""
    card = read_card(folder)
    if card is None or not card.left_out:
        raise UsageError(f"`{folder}` is no student whose weights were left out", "it can be copied as it is")
    with _fresh(out, force=force) as part:
        shutil.copytree(folder, part, dirs_exist_ok=True)
        restore_weights(part)
    return out


def _plain_gguf(folder: Path, partial: Path) -> Path:
    """Copy or write a folder's weights as an F16 file."""
    if (folder / GGUF).exists():
        shutil.copyfile(folder / GGUF, partial)
        return partial
    with reading(f"`{folder}` cannot be a GGUF file", "serve the folder itself"), explained_full_disk(partial):
        write_gguf(folder, partial)
    return partial


def check_student_folder(out: Path) -> None:
    """Raise `UsageError` where something lies in a student's place that is no student: nothing replaces that."""
    refuse_address(out, "write the student here; `stepdown publish` takes it to the hub")
    if _taken(out) and not ((out / CARD).is_file() and any((out / name).exists() for name in (WEIGHTS, ADAPTER))):
        raise UsageError(
            f"`{out}` exists already and is not a student folder", "name another folder: this one is not touched"
        )


def _taken(out: Path) -> bool:
    return out.exists() and not (out.is_dir() and not any(out.iterdir()))


@contextmanager
def _fresh(out: Path, *, force: bool) -> Iterator[Path]:
    """Give a new folder beside `out` that takes its place at the end, and leaves nothing after an error."""
    check_student_folder(out)
    if _taken(out) and not force:
        raise UsageError(f"`{out}` exists already", "choose another folder, or --force")
    try:
        with replacing_folder(out) as folder:
            yield folder
    except OSError as error:
        raise unwritable(out, error, "name a folder that can be written") from error


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    if not tokenizer.chat_template:
        tokenizer.chat_template = PLAIN_TEMPLATE
    tokenizer.save_pretrained(folder)


def _drawn(folder: Path) -> list[str]:
    try:
        draw_curves(folder / LOG, folder / CURVES)
    except MissingExtra as error:
        return [f"no curves: {error.what}"]
    except Exception as error:  # a picture is no reason to lose what was trained
        (folder / CURVES).unlink(missing_ok=True)
        return [f"no curves: drawing them failed ({error_line(error)})"]
    return []


def _written_gguf(folder: Path, tokenizer: Any, base: Path | None) -> str:
    """Write model.gguf; return why there is none, or nothing.

    A training that is done is kept whatever happens here: a full disk, a tokenizer that breaks the writer, a bug.
    """
    try:
        write_gguf(folder, folder / GGUF, base=base)
        check_prompts(folder, tokenizer)
    except CannotConvert as error:
        reason = str(error)
    except MissingExtra as error:
        reason = error.what
    except Exception as error:
        reason = f"writing it failed: {error_line(error)}"
    else:
        return ""
    (folder / GGUF).unlink(missing_ok=True)
    return reason
