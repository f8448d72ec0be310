"""Graders that a user wrote: their stored name says their code, so that changed code does not keep the old grades."""

import inspect
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.plugins import Found
from stepdown.types import Grade, Grader, Model, Problem
from stepdown.usercode import code_of, is_ours, source_of, version_of

_HINT = 'give it a name: `name = "mine"` in its class, or write it as a function with `def`'


class CustomGrader(msgspec.Struct, frozen=True):
    """A user's grader under its stored name: `mine@1f2e3d4c` by its code, `mine@2` by the `version` it declares."""

    name: str
    inner: Any

    async def __call__(self, problem: Problem, solution: str) -> Grade:
        """Return the grade under this name."""
        result = self.inner(problem, solution)
        grade = await result if inspect.isawaitable(result) else result
        if not isinstance(grade, Grade):
            raise UsageError(
                f"the grader `{self.name}` returned `{type(grade).__name__}`, not a `Grade`",
                'return `stepdown.Grade("right", found)`, or "wrong" or "ungraded"',
            )
        return msgspec.structs.replace(grade, grader=self.name)


def as_grader(found: Found) -> Grader:
    """Return a user's object as a grader: a function of a problem and a solution, or an object that is called so."""
    value = found.value() if isinstance(found.value, type) else found.value
    if not callable(value):
        raise found.refused("a function of a problem and a solution, or an object that is called so")
    return named(value, name=found.name)


def named(grader: Grader, *, name: str = "") -> Grader:
    """Return a grader under the name its grades are kept by; one of ours as it is.

    A function without a `name` is named by itself, or by the given one. Raises `UsageError` for a grader that has no
    name, and for the name of one of ours.
    """
    if isinstance(grader, CustomGrader) or (is_ours(grader) and not inspect.isfunction(grader)):
        return grader
    name, code = _name_of(grader, name), code_of(grader)
    plain, _, version = name.partition("@")
    if plain in OURS or name.startswith(("judge:", "rubric:")) or name.endswith("+person"):
        raise UsageError(f"`{name}` is a grader of stepdown's own", "give yours another name")
    if version_of(grader):
        return CustomGrader(f"{plain}@{code}", grader)
    return CustomGrader(f"{name}-{code}" if version else f"{plain}@{code}", grader)


OURS = frozenset(
    {"default", "numeric", "choice", "text", "expression", "strict", "lenient", "last-number", "box-first"}
)


def _name_of(grader: object, otherwise: str) -> str:
    given = getattr(grader, "name", None) or otherwise
    if isinstance(given, str) and given.strip():
        return given
    own = getattr(grader, "__name__", "")
    if not own or own == "<lambda>":
        raise UsageError(f"the grader `{grader!r}` has no name, so its grades could not be told from others'", _HINT)
    return str(own)


def judge_name(model: Model) -> str:
    """Return what a judge is called in a grader's name: of one that is no endpoint and no file also its code."""
    kind, _, code = source_of(model).partition("/")
    return model.name + (f"@{code}" if kind in {"scripted", "code", "version"} else "")
