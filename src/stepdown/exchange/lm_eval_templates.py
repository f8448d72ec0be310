"""Templates of strangers' task files, filled in without running what a stranger wrote.

A template may print fields, index and slice them, choose by a condition, and call a few text methods and filters.
Everything else is refused by name when the template is read: loops, assignments, macros, imports, multiplication,
formatting. What it prints or makes a text of is measured before it is a text.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stepdown.errors import MissingExtra, UsageError
from stepdown.extras import EXTRAS
from stepdown.untrusted import reading

EXTRA = "harness"
# Characters of a template, of a field, and of whatever a template makes.
LONGEST_TEMPLATE = 1 << 14
LONGEST = 1 << 20
_MOST_NODES = 2_000
_PATTERN_SECONDS = 0.5

_ALLOWED = {
    "Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Getitem", "Slice", "List", "Tuple", "Dict",
    "Pair", "CondExpr", "If", "Test", "Compare", "Operand", "Not", "And", "Or", "Add", "Sub", "Neg", "Call", "Filter",
    "Keyword",
}  # fmt: skip
_TESTS = {"defined", "undefined", "none", "string", "number", "in", "eq", "ne", "==", "!=", "true", "false"}
_METHODS = {
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "lower", "upper", "capitalize", "title", "replace",
    "join", "startswith", "endswith", "removeprefix", "removesuffix", "get", "find", "index", "count",
}  # fmt: skip
Render = Callable[[Mapping[str, Any]], str]


def compile_template(text: str, key: str, file: str) -> Render:
    """Return a function from a row to the text that a template makes of it; `key` and `file` say where it stands.

    Raises `UsageError` for a template beyond the subset, and the function does for a row that it does not fit.
    """
    if len(text) > LONGEST_TEMPLATE:
        raise _refused(key, file, f"a template of {len(text):,} characters", f"at most {LONGEST_TEMPLATE:,}")
    environment = _environment()
    with reading(f"`{key}` of `{file}` is no template", "mend it"):
        tree = environment.parse(text)
        _check(tree, key, file)
        template = environment.from_string(text)

    def render(row: Mapping[str, Any]) -> str:
        made, length = [], 0
        with reading(f"`{key}` of `{file}` does not fit a row", "mend the template, or the data"):
            for part in template.generate(dict(row)):
                made.append(part)
                length += len(part)
                _bounded(length)
        return "".join(made)

    return render


def find_all(pattern: Any, text: str) -> list[Any]:
    """Return what a compiled pattern of a stranger's finds, as `re.findall`; `TimeoutError` after half a second."""
    found: list[Any] = pattern.findall(text, timeout=_PATTERN_SECONDS)
    return found


def substitute(pattern: Any, replacement: str, text: str, count: int = 0) -> str:
    """Return a text with what a stranger's pattern finds replaced; `TimeoutError` after half a second."""
    made = str(pattern.sub(replacement, text, count=count, timeout=_PATTERN_SECONDS))
    _bounded(len(made))
    return made


def compile_pattern(pattern: object, key: str, file: str) -> Any:
    """Return a stranger's regular expression, compiled. Raises `UsageError` for one that is none, or is too long."""
    if not isinstance(pattern, str) or len(pattern) > 2_000:
        raise _refused(key, file, f"{str(pattern)[:40]!r}", "a regular expression of at most 2,000 characters")
    with reading(f"`{key}` of `{file}` is no regular expression", "mend it"):
        return _regex().compile(pattern)


def _refused(key: str, file: str, found: str, wanted: str) -> UsageError:
    return UsageError(f"`{key}` of `{file}` is {found}", f"stepdown reads {wanted}")


def _check(tree: Any, key: str, file: str) -> None:
    """Refuse whatever a template has beyond the subset. Raises `UsageError`."""
    from jinja2 import nodes

    waiting, place = [tree], 0
    while waiting:
        node, place = waiting.pop(), place + 1
        # In the order in which they stand; without recursion, which a deep template would end.
        waiting += [*node.iter_child_nodes()][::-1]
        kind = type(node).__name__
        what = "" if kind in _ALLOWED else kind.lower()
        if isinstance(node, nodes.Call):
            called = node.node.attr if isinstance(node.node, nodes.Getattr) else ""
            what = "" if called in _METHODS and not node.dyn_args and not node.dyn_kwargs else f"a call of `{called}`"
        elif isinstance(node, nodes.Filter):
            what = "" if node.name in _FILTERS or node.name in _OF_TEXTS else f"the filter `{node.name}`"
        elif isinstance(node, nodes.Test):
            what = "" if node.name in _TESTS else f"the test `{node.name}`"
        elif isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            what = f"`{node.attr}`"
        if what or place > _MOST_NODES:
            hint = (
                "it reads fields, indexes, conditions, text methods and filters; write the texts into the data instead"
            )
            raise UsageError(
                f"`{key}` of `{file}` has in its template what is not read here: {what or 'so much'}", hint
            )


