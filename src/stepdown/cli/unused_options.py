"""Options that would change nothing are refused: who gives one believes that it does something."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import msgspec
from msgspec import structs

from stepdown.errors import UsageError


def given(options: Any, *names: str) -> list[str]:
    """Return the options among these that were given another value than their default, as a command line has them."""
    known = structs.fields(options) if isinstance(options, msgspec.Struct) else fields(options)
    chosen = [field for field in known if not names or field.name in names]
    return [f"--{field.name.replace('_', '-')}" for field in chosen if getattr(options, field.name) != field.default]


def refuse(names: Iterable[str], why: str, hint: str) -> None:
    """Raise `UsageError` where any of these options was given, and `why` says why it would do nothing."""
    if found := list(names):
        listed: Sequence[str] = [f"`{name}`" for name in found]
        raise UsageError(f"{why}, so {', '.join(listed)} would have no effect", hint, option=found[0])
