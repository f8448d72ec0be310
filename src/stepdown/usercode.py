"""What stands for code that a user wrote: a method, a grader, a model, so that changed code is not taken for the old.

Of a function that is its source text with its defaults, and what it reads around itself: variables of enclosing
functions, and the constants and functions of its own program that it names. Of an object it is its class and what it
was made with. What changes while it works (counters, lists it appends to) is left out, and so is what cannot be read,
such as a connection or a loaded network: whoever has that says `version = "2"`, which then stands for the code.
"""

import ast
import dis
import functools
import inspect
import json
import re
import sys
import sysconfig
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from stepdown.custom import CustomModel
from stepdown.errors import UsageError
from stepdown.identity import digest
from stepdown.types import Capabilities, Model

DIGITS = 8
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...))
_CHANGING = frozenset(
    {"append", "extend", "insert", "pop", "popleft", "appendleft", "remove", "clear", "add", "discard", "update",
     "setdefault", "popitem", "sort", "reverse"}
)  # fmt: skip
_SECRET = re.compile(
    r"(?:^|_)(?:api_?key|secret|password|passwd|credentials?|auth|authorization|cookies?)(?:$|_)", re.IGNORECASE
)
# What a model says of itself that changes no reply.
_ASIDE = frozenset({"name", "width", "backoff", "capabilities", "delay", "local", "recorded", "prompts", "calls"})
_LIBRARIES = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("purelib", "platlib", "stdlib"))


def code_of(*things: object) -> str:
    """Return 8 hexadecimal digits that stand for what these do, or the `version` of a single one that says it.

    Nothing where all are stepdown's own: these are known by their names. Raises `UsageError` where there is no end to
    what they hold.
    """
    things = tuple(thing for thing in things if thing is not None)
    if len(things) == 1 and version_of(things[0]):
        return version_of(things[0])
    if all(is_ours(thing) for thing in things):
        return ""
    try:
        encoded = json.dumps([_Reader(thing).read(thing) for thing in things]).encode()
    except RecursionError:
        raise UsageError(
            f"what `{name_of(things[0])}` holds has no end, so nothing can stand for it",
            'say `version = "1"` beside it, and another one when it changes',
        ) from None
    return digest(encoded).hex()[:DIGITS]


def version_of(thing: object) -> str:
    """Return the `version` that a function or object declares, "" for none."""
    declared = getattr(thing, "version", "")
    return str(declared) if isinstance(declared, str | int | float) else ""


def is_ours(thing: object) -> bool:
    """Whether stepdown's own name says what something does."""
    if isinstance(thing, types.MethodType):
        return is_ours(thing.__func__) and is_ours(thing.__self__)
    if isinstance(thing, functools.partial):
        return False
    if isinstance(thing, types.FunctionType) and thing.__closure__:
        return False
    return _module_of(thing).partition(".")[0] == "stepdown"


def name_of(thing: object) -> str:
    """Return what a function, class or object is called in its program."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return str(getattr(named, "__qualname__", ""))


_SOURCES: weakref.WeakKeyDictionary[object, tuple[tuple[object, ...], str]] = weakref.WeakKeyDictionary()


def source_of(model: Model) -> str:
    """Return where a model answers from, part of each call's identity: the `source` it states, else its code.

    A base URL or a hash of weights; `version/...` where a user's own model declares one, `code/...` where it does not.
    """
    if (source := model.capabilities.source) is not None:
        return source
    declared = version_of(model)
    return f"version/{declared}" if declared else f"code/{_code_now(model)}"


def _code_now(model: object) -> str:
    """Return a model's code, read again only once something else was assigned to one of its attributes."""
    values = tuple(getattr(model, "__dict__", {}).values())
    try:
        before, code = _SOURCES[model]
        if len(before) == len(values) and all(one is other for one, other in zip(before, values, strict=True)):
            return code
    except (KeyError, TypeError):  # a model that cannot be hashed is read each time
        pass
    code = code_of(model)
    with suppress(TypeError):
        _SOURCES[model] = values, code
    return code


