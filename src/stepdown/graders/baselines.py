"""Two readings that other harnesses use, kept for comparison: the last number of a text, and its last box first."""

from stepdown.answers import Conclusion, boxed, conclusion, numbers, spelled
from stepdown.types import Kind

NUMERIC: frozenset[Kind] = frozenset({"number", "expression"})


def last_number(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return the last number of a text, whatever it is; the signature is that of `answers.conclusion`."""
    assert kind in NUMERIC, "other kinds have no number to read"
    found = numbers(text)
    if not found:
        return Conclusion(how="no number")
    last = found[-1]
    return Conclusion(spelled(last.value), (last.start, last.end), text[last.start : last.end])


def box_first(text: str, kind: Kind, choices: tuple[str, ...] = (), *, question: str = "") -> Conclusion:
    """Return what the last box of a text holds, as its kind reads it; without a box, what the text concludes."""
    boxes = boxed(text)
    if not boxes:
        return conclusion(text, kind, choices, question=question)
    start, end = boxes[-1]
    held = text[start:end]
    if kind == "expression":
        return Conclusion(held, (start, end), held[:80])
    found = conclusion(held, kind, choices, question=question)
    where = found.where and (start + found.where[0], start + found.where[1])
    return Conclusion(found.found, where, found.how)
