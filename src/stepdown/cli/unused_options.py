"""Options that would change nothing are refused: who gives one believes that it does something."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from stepdown.errors import UsageError

# How a plan is drawn, among the options of sampling.
PLANNING = ("teacher_temperature", "teacher_max_tokens")


def given(options: object, *names: str) -> list[str]:
    """Return the options among these that were given another value than their default, as a command line has them."""
    chosen = [field for field in fields(options) if not names or field.name in names]  # type: ignore[arg-type]
    return [f"--{field.name.replace('_', '-')}" for field in chosen if getattr(options, field.name) != field.default]


def refuse(names: Iterable[str], why: str, hint: str) -> None:
    """Raise `UsageError` where any of these options was given, and `why` says why it would do nothing."""
    if found := list(names):
        listed: Sequence[str] = [f"`{name}`" for name in found]
        raise UsageError(f"{why}, so there is no meaning in {', '.join(listed)}", hint)
