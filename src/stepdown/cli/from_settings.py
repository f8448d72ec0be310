"""Verbs whose options are declared as settings: `@verb` shows their structs to cyclopts and passes checked ones."""

import inspect
from collections.abc import Callable
from dataclasses import field, fields, make_dataclass
from functools import cache, wraps
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

import msgspec
from cyclopts import Parameter

from stepdown.cli.options import CHOICE, ENDPOINT, MONEY, OUTPUT, PROBLEMS, SAMPLING, SETTINGS
from stepdown.settings import Option, check, options_of

P = ParamSpec("P")
R = TypeVar("R")
_GROUPS = {one.name: one for one in (CHOICE, SETTINGS, PROBLEMS, SAMPLING, MONEY, ENDPOINT, OUTPUT)}
_REQUIRED = {"student"}


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function of a verb as cyclopts reads it: each parameter that is a settings struct is its options."""
    hints = get_type_hints(function, include_extras=True)
    declared = {name: _as_dataclass(kind) for name, kind in hints.items() if _is_settings(kind)}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        settled = {name: _settled(hints[name], value) if name in declared else value for name, value in kwargs.items()}
        return function(*args, **settled)  # type: ignore[arg-type]

    signature = inspect.signature(function)
    parameters = [
        # A default of the annotated class, as pydantic asks for, by which cyclopts checks values where it is loaded.
        one.replace(annotation=declared[name], default=declared[name]())
        if name in declared
        else one.replace(annotation=hints[name])
        for name, one in signature.parameters.items()
    ]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    call.__annotations__ = hints | declared
    return call


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def _as_dataclass(kind: type[msgspec.Struct]) -> type:
    """Return a dataclass with the fields of a struct: cyclopts knows those, and no structs of msgspec."""
    options = options_of(kind).values()
    made = make_dataclass(
        kind.__name__,
        [(one.name, Annotated[one.annotation, _parameter(one)], field(default=one.default)) for one in options],
        # Without it, cyclopts takes the class for one of the standard library.
        namespace={"__module__": kind.__module__},
        frozen=True,
        kw_only=True,
    )
    return Parameter(name="*")(made)


def _parameter(one: Option) -> Parameter:
    names = [one.flag, one.short] if one.short else [one.flag]
    required = True if one.name in _REQUIRED and one.default == () else None
    # Given at all, also as None, it would go before how the app writes defaults.
    more: dict[str, Any] = {} if one.show_default else {"show_default": False}
    return Parameter(name=names, help=one.help, group=_GROUPS[one.group], required=required, **more)


def _settled(kind: type[msgspec.Struct], value: Any) -> msgspec.Struct:
    """Return what was given on the command line as its struct. Raises `UsageError` for a value that cannot be."""
    settings = (
        value if isinstance(value, kind) else kind(**{one.name: getattr(value, one.name) for one in fields(value)})
    )
    check(settings)
    return settings
