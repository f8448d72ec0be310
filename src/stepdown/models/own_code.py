"""Models that a plugin or a file of the user's own gives."""

from inspect import isabstract
from typing import cast

from stepdown.custom import check_model
from stepdown.models.http.endpoints import ADDRESSES, ANY
from stepdown.plugins import Found, find, is_in_file
from stepdown.types import Model

# What comes before the slash in names of ours.
TAKEN = frozenset({*ADDRESSES, *ANY, "embedded", "recorded"})


def load_own(name: str) -> Model | None:
    """Return the model that a file (`my.py:model`) or a plugin (`<plugin>/<model>`) gives; None for any other name."""
    provider, _, rest = name.partition("/")
    if provider in TAKEN:
        return None
    if is_in_file(name):
        found = find("models", name)
        return None if found is None else as_model(found)
    found = find("models", provider) if rest else None
    return None if found is None else as_model(found, rest)


def as_model(found: Found, *given: str) -> Model:
    """Return a user's object as a model: one itself, or what makes one (of a plugin, from the model's name)."""
    value = found.value
    makes = (isinstance(value, type) and not isabstract(value)) or (callable(value) and not hasattr(value, "reply"))
    model = value(*given) if makes else value
    check_model(model)
    return cast(Model, model)
