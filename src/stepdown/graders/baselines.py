"""Two readings that other harnesses use, kept for comparison: the last number of a text, and its last box first."""

from stepdown.answers import Conclusion, boxed, conclusion, numbers, spelled
from stepdown.types import Kind

NUMERIC: frozenset[Kind] = frozenset({"number", "expression"})


def last_number(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return the last number of a text, whatever it is; the signature is that of `answers.conclusion`."""
    assert kind in NUMERIC, "other kinds have no number to read"
    values = numbers(text)
    if not values:
        return Conclusion(how="no number")
    last = values[-1]
    return Conclusion(spelled(last.value), (last.start, last.end), text[last.start : last.end])


def box_first(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return what the last box of a text holds, as its kind reads it; without a box, what the text concludes."""
    boxes = boxed(text)
    if not boxes:
        return conclusion(text, kind, choices, question=question)
    start, end = boxes[-1]
    inside = text[start:end]
    if kind == "expression":
        return Conclusion(inside, (start, end), inside[:80])
    read = conclusion(inside, kind, choices, question=question)
    where = read.where and (start + read.where[0], start + read.where[1])
    return Conclusion(read.found, where, read.how)