def _environment() -> Any:
    try:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise MissingExtra("jinja2", EXTRA, EXTRAS[EXTRA][0]) from error

    class Bounded(ImmutableSandboxedEnvironment):
        """An environment in which no text becomes long."""

        intercepted_binops = frozenset({"+"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            """Return a sum."""
            _bounded(sum(len(one) for one in (left, right) if hasattr(one, "__len__")))
            return left + right

        def call(self, context: Any, called: Any, *args: Any, **kwargs: Any) -> Any:
            """Return what a text's method does."""
            # Errors of methods quote what they were given.
            _ = [_measured(one) for one in (*args, *kwargs.values())]
            owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
            if isinstance(owner, str) and name in ("replace", "join"):
                return (_replace if name == "replace" else _join_with)(owner, *args)
            return super().call(context, called, *args, **kwargs)

        def getitem(self, obj: Any, argument: Any) -> Any:
            """Return an element; what is said of one that is not there quotes the argument."""
            return super().getitem(obj, _measured(argument))

    environment = Bounded(undefined=StrictUndefined, keep_trailing_newline=True, finalize=_measured)
    own = environment.filters
    environment.filters = {name: own[name] if how is None else how for name, how in _FILTERS.items()}
    environment.filters |= {name: partial(_of_measured, own[name]) for name in _OF_TEXTS}
    environment.globals.clear()
    return environment


def _bounded(length: int) -> None:
    if length > LONGEST:
        raise ValueError(f"more than {LONGEST:,} characters")


def _measured(value: Any) -> Any:
    """Return a value whose text is not too long; one of a list or dict has all that is in it."""
    if isinstance(value, list | tuple | dict):
        waiting, length = [value], 0
        while waiting:
            one = waiting.pop()
            # With what stands between two.
            length += 2
            if isinstance(one, dict):
                waiting += [*one, *one.values()]
            elif isinstance(one, list | tuple):
                waiting += one
            elif isinstance(one, str | bytes):
                length += len(one)
            _bounded(length)
    return value


def _of_measured(text_filter: Callable[..., Any], value: Any, *args: Any, **kwargs: Any) -> Any:
    return text_filter(_measured(value), *args, **kwargs)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    found = text.count(old)
    _bounded(len(text) + (found if count is None or count < 0 else min(found, count)) * len(new))
    return text.replace(old, new, -1 if count is None else count)


def _join_with(glue: str, parts: Any) -> str:
    texts = [_plain(one) for one in parts]
    _bounded(sum(map(len, texts)) + len(glue) * len(texts))
    return glue.join(texts)


def _plain(value: Any) -> str:
    """Return a text or number as text; nothing nested, whose text would be longer than its parts."""
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"a {type(value).__name__} is no text")
    return str(value)


def _regex_replace(text: str, pattern: str, repl: str, count: int = 0) -> str:
    return substitute(compile_pattern(_measured(pattern), "regex_replace", "the template"), repl, text, count)


def _regex() -> Any:
    try:
        import regex
    except ImportError as error:
        raise MissingExtra("regex", EXTRA, EXTRAS[EXTRA][0]) from error
    return regex


# Filters by name: None is jinja's own.
_FILTERS: dict[str, Callable[..., Any] | None] = {
    **dict.fromkeys(("length", "count", "first", "last", "int")),
    **dict.fromkeys(("default", "d")),
    "string": _plain,
    "replace": _replace,
    "join": lambda parts, glue="": _join_with(_plain(glue), parts),
    "regex_replace": _regex_replace,
}
# Those of jinja's own that make a text of whatever they are given.
_OF_TEXTS = ("trim", "upper", "lower", "capitalize", "title")
