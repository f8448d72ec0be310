"""From the words before the cursor to those that may stand there."""

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stepdown.completion import words_here
from stepdown.completion.table import Makes, OptionWords, TypedWords, VerbWords, read_table

COMPLETE = "__complete"
_MOST = 1_000
_PLAIN = re.compile(r"[^\w@%+=:,./~-]")
_PROBLEM_FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".toml")


class Word(NamedTuple):
    """A word that may be put in, and what it is; one that is not `whole` goes on, as a folder does."""

    text: str
    about: str = ""

    @property
    def whole(self) -> bool:
        """Whether a blank follows."""
        return not self.text.endswith(("/", "="))


def complete(arguments: Sequence[str], make: Makes) -> int:
    """Write the words for a shell, a line each, and return 0; whatever is wrong, nothing is written."""
    try:
        shell, *words = arguments
        if shell == "bash":
            current, line = words
            lines = _for_bash(current, line, make)
        else:
            lines = [f"{word.text}\t{word.about}" for word in words_for(words[1:], make)]
        sys.stdout.write("".join(f"{line}\n" for line in lines if line.isprintable() or "\t" in line))
    except Exception:  # nobody wants a traceback in the middle of a line
        return 0
    return 0


def _for_bash(current: str, line: str, make: Makes) -> list[str]:
    """Return what takes the place of `current`, which is the part of the last word after its last `:` or `=`."""
    words = [*shlex.split(line), *([""] if line[-1:].isspace() else [])]
    before = len(words[-1]) - len(current) if words[-1].endswith(current) else 0
    found = words_for(words[1:], make)
    return [_PLAIN.sub(r"\\\g<0>", word.text[before:]) + " " * word.whole for word in found]


def words_for(words: Sequence[str], make: Makes) -> list[Word]:
    """Return what the last of these words, which may be empty, can become; the others stand after `stepdown`."""
    table, (*before, current) = read_table(make), words
    if not before:
        return _begun([Word(verb, about["help"]) for verb, about in table["verbs"].items()], current)
    if before[0] == "help":
        before = before[1:] or ["help"]
    if before[0] not in table["verbs"]:
        return []
    return _begun(_after(table, before, current), current)


def _after(table: TypedWords, before: Sequence[str], current: str) -> Iterator[Word]:
    """Stream what may follow a verb and these words."""
    verb, rest = table["verbs"][before[0]], list(before[1:])
    if rest and rest[0] in verb["commands"]:
        verb = verb["commands"][rest.pop(0)]
    placed, open_option, store = _read(verb, rest)
    name, equals, _ = current.partition("=")
    if open_option:
        yield from _values(table, open_option["takes"], current, store)
    elif equals and name in verb["options"]:
        taken = verb["options"][name]["takes"]
        inner = current.removeprefix(f"{name}=")
        yield from (Word(f"{name}={word.text}", word.about) for word in _values(table, taken, inner, store))
    elif current.startswith("-"):
        yield from (Word(option, about["help"]) for option, about in verb["options"].items())
    else:
        places = verb["places"]
        if not placed:
            yield from (Word(name, about["help"]) for name, about in verb["commands"].items())
        if placed < len(places) or (places and verb["many"]):
            yield from _values(table, places[min(placed, len(places) - 1)], current, store)


def _read(verb: VerbWords, words: Sequence[str]) -> tuple[int, OptionWords | None, str]:
    """Return how many places are taken, the option whose value comes next, and the store that is named."""
    placed, open_option, store = 0, None, ""
    for at, word in enumerate(words):
        if open_option is not None:
            store = word if words[at - 1] == "--store" else store
            open_option = None
        elif word.startswith("-") and word != "-":
            about = verb["options"].get(word)
            open_option = about if about and not about["flag"] else None
            store = word.removeprefix("--store=") if word.startswith("--store=") else store
        else:
            placed += 1
    return placed, open_option, store


def _values(table: TypedWords, kind: str, current: str, store: str) -> Iterator[Word]:
    """Stream the words of a kind; of a list with commas, for its last part."""
    done, comma, last = current.rpartition(",")
    for part in kind.split("|"):
        if part.endswith(","):
            yield from (Word(f"{done}{comma}{word.text}", word.about) for word in _of(table, part[:-1], last, store))
        else:
            yield from _of(table, part, current, store)


def _of(table: TypedWords, kind: str, current: str, store: str) -> Iterator[Word]:
    yield from (Word(value) for value in table["values"].get(kind, ()))
    if kind == "run":
        yield from (Word(*one) for one in words_here.runs(store))
    elif kind == "tag":
        yield from (Word(*one) for one in words_here.tags(store))
    elif kind in ("corpus", "student"):
        yield from (Word(*one) for one in words_here.folders(trained=kind == "student"))
        if "/" in current:
            yield from (Word(*one) for one in words_here.files(current) if one[0].endswith("/"))
    elif kind == "file":
        yield from (Word(*one) for one in words_here.files(current))
    elif kind == "problems":
        yield from (Word(*one) for one in words_here.files(current, *_PROBLEM_FILES))


def _begun(words: "Iterator[Word] | list[Word]", current: str) -> list[Word]:
    found = {word.text: word for word in words if word.text.startswith(current)}
    return list(found.values())[:_MOST]
