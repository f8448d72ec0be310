"""What was made of weights and kept so that they load faster, and what of it the installed versions do not read."""

import shutil
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from stepdown.errors import FileError
from stepdown.files import is_locked
from stepdown.models.local.dequantized import FORM
from stepdown.models.weights import models_folder
from stepdown.models.weights.openvino_form import CONVERTER


class MadeForm(msgspec.Struct, frozen=True):
    """A form of some weights: its folder or file, its size in bytes, and whether what is installed here reads it."""

    path: Path
    bytes: int
    read: bool


def made_forms() -> list[MadeForm]:
    """Return what was made of weights on this machine, by name; not what another process is making now."""
    folder = models_folder() / "converted"
    ends = tuple(_ends())
    forms = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # What is hidden or a part is being made.
        if path.suffix in (".lock", ".part") or path.name.startswith("."):
            continue
        if is_locked(path.with_name(f"{path.name}.lock")):
            continue
        # A copy that OpenVINO reads as it is has no version in its name.
        forms.append(MadeForm(path, _size(path), path.suffix == ".gguf" or path.name.endswith(ends)))
    return forms


def remove_forms(forms: Iterable[MadeForm]) -> None:
    """Remove forms and their locks: they are made again where they are needed. Raises `FileError`."""
    for form in forms:
        try:
            if form.path.is_dir():
                shutil.rmtree(form.path)
            else:
                form.path.unlink(missing_ok=True)
            form.path.with_name(f"{form.path.name}.lock").unlink(missing_ok=True)
        except OSError as error:
            raise FileError(
                f"`{form.path}` cannot be removed ({error.strerror or error})", "what was before it is gone"
            ) from error


def _ends() -> Iterable[str]:
    """Yield how the names of forms end that are read here."""
    for package, form in (("openvino-genai", f"-{CONVERTER}-"), ("transformers", f"-float32-{FORM}-")):
        try:
            yield form + version(package)
        except PackageNotFoundError:
            continue


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
