"""The manual page `docs/cli.md`, written from the commands themselves; `docs/make_cli.py` puts it there."""

from collections.abc import Iterator
from importlib.resources import files
from inspect import cleandoc
from itertools import groupby
from typing import Any, Literal, get_args, get_origin

from cyclopts import App

from stepdown.cli import app
from stepdown.cli.overview import EXAMPLES, GROUPS

_PLAIN = {"str": "TEXT", "int": "N", "float": "NUMBER", "Path": "FILE", "bool": ""}


def manual() -> str:
    """Return the manual as markdown."""
    head = files("stepdown.cli").joinpath("manual.md").read_text("utf-8")
    return "\n".join([head.rstrip(), "", *(line for group in GROUPS for line in _group_of_verbs(group))])


def _group_of_verbs(group: str) -> Iterator[str]:
    yield f"## Verbs: {group}\n"
    for verb in GROUPS[group]:
        yield from _verb(verb, app[verb])


def _verb(name: str, verb: App) -> Iterator[str]:
    arguments = [one for one in verb.assemble_argument_collection(parse_docstring=True) if one.show]
    places = [one for one in arguments if one.index is not None]
    words = "".join(f" {_argument(one)}" for one in places)
    yield f"### `stepdown {name}{words}`\n"
    # What parameters are stands in the list below.
    yield cleandoc(verb.help).partition("\n\nParameters\n")[0] + "\n"
    if name in EXAMPLES:
        yield f"```bash\n{EXAMPLES[name]}\n```\n"
    for one in places:
        yield f"- `{one.name}`: {one.parameter.help}\n"
    options = sorted((one for one in arguments if one.index is None), key=_group)
    for (_, group), some in groupby(options, key=_group):
        yield f"{group}:\n"
        yield from map(_option, some)
        yield ""
    for child, inner in verb.resolved_commands().items():
        if not child.startswith("-"):
            yield from _verb(f"{name} {child}", inner)


def _argument(argument: Any) -> str:
    many = get_origin(argument.hint) is tuple
    text = f"{argument.name}..." if many else str(argument.name)
    return text if argument.required else f"[{text}]"


def _group(argument: Any) -> tuple[int, str]:
    group = argument.parameter.group[0]
    index = group.sort_key
    return (index if isinstance(index, int) else -1, "Options" if group.name == "Parameters" else str(group.name))


def _option(argument: Any) -> str:
    names = ", ".join(f"`{name}`" for name in argument.names if not name.startswith(("--no-", "--empty-")))
    kind = _kind(argument.hint)
    notes = ["required"] if argument.required else _default(argument)
    notes += ["may be repeated"] if get_origin(argument.hint) is tuple else []
    words = " ".join(argument.parameter.help.split())
    return f"- {names}{f' {kind}' * bool(kind)}: {words}" + (f" ({'; '.join(notes)})" if notes else "")


def _kind(hint: Any) -> str:
    """Return what an option takes: `N`, `FILE`, `a|b|c`; nothing for a flag."""
    if get_origin(hint) is Literal:
        return "`" + "|".join(get_args(hint)) + "`"
    inner = [one for one in get_args(hint) if one not in (type(None), ...)]
    if inner:
        return _kind(inner[0])
    word = _PLAIN.get(getattr(hint, "__name__", ""), "TEXT")
    return word and f"`{word}`"


def _default(argument: Any) -> list[str]:
    value = argument.field_info.default
    if value is None or value is False or value in ("", ()) or argument.parameter.show_default is False:
        return []
    return [f"default `{' '.join(map(str, value)) if isinstance(value, tuple) else value}`"]
