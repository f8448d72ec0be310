"""What can go wrong, by whose fault; each message ends with a way out.

StepdownError
├── UsageError          the request cannot be right; nothing was sent           exit 2
│   ├── BadRow          a row of a data file: names file, line, column, what was expected
│   ├── UnknownName     a name that is not one of the known ones
│   └── MissingExtra    an optional dependency is not installed
├── CallFailed          one call failed for good: recorded as its problem's error
│   └── PromptTooLong   its prompt, or prompt and reply, do not fit the model's context
├── EndpointRefused     key, model or endpoint refused: every further call would fail too   exit 4
├── BudgetReached       the next call would go over the budget                 exit 3
├── BatchUnderWay       answers are waited for that a provider gives in its own time   exit 6
├── WorkerLost          every process that took a part of the work died of it   exit 5
├── Interrupted         a person or the system asked to stop                   exit 130
└── FileError           a file or the disk refuses, perhaps after calls were sent   exit 5
    └── StoreError      the store cannot be read or written
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

MOST_NAMES = 30


class StepdownError(Exception):
    """The base of every error a user can cause or meet: what happened, a blank line, and a hint with the way out.

    `option` is the option of the command line that is at fault, such as `--limit`; "" where it is none or not known.
    """

    exit_code = 2
    option = ""

    def __init__(self, what: str, hint: str = "", *, option: str = "") -> None:
        self.what, self.hint, self.option = what, hint, option
        super().__init__(f"{what}\n\nhint: {hint}" if hint else what)


@contextmanager
def blaming(option: str) -> Iterator[None]:
    """Say of the errors inside the `with` that an option of the command line is at fault, where they do not say so."""
    try:
        yield
    except StepdownError as error:
        error.option = error.option or option
        raise


class UsageError(StepdownError):
    """The request cannot be right; nothing was sent and nothing was written."""


class BadRow(UsageError):
    """A row of a data file is not what its format promises."""

    def __init__(self, file: object, line: int, column: str, expected: str, hint: str = "") -> None:
        self.file, self.line, self.column = str(file), line, column
        super().__init__(
            f"`{file}` line {line}, column `{column}`: expected {expected}",
            hint or "mend or remove the row; no call was made",
        )


class UnknownName(UsageError):
    """A name that is not one of the known ones."""

    def __init__(self, what: str, name: str, known: Iterable[str], *, more: str = "") -> None:
        known = sorted(set(known))
        close = closest(name, known)
        listed = ", ".join(f"`{one}`" for one in known[:MOST_NAMES]) + ("..." if len(known) > MOST_NAMES else "")
        hint = f"did you mean `{close[0]}`?" if close else f"known: {listed}" if known else "there are none yet"
        super().__init__(f"there is no {what} `{name}`", f"{hint}; {more}" if more else hint)


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the one known name that a wrong one most likely means, none where nothing is near."""
    plain = {one.casefold(): one for one in known}
    text = name.strip().casefold().replace("_", "-")
    if text in plain:
        return [plain[text]]
    close = get_close_matches(text, list(plain), n=1, cutoff=0.6 if len(text) > 3 else 0.5)
    begun = [one for one in plain if len(text) > 1 and one.startswith(text)]
    return [plain[one] for one in (begun if len(begun) == 1 else close)]


class MissingExtra(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs `{package}`: not installed",
            f"pip install 'stepdown[{extra}]'",
        )


class CallFailed(StepdownError):
    """One call failed for good: recorded as its problem's error, retried by the next same command."""

    exit_code = 1


class PromptTooLong(CallFailed):
    """One call's prompt, or prompt and reply, do not fit the model's context; it says nothing of the endpoint."""


class FormRefused(CallFailed):
    """The endpoint refuses the form of answer that a call asks for: `field` is `tools` or `response_format`."""

    def __init__(self, what: str, hint: str = "", *, field: str = "") -> None:
        super().__init__(what, hint)
        self.field = field


class EndpointRefused(StepdownError):
    """The endpoint refused the key, the model or everything; no further call can succeed."""

    exit_code = 4


class BudgetReached(StepdownError):
    """The next call could go over the budget; what was answered is kept."""

    exit_code = 3


class BatchUnderWay(StepdownError):
    """Answers are in a batch that a provider works on in its own time; what was answered is kept."""

    exit_code = 6


class Interrupted(StepdownError):
    """A person or the system asked to stop; what was answered is kept."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted", "everything answered is kept; the same command goes on from here")


class WorkerLost(StepdownError):
    """Every worker that took an item died of it: killed by the system, most likely for its memory."""

    exit_code = 5

    def __init__(self, item: str, times: int) -> None:
        super().__init__(
            f"the worker on `{item}` died `{times}` times",
            "the system kills what takes too much memory: give fewer --jobs, or make the parts smaller",
        )


class FileError(StepdownError):
    """A file cannot be read or written as asked, or the disk is full; what was answered before is kept."""

    exit_code = 5


class StoreError(FileError):
    """The store cannot be read or written as asked."""