class _Reader:
    """Turns code and values into JSON, each function, class and object once."""

    def __init__(self, top: object) -> None:
        self.seen: dict[int, object] = {}
        self.top = top

    def read(self, value: object) -> Any:
        """Return what stands for a value."""
        if isinstance(value, Enum):
            return ["enum", name_of(type(value)), value.name]
        if isinstance(value, _PLAIN):
            return value if isinstance(value, str | None) else [type(value).__name__, repr(value)]
        if id(value) in self.seen:
            return ["again", name_of(value)]
        self.seen[id(value)] = value
        if isinstance(value, Mapping):
            return ["dict", *([self.read(key), self.read(one)] for key, one in value.items())]
        if isinstance(value, list | tuple):
            return ["list", *map(self.read, value)]
        if isinstance(value, set | frozenset):
            return ["set", *sorted((self.read(one) for one in value), key=repr)]
        return self._code(value)

    def _code(self, value: object) -> Any:
        if isinstance(value, functools.partial | functools.partialmethod):
            return ["partial", self.read(value.func), self.read(value.args), self.read(value.keywords)]
        if isinstance(value, types.MethodType):
            return ["method", self.read(value.__func__), self.read(value.__self__)]
        if isinstance(value, staticmethod | classmethod):
            return self.read(value.__func__)
        if isinstance(value, property):
            return ["property", *(self.read(one) for one in (value.fget, value.fset))]
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value) if self._is_read(value) else _named(value)
        if hasattr(value, "__wrapped__"):
            return ["wrapped", name_of(type(value)), self.read(value.__wrapped__)]
        return self._object(value)

    def _is_read(self, code: object) -> bool:
        """Whether code is part of the user's program; of a library, only what was given itself."""
        return _is_program(_module_of(code)) or code is self.top or code is type(self.top)

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        changes = changed_by(code)
        around = {name: one for name, one in _around(function) if _is_relevant(name) and _stays(name, one, *changes)}
        if not self._is_read(function):
            # What a library's function does is in its name, but for what it was made with.
            return [*_named(function), self.read({name: around[name] for name in code.co_freevars if name in around})]
        return [
            "function", name_of(function), text_of(function), self.read(function.__defaults__),
            self.read(function.__kwdefaults__), self.read(around),
        ]  # fmt: skip

    def _class(self, kind: type) -> Any:
        aside = _ASIDE if kind is type(self.top) else frozenset[str]()
        own = {
            name: one for name, one in vars(kind).items() if name not in aside and (_is_relevant(name) or _is_code(one))
        }
        return ["class", name_of(kind), [self.read(base) for base in _bases(kind)], self.read(own)]

    def _object(self, value: object) -> Any:
        """Return the class of an object and what it holds that its own methods do not change."""
        kind = type(value)
        if isinstance(value, BaseException):
            return ["error", name_of(kind), self.read(value.args)]
        if isinstance(value, re.Pattern):
            return ["pattern", self.read(value.pattern), value.flags]
        members = getattr(value, "__dict__", {})
        if value is not self.top and hasattr(value, "reply") and ("capabilities" in members or "script" in members):
            known = None if "script" in members else members.get("capabilities")
            source = known.source if isinstance(known, Capabilities) else ""
            return ["model", str(members.get("name", "")), source or "", self.read(members.get("script"))]
        is_record = isinstance(value, msgspec.Struct) or hasattr(kind, "__dataclass_fields__")
        if not is_record and not self._is_read(kind):
            plain = kind.__module__ in sys.stdlib_module_names - {"itertools"} and " at 0x" not in repr(value)
            return [*_named(kind), repr(value) if plain else ""]
        assigned, changed = _changed_by(kind)
        assigned |= _ASIDE if value is self.top else set()
        kept = {name: one for name, one in _held(value) if _is_relevant(name) and _stays(name, one, assigned, changed)}
        return ["object", self.read(kind), self.read(kept)]


def _bases(kind: type) -> tuple[type, ...]:
    """Return what a class derives from; our own class for a user's models says nothing of what one does."""
    return tuple(object if base is CustomModel else base for base in kind.__bases__)


def _is_relevant(name: str) -> bool:
    return name != "version" and not _SECRET.search(name) and not name.startswith("__")


def _is_code(value: object) -> bool:
    return isinstance(value, types.FunctionType | staticmethod | classmethod | property)


def _module_of(thing: object) -> str:
    """Return the module in which a function was written, whatever it was wrapped to look like, or an object's class."""
    if isinstance(thing, types.FunctionType):
        return str(thing.__globals__.get("__name__", ""))
    return str((thing if isinstance(thing, type) else type(thing)).__module__)


def _named(code: types.FunctionType | type) -> list[str]:
    return ["library", code.__module__ or "", code.__qualname__]


_PLUGINS: set[str] = set()


def read_package(name: str) -> None:
    """Read the code of an installed package too, as if it were the user's program: a plugin is known by its code."""
    _PLUGINS.add(name)
    _is_program.cache_clear()


@functools.cache
def _is_program(module: str) -> bool:
    """Whether a module is neither ours, nor Python's, nor installed, unless as a plugin."""
    if module.partition(".")[0] in _PLUGINS:
        return True
    if module.partition(".")[0] == "stepdown":
        return False
    if module.partition(".")[0] in sys.stdlib_module_names:
        return module == "__main__"
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or not str(Path(file).resolve()).startswith(_LIBRARIES)


