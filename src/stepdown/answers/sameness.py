"""Whether two answers of a kind are equal, where that is cheap to say."""

from collections.abc import Hashable

from stepdown.answers.equality import same_expression
from stepdown.answers.numbers_in_text import number
from stepdown.answers.texts import plain_text
from stepdown.types import Kind


def same(kind: Kind, one: str, other: str) -> bool | None:
    """Tell whether two answers are equal, or None where only a computer algebra system could say."""
    if kind == "expression":
        return same_expression(one, other)
    return stands_for(kind, one) is not None and stands_for(kind, one) == stands_for(kind, other)


def stands_for(kind: Kind, answer: str) -> Hashable:
    """Return what all answers equal to this one have in common: a number, a letter, plain words.

    None where it cannot be read, and for an expression, of which only two can be compared.
    """
    if kind == "number":
        return number(answer)
    if kind == "choice":
        return answer.strip(" ().").casefold()
    return plain_text(answer) or None if kind == "text" else None
