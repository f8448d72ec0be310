"""Whether two answers of a kind are equal, where that is cheap to say."""

from stepdown.answers.equality import same_expression
from stepdown.answers.numbers import number
from stepdown.answers.texts import plain_text
from stepdown.types import Kind


def same(kind: Kind, one: str, other: str) -> bool | None:
    """Tell whether two answers are equal, or None where only a computer algebra system could say."""
    if kind == "number":
        values = number(one), number(other)
        return values[0] is not None and values[0] == values[1]
    if kind == "expression":
        return same_expression(one, other)
    if kind == "choice":
        return one.strip(" ().").casefold() == other.strip(" ().").casefold()
    return plain_text(one) == plain_text(other) != ""
