"""What a command lacks is said before anything is asked, all of it at once."""

from collections.abc import Iterable

from stepdown.extras import has, require
from stepdown.models.local import PACKAGES, serves_by_transformers
from stepdown.problems import Problems


def check_extras(models: Iterable[str], problems: Problems | None = None, *, more: Iterable[str] = ()) -> None:
    """Raise `MissingExtra`, naming everything at once, where models, graders or `more` need what is not installed."""
    needed = list(more)
    embedded = any(name.startswith("embedded/") or name.endswith(".gguf") for name in models)
    if embedded and not any(map(has, PACKAGES.values())) and not serves_by_transformers():
        needed.append("embedded")
    # Read through only where it matters: a paid reply whose grade cannot be had would be the first to say so.
    if problems is not None and not has("math_verify") and any(one.kind == "expression" for one in problems):
        needed.append("math")
    require(needed, "this command")
