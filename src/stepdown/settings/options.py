"""How a setting is declared: its type and default, and under it its help, its bounds and what a form calls it.

A setting is a field of a frozen struct, `Annotated` with `option(...)`. The command line, the form of `/new`,
`stepdown.toml` and the body of `/v1` all read this one declaration through `options_of`.
"""

import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from stepdown.errors import UsageError

Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Offset = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Total = Annotated[int, Meta(ge=1, le=2**53)]
Points = Annotated[float, Meta(gt=0, le=100)]
Dollars = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(gt=0, le=1)]
# One less than 64 bits hold at the lower end: the least that msgspec takes as a bound.
Seed = Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)]
_LONGEST = 24  # characters of a number in a form


def option(
    text: str,
    *,
    label: str = "",
    hint: str = "",
    phrase: str = "",
    short: str = "",
    group: str = "",
    show_default: bool = True,
) -> Meta:
    """Return the description of a setting, to stand in its annotation.

    `label` is its name in a form, which leaves out settings without one, and `hint` stands beside it there; `phrase`
    says a value in a sentence (`at most {:,} tokens`). `short`, `group` and `show_default` are for the help of the
    command line: a second name, another group than the struct's, and whether the default is shown.
    """
    extra = {"hint": hint, "phrase": phrase, "short": short, "group": group, "show_default": show_default}
    return Meta(title=label, description=text, extra=extra)


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as it is declared; `type` is without None, which `optional` says it may be."""

    name: str
    annotation: Any
    type: Any
    default: Any
    help: str
    label: str = ""
    hint: str = ""
    phrase: str = ""
    short: str = ""
    group: str = ""
    show_default: bool = True
    choices: tuple[str, ...] = ()
    many: bool = False
    optional: bool = False
    bounds: Mapping[str, float] = {}

    @property
    def flag(self) -> str:
        """Its name on the command line, such as `--max-tokens`."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return self.type is int

    @property
    def expected(self) -> str:
        """What a value must be, such as `a number from 0 to 2`."""
        if self.choices:
            return f"one of {', '.join(f'`{one}`' for one in self.choices)}"
        kind = "a whole number" if self.whole else "a number"
        least, above, most = (self.bounds.get(name) for name in ("ge", "gt", "le"))
        if above is not None:
            return f"{kind} above {above:g}" + ("" if most is None else f", up to {most:g}")
        if least is not None and most is not None and abs(most) < 2**31 - 1:
            return f"{kind} from {least:g} to {most:g}"
        return kind if least is None or least < 0 else f"{kind}, {least:g} or more"

    def accepts(self, value: object) -> bool:
        """Whether a value is within the bounds and among the choices; None is where it is optional."""
        if value is None:
            return self.optional
        if self.choices:
            return all(one in self.choices for one in (value if isinstance(value, tuple) else (value,)))
        if not isinstance(value, int | float) or isinstance(value, bool):
            return True
        least, above, most = (self.bounds.get(name) for name in ("ge", "gt", "le"))
        # Written so that a number that is none (nan) is not within any bound.
        return (
            (least is None or value >= least) and (above is None or value > above) and (most is None or value <= most)
        )

    def check(self, value: object) -> None:
        """Raise `UsageError` for a value that cannot be, in the words of the command line."""
        if not self.accepts(value):
            text = f"{value:g}" if isinstance(value, float) else str(value)
            way = f"give {self._expected_of(value)}"
            raise UsageError(f"`{self.flag}` cannot be `{text[:80]}`", way, option=self.flag)

    def parse(self, text: str) -> Any:
        """Return the value that a form's text stands for, None for an empty one. Raises `UsageError`."""
        if not text:
            return None
        try:
            # Plain figures only: Python would take `1_000`, `1e3`, `nan` and figures of other scripts too.
            plain = text.isascii() and len(text) <= _LONGEST and set(text) <= set("0123456789.-")
            value: object = self.type(text) if plain or self.choices or self.type is str else None
        except ValueError:
            value = None
        if value is None or not self.accepts(value):
            raise UsageError(f"`{text[:40]}` is not {self._expected_of(value)}")
        return value

    def _expected_of(self, value: object) -> str:
        """Return what is said of a value that cannot be: `expected` leaves out bounds that only machines have."""
        most = self.bounds.get("le")
        large = self.whole and isinstance(value, int) and most is not None and value > most
        return f"at most {most:,}" if large else self.expected

    def words(self, value: object) -> str:
        """Return a value as a sentence says it, such as `temperature 0.7`."""
        if self.phrase:
            return self.phrase.format(value)
        text = f"{value:g}" if isinstance(value, float) else repr(list(value)) if isinstance(value, tuple) else value
        return f"{self.name.replace('_', ' ')} {text}"


@cache
def options_of(kind: type[msgspec.Struct]) -> dict[str, Option]:
    """Return the settings that a struct declares, by name, in its order."""
    hints = get_type_hints(kind, include_extras=True)
    group = getattr(kind, "group", "")
    return {one.name: _option(one, hints[one.name], group) for one in msgspec.structs.fields(kind)}


def check(settings: msgspec.Struct) -> None:
    """Raise `UsageError` for the first value of a struct that cannot be."""
    for one in options_of(type(settings)).values():
        one.check(getattr(settings, one.name))


def arguments(settings: msgspec.Struct, *names: str) -> list[str]:
    """Return the options of a command line that give these settings: those that differ from their defaults."""
    found = []
    for one in options_of(type(settings)).values():
        value = getattr(settings, one.name)
        if value != one.default and (not names or one.name in names):
            found += [one.flag] if value is True else [f"{one.flag}={_written(part)}" for part in _parts(value)]
    return found


def _parts(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _written(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value).replace("\n", "\\n").replace("\t", "\\t")


def _option(field: msgspec.structs.FieldInfo, annotation: Any, group: str) -> Option:
    kind, metas = _bare(annotation)
    optional = kind is not (kind := _without_none(kind))
    kind, inner = _bare(kind)
    many = get_origin(kind) is tuple
    each = get_args(kind)[0] if many else kind
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
    about = next((one for one in metas if one.description), Meta(description=""))
    bounds = {name: value for one in (*metas, *inner) for name in ("ge", "gt", "le")
              if (value := getattr(one, name)) is not None}  # fmt: skip
    extra = {name: value for name, value in (about.extra or {}).items() if value != ""}
    return Option(
        name=field.name,
        annotation=_plain(kind) | None if optional else _plain(kind),
        type=str if get_origin(each) is Literal else each,
        default=None if default is msgspec.NODEFAULT else default,
        help=about.description or "",
        label=about.title or "",
        choices=get_args(each) if get_origin(each) is Literal else (),
        many=many,
        optional=optional,
        bounds=bounds,
        **{"group": group, **extra},
    )


def _bare(annotation: Any) -> tuple[Any, tuple[Meta, ...]]:
    if get_origin(annotation) is Annotated:
        kind, *rest = get_args(annotation)
        return kind, tuple(one for one in rest if isinstance(one, Meta))
    return annotation, ()


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    return kind


def _plain(kind: Any) -> Any:
    """Return a type without descriptions, as a library knows it that is not msgspec."""
    kind, _ = _bare(kind)
    return tuple[_plain(get_args(kind)[0]), ...] if get_origin(kind) is tuple else kind  # type: ignore[misc]