def _held(value: object) -> Iterator[tuple[str, object]]:
    names = [*getattr(type(value), "__struct_fields__", ()), *getattr(value, "__dict__", ())]
    slots = [name for kind in type(value).__mro__ for name in _slots(kind)]
    for name in dict.fromkeys([*names, *slots]):
        try:
            yield name, getattr(value, name)
        except AttributeError:
            continue


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _changed_by(kind: type) -> tuple[set[str], set[str]]:
    """Return the attributes that a class's methods assign after its making, and those whose contents they change."""
    assigned, changed = set[str](), set[str]()
    for name, one in (
        pair for parent in kind.__mro__ if _is_program(parent.__module__) for pair in vars(parent).items()
    ):
        function = inspect.unwrap(getattr(one, "__func__", one)) if callable(one) or _is_code(one) else None
        if isinstance(function, types.FunctionType) and name not in {"__init__", "__new__", "__post_init__"}:
            own = changed_by(function.__code__, "STORE_ATTR")
            assigned, changed = assigned | own[0], changed | own[1]
    return assigned, changed


def changed_by(code: types.CodeType, *operations: str) -> tuple[set[str], set[str]]:
    """Return the outer names (or attributes) that code assigns, and the names whose contents it changes."""
    wanted, assigned, changed = operations or ("STORE_GLOBAL", "STORE_DEREF"), set[str](), set[str]()
    for one in _codes(code):
        steps = list(dis.get_instructions(one))
        assigned |= {str(step.argval) for step in steps if step.opname in wanted}
        called = pairwise(steps)
        changed |= {str(before.argval) for before, step in called if step.argval in _CHANGING}
        items = {_line(step) for step in steps if step.opname in {"STORE_SUBSCR", "DELETE_SUBSCR"}}
        changed |= {str(step.argval) for step in steps if step.opname.startswith("LOAD_") and _line(step) in items}
    return assigned, changed


def _line(step: dis.Instruction) -> int | None:
    return step.positions.lineno if step.positions else None


def _stays(name: str, value: object, assigned: set[str], changed: set[str]) -> bool:
    """Whether code that assigns and changes these leaves a name as it is."""
    return name not in assigned and not (name in changed and isinstance(value, list | dict | set))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Give a code object and those inside it."""
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _around(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """Give what a function reads from around itself, by name, modules of the program by their parts."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    names = sorted({name for one in _codes(function.__code__) for name in one.co_names})
    for name in names:
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        if not isinstance(value, types.ModuleType):
            yield name, value
        elif _is_program(value.__name__):
            yield from ((f"{name}.{part}", getattr(value, part)) for part in names if hasattr(value, part))


# -- source text


def text_of(function: Callable[..., object]) -> str:
    """Return a function's source text; where there is none, or another one since it was loaded, its code as text."""
    code = function.__code__
    try:
        lines, _ = inspect.findsource(code)
        whole = "".join(lines)
        text = _segment(whole, code) if _is_of(code, whole) else ""
    except (OSError, SyntaxError, ValueError, TypeError, IndexError):
        text = ""
    return text or repr(_bytes(code))


def _bytes(code: types.CodeType) -> Any:
    consts = [_bytes(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), consts, code.co_names, code.co_varnames, code.co_freevars]


@functools.lru_cache(maxsize=64)
def _compiled(whole: str, name: str) -> tuple[types.CodeType, ...]:
    return tuple(_codes(compile(whole, name, "exec", dont_inherit=True)))


def _is_of(code: types.CodeType, whole: str) -> bool:
    """Whether a text is what code was compiled from, as far as that can be told."""
    try:
        return code in _compiled(whole, code.co_filename)
    except SyntaxError:  # a notebook's cell with a line of its own kind
        return True


@functools.lru_cache(maxsize=64)
def _tree(whole: str) -> ast.Module:
    return ast.parse(whole)


def _segment(whole: str, code: types.CodeType) -> str:
    """Return the part of a text that a function was made from: of several lambdas in a line the one at its place."""
    here = [node for node in ast.walk(_tree(whole)) if _first_line(node) == code.co_firstlineno]
    if code.co_name == "<lambda>":
        columns = [one[2] for one in code.co_positions() if one[0] == code.co_firstlineno and one[2]]
        lambdas = [node for node in here if isinstance(node, ast.Lambda)]
        inside = [node for node in lambdas if not columns or _covers(node, max(columns))]
        node: ast.AST | None = min(inside or lambdas, key=lambda one: one.end_col_offset or 0, default=None)
    else:
        node = next((node for node in here if not isinstance(node, ast.Lambda)), None)
    return ast.get_source_segment(whole, node) or "" if node is not None else ""


def _first_line(node: ast.AST) -> int:
    if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.lineno if isinstance(node, ast.Lambda) or not node.decorator_list else node.decorator_list[0].lineno
    return -1


def _covers(node: ast.Lambda, column: int) -> bool:
    ends_here = node.end_lineno == node.lineno
    return node.col_offset <= column and (not ends_here or column < (node.end_col_offset or 0))
