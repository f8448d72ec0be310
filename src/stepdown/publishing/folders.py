"""What is published: a copy of the files that a corpus or a student is made of, and no other, with its page."""

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from stepdown.corpus import is_corpus_file
from stepdown.corpus import read_card as read_corpus_card
from stepdown.errors import UsageError
from stepdown.files import replacing_folder
from stepdown.full_disks import unwritable
from stepdown.models.weights import CARD, check_folder, file_hash, read_card
from stepdown.object_stores import refuse_address
from stepdown.publishing.cards import corpus_page, student_page
from stepdown.publishing.eval_results import eval_results
from stepdown.questions import FILE

README, CURVES = "README.md", "curves.png"
_STUDENT = re.compile(
    r"card\.json|config\.json|generation_config\.json|chat_template\.jinja|log\.jsonl|curves\.png|questions\.bin"
    r"|tokenizer(_config)?\.json|tokenizer\.model|special_tokens_map\.json|vocab\.json|merges\.txt|added_tokens\.json"
    r"|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|model\.gguf"
    r"|adapter/(adapter_config\.json|adapter_model\.safetensors)"
)
_PATHS = re.compile(r'"((?:/|~|[A-Za-z]:\\\\)[^"]{2,300})"')


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that can be published; `left_out` are files that are no part of it, `paths` those its card names."""

    kind: Literal["corpus", "student"]
    folder: str
    files: int
    bytes: int
    licence: str
    left_out: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def publish_corpus(source: Path, out: Path, *, force: bool = False) -> Published:
    """Write a corpus as a data set's folder. Raises `UsageError` where it is none, or `out` is taken."""
    card = read_corpus_card(source)
    page = corpus_page(card, _questions(source))
    return _write("corpus", source, out, is_corpus_file, {README: page}, force)


def publish_student(source: Path, out: Path, *, force: bool = False) -> Published:
    """Write a student as a model's folder. Raises `UsageError` where it is none, or `out` is taken."""
    check_folder(source)
    card = read_card(source)
    if card is None:
        raise UsageError(f"`{source}` is no student: it has no `{CARD}`", "name a folder that `stepdown train` wrote")
    page = student_page(card, _questions(source), has_curves=(source / CURVES).is_file())
    return _write("student", source, out, _is_students, {README: page, **eval_results(card)}, force)


def _is_students(name: str) -> bool:
    return _STUDENT.fullmatch(name) is not None


def _questions(source: Path) -> str:
    return file_hash(source / FILE) if (source / FILE).is_file() else ""


def _write(
    kind: Literal["corpus", "student"],
    source: Path,
    out: Path,
    is_part: Callable[[str], bool],
    pages: Mapping[str, str],
    force: bool,
) -> Published:
    there = {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if not path.is_dir()}
    parts = {name: path for name, path in there.items() if is_part(name) and path.is_file() and not path.is_symlink()}
    _check_out(out, source, force)
    try:
        with replacing_folder(out) as folder:
            for name, path in parts.items():
                if name not in pages:
                    _copy(path, folder / name)
            for name, text in pages.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text, "utf-8")
            sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    except OSError as error:
        raise unwritable(out, error, "name a folder that can be written") from error
    return Published(
        kind=kind,
        folder=str(out),
        files=len(sizes),
        bytes=sum(sizes),
        licence=_licence(pages[README]),
        left_out=tuple(name for name in there if name not in parts and name not in pages),
        paths=tuple(dict.fromkeys(_PATHS.findall((source / CARD).read_text("utf-8"))))[:20],
    )


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)


def _check_out(out: Path, source: Path, force: bool) -> None:
    """Raise `UsageError` where something lies at `out` that is not to be replaced, or could not be."""
    refuse_address(out, "write it here; --push puts it on the hub")
    if out.resolve() == source.resolve() or source.resolve() in out.resolve().parents:
        raise UsageError(f"`{out}` lies in what is published", "name a folder beside it with --out")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not force or not (out / CARD).is_file():
        way = "replace it with --force" if (out / CARD).is_file() else "it is nothing that `publish` wrote"
        raise UsageError(f"`{out}` is there already", f"name another folder; {way}")


def _licence(page: str) -> str:
    """Return the licence that a page's head names."""
    found: dict[str, str] = dict(re.findall(r'^(license|license_name): "([a-z0-9.+-]*)"$', page, re.MULTILINE))
    return found.get("license_name") or found["license"]
