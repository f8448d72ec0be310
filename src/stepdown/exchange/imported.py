"""What a file of traces is read into: traces at their places, and the log of another harness as a whole."""

import re
from collections.abc import Callable, Iterator

import msgspec

from stepdown.exchange.jsonl_runs import EditLine
from stepdown.store import Annotation, DecidedReview
from stepdown.types import Grade, Settings, Trace, Verdict

_STRANGE = re.compile(r"[^\w.:+-]+")
_LONGEST = 80  # characters of a name of theirs
_SHOWN = 300  # characters of an answer or a reason of theirs


class ImportedTrace(msgspec.Struct, frozen=True):
    """One trace of a file at its place in the run, with the grades it gives, of which `grader` made the current one.

    `extra` is what the file says beyond the trace; `remarks`, `edits` and `review` are what people added.
    """

    ordinal: int
    trace: Trace
    grader: str = ""
    grades: tuple[Grade, ...] = ()
    extra: bytes | None = None
    remarks: tuple[Annotation, ...] = ()
    edits: tuple[EditLine, ...] = ()
    review: DecidedReview | None = None


class ForeignLog(msgspec.Struct, frozen=True):
    """A log of another harness: its settings but for the problems, and a function that streams its traces anew."""

    settings: Settings
    traces: Callable[[], Iterator[ImportedTrace]]


def plain_name(text: str) -> str:
    """Return a name of theirs as one that can be typed: letters, digits, `.`, `:`, `+`, `-` and `_`."""
    return _STRANGE.sub("-", text[:_LONGEST]).strip("-") or "unknown"


def their_grade(grader: str, value: object, *, found: str | None = None, why: str = "") -> Grade:
    """Return a score of theirs as a grade: 1, true and `C` are right, 0, false and `I` wrong, any other ungraded."""
    verdict: Verdict = "ungraded"
    if isinstance(value, bool | int | float | str):
        verdict = _VERDICTS.get(str(value).removesuffix(".0").casefold(), "ungraded")
    reason = f"{why[:_SHOWN]} " if why else ""
    why = f"{reason}(its score: {str(value)[:40]})"
    return Grade(verdict, None if found is None else found[:_SHOWN], why, grader)


_VERDICTS: dict[str, Verdict] = {
    "1": "right", "true": "right", "c": "right", "0": "wrong", "false": "wrong", "i": "wrong",
}  # fmt: skip
