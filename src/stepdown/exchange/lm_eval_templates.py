"""Templates of strangers' task files, filled in without running what a stranger wrote.

A template may print fields, index and slice them, choose by a condition, and call a few text methods and filters.
Everything else is refused by name when the template is read: loops, assignments, macros, imports, multiplication,
formatting. What it prints or makes a text of is measured before it is a text, and what it makes on the way (slices,
parts, changed texts) counts against a bound for each row, as does the time of its patterns.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from stepdown.errors import UsageError
from stepdown.exchange.lm_eval_patterns import LONGEST, bounded, compile_pattern, one_limit, substitute
from stepdown.untrusted import reading

LONGEST_TEMPLATE = 1 << 14  # characters
_MOST_MADE = 32 * LONGEST  # bytes of what a template makes of one row on its way
_MOST_NODES = 2_000
_SLICE = " slice"  # a filter's name that nobody can write

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
        template = environment.from_string(_with_slices_as_filters(tree))

    def render(row: Mapping[str, Any]) -> str:
        made, length, before = [], 0, _spent.set(_Spent())
        try:
            with reading(f"`{key}` of `{file}` does not fit a row", "mend the template, or the data"), one_limit():
                for part in template.generate(dict(row)):
                    made.append(part)
                    length += len(part)
                    bounded(length)
        finally:
            _spent.reset(before)
        return "".join(made)

    return render


class _Spent:
    """What a template has made of a row so far, in bytes."""

    def __init__(self) -> None:
        self.made = 0


# Not set while a template is compiled, so that nothing is worked out then.
_spent: ContextVar[_Spent] = ContextVar("spent")


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


def _with_slices_as_filters(tree: Any) -> Any:
    """Return a template that cuts by a filter of ours: jinja's own slices are seen by nobody."""
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    class Cuts(NodeTransformer):
        """Puts a filter in the place of each slice."""

        def visit_Getitem(self, node: Any) -> Any:
            """Return what is in the place of an element or a slice."""
            self.generic_visit(node)
            if not isinstance(node.arg, nodes.Slice):
                return node
            ends = [one or nodes.Const(None) for one in (node.arg.start, node.arg.stop, node.arg.step)]
            return nodes.Filter(node.node, _SLICE, ends, [], None, None, lineno=node.lineno)

    return Cuts().visit(tree)


def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Bounded(ImmutableSandboxedEnvironment):
        """An environment in which no text becomes long."""

        intercepted_binops = frozenset({"+"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            """Return a sum."""
            bounded(sum(len(one) for one in (left, right) if hasattr(one, "__len__")))
            return _made(left + right)

        def call(self, context: Any, called: Any, *args: Any, **kwargs: Any) -> Any:
            """Return what a text's method does."""
            # Errors of methods quote what they were given.
            _ = [_measured(one) for one in (*args, *kwargs.values())]
            owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
            if isinstance(owner, bytes):
                raise ValueError("bytes are no text")
            if isinstance(owner, str) and name in ("replace", "join"):
                return (_replace if name == "replace" else _join_with)(owner, *args, **kwargs)
            found = super().call(context, called, *args, **kwargs)
            return _made(found, found if isinstance(found, list) else ()) if isinstance(owner, str) else found

        def getitem(self, obj: Any, argument: Any) -> Any:
            """Return an element; what is said of one that is not there quotes the argument."""
            return super().getitem(obj, _measured(argument))

    environment = Bounded(undefined=StrictUndefined, keep_trailing_newline=True, finalize=_measured)
    own = environment.filters
    environment.filters = {name: own[name] if how is None else how for name, how in _FILTERS.items()}
    environment.filters |= {name: partial(_of_measured, own[name]) for name in _OF_TEXTS}
    environment.globals.clear()
    return environment


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
            elif isinstance(one, int):
                length += one.bit_length() // 3  # no fewer than its digits
            bounded(length)
    return value


def _made(value: Any, parts: Iterable[Any] = ()) -> Any:
    """Return what a template made, once it is counted; `parts` are those that were made with it."""
    spent = _spent.get()
    spent.made += sys.getsizeof(value) + sum(map(sys.getsizeof, parts))
    if spent.made > _MOST_MADE:
        raise ValueError(f"more than {_MOST_MADE >> 20} MiB on the way")
    return value


def _of_measured(text_filter: Callable[..., Any], value: Any, *args: Any, **kwargs: Any) -> Any:
    return _made(text_filter(_measured(value), *args, **kwargs))


def _cut(value: Any, start: Any, stop: Any, step: Any) -> Any:
    return _made(value[start:stop:step])


def _replace(text: str, old: str, new: str, count: int = -1) -> Any:
    found = text.count(old)
    found = found if count is None or count < 0 else min(found, count)
    bounded(len(text) + found * (len(new) - len(old)))
    return _made(text.replace(old, new, -1 if count is None else count))


def _join_with(glue: str, parts: Any) -> Any:
    length, texts = 0, []
    for one in parts:
        texts.append(_plain(one))
        length += len(texts[-1]) + len(glue)
        bounded(length)
    return _made(glue.join(texts))


def _plain(value: Any) -> str:
    """Return a text or number as text; nothing nested, whose text would be longer than its parts."""
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"a {type(value).__name__} is no text")
    return str(value)


def _regex_replace(text: str, pattern: str, repl: str, count: int = 0) -> Any:
    compiled = compile_pattern(_measured(pattern), "regex_replace", "the template")
    return _made(substitute(compiled, repl, text, count))


# Filters by name: None is jinja's own.
_FILTERS: dict[str, Callable[..., Any] | None] = {
    **dict.fromkeys(("length", "count", "first", "last", "int")),
    **dict.fromkeys(("default", "d")),
    "string": _plain,
    "replace": _replace,
    "join": lambda parts, glue="": _join_with(_plain(glue), parts),
    "regex_replace": _regex_replace,
    _SLICE: _cut,
}
# Those of jinja's own that make a text of whatever they are given.
_OF_TEXTS = ("trim", "upper", "lower", "capitalize", "title")
