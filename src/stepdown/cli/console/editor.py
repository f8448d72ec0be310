"""A text in a person's own editor."""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from stepdown.errors import UsageError
from stepdown.types import Plan

_HEADER = "# One step a line. Lines that begin with `#` are left out; an empty file changes nothing.\n"


def edited(plan: Plan, *, author: str, why: str = "", about: str = "") -> Plan:
    """Return the plan as a person left it in `$VISUAL` or `$EDITOR`, the same plan where nothing changed."""
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    before = "".join(f"{number}. {step}\n" for number, step in enumerate(plan.steps, 1))
    after = _open(_HEADER + comment + before)
    kept = Plan("\n".join(line for line in after.splitlines() if not line.startswith("#")), author)
    return plan if kept.steps in (plan.steps, ()) else plan.edit(*kept.steps, author=author, why=why)


def _open(text: str) -> str:
    with tempfile.TemporaryDirectory(prefix="stepdown-") as folder:
        file = Path(folder) / "plan.txt"
        file.write_text(text, encoding="utf-8")
        command = [*_editor(), str(file)]
        try:
            code = subprocess.run(command, check=False).returncode
        except OSError as error:
            raise UsageError(f"cannot start the editor `{command[0]}`: {error.strerror}", _HINT) from error
        if code:
            raise UsageError(f"the editor `{command[0]}` ended with code `{code}`; nothing was changed", _HINT)
        return file.read_text(encoding="utf-8", errors="replace")


_HINT = "set EDITOR to an editor that waits, such as `nano` or `code --wait`; or give the steps in a file"


def _editor() -> list[str]:
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if named:
        return shlex.split(named, posix=os.name != "nt")
    editor = next((name for name in ("sensible-editor", "nano", "vi", "notepad") if shutil.which(name)), None)
    if editor is None:
        raise UsageError("there is no editor", _HINT)
    return [editor]


def person() -> str:
    """Return who edits: the name git knows, else the login."""
    git = shutil.which("git")
    if git:
        name = subprocess.run([git, "config", "user.name"], capture_output=True, text=True, check=False).stdout.strip()
        if name:
            return name
    return os.environ.get("USER") or os.environ.get("USERNAME") or "person"
