"""Code from outside: plugins of installed packages (entry points `stepdown.methods` and so on), and `file.py:name`.

Also what is read and not run: task files of lm-evaluation-harness (`gsm8k.yaml`).

Only for names that a person typed at this machine or wrote in a program. A name from a page, a request, a stored run or
a card is never looked up here: loaders do so only with `code=True`, which nothing that serves others passes.
"""

import importlib
import importlib.util
import re
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from stepdown.errors import UnknownName, UsageError
from stepdown.usercode import read_package

KINDS = ("methods", "graders", "models", "problems", "filters", "prompts", "exporters")
_IN_FILE = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
_BROKEN = (Exception, SystemExit)
_TASK = re.compile(r"(.+\.ya?ml)(?::([^/\\:]+))?", re.IGNORECASE)
# The room that reads task files of other harnesses: imported when one is named, as an entry point is.
_TASK_READER = "stepdown.exchange"


class Found(msgspec.Struct, frozen=True):
    """What a name led to: `value` is the object, `name` what it is called, `given` the text that led to it."""

    name: str
    value: Any
    given: str

    def refused(self, wanted: str) -> UsageError:
        """Return the error of an object that is not of the kind that was asked for."""
        return UsageError(f"`{self.given}` is a `{type(self.value).__name__}`", f"it must be {wanted}")


class Installed(msgspec.Struct, frozen=True):
    """An entry point of a package, not loaded yet: `package` with its version, `reference` is `module:object`."""

    kind: str
    name: str
    package: str
    reference: str
    entry: Any

    def load(self) -> Found:
        """Import it. Raises `UsageError` for one that is broken, whatever it raises itself."""
        read_package(self.reference.partition(":")[0].partition(".")[0])
        try:
            return Found(self.name, self.entry.load(), self.name)
        except _BROKEN as error:
            raise UsageError(
                f"the plugin `{self.name}` of {self.package} cannot be loaded: {_error_line(error)}",
                "`stepdown plugins` lists what is there; mend it or uninstall its package",
            ) from error


def is_in_file(name: str) -> bool:
    """Whether a name is `file.py:name`."""
    return _IN_FILE.fullmatch(name) is not None


def is_task_file(name: str) -> bool:
    """Whether a name is that of a task file, with or without a filter's name behind it (`gsm8k.yaml:strict-match`)."""
    return _TASK.fullmatch(name) is not None


def find(kind: str, name: str) -> Found | None:
    """Return what `file.py:name`, a task file or the name of an installed plugin means; None for a name of neither.

    Nothing in a task file is run. Runs the Python file or imports the package. Raises `UsageError` where that fails,
    `UnknownName` for a name that is not in the file.
    """
    match = _IN_FILE.fullmatch(name)
    if match is not None:
        return Found(match[2], _in_module(_module(Path(match[1]).expanduser().resolve()), match[2], match[1]), name)
    match = _TASK.fullmatch(name)
    if match is not None:
        part: Found | None = importlib.import_module(_TASK_READER).part_of_task(kind, match[1], match[2] or "")
        return part
    plugin = next((one for one in installed(kind) if one.name == name), None)
    return None if plugin is None else plugin.load()


def names(kind: str) -> list[str]:
    """Return the names of the installed plugins of a kind; nothing is loaded."""
    return list(dict.fromkeys(one.name for one in installed(kind)))


@cache
def installed(kind: str) -> tuple[Installed, ...]:
    """Return the entry points of a kind, in the order of their packages; of two of one name the first is used."""
    found = [Installed(kind, one.name, _package(one), one.value, one) for one in entry_points(group=f"stepdown.{kind}")]
    return tuple(sorted(found, key=lambda one: (one.package, one.name)))


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"


@cache
def _module(path: Path) -> ModuleType:
    """Run a file once and return its module, which other files beside it can be imported by."""
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`", "give `FILE.py:NAME`")
    name = f"_stepdown_{path.stem}_{len(sys.modules)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[name] = module  # so that its source and its own names are found
    try:
        spec.loader.exec_module(module)
    except _BROKEN as error:
        del sys.modules[name]
        raise UsageError(f"`{path}` cannot be run: {_error_line(error)}", "`python FILE.py` shows where") from error
    return module


def _in_module(module: ModuleType, name: str, file: str) -> Any:
    if not hasattr(module, name):
        raise UnknownName(f"name in `{file}`:", name, [one for one in vars(module) if not one.startswith("_")])
    return getattr(module, name)


def _error_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
