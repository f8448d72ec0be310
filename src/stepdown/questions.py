"""Questions compared by what they ask, whatever they are called: words without case, blanks and punctuation, hashed."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from stepdown.errors import UsageError
from stepdown.types import Problem

# Eight bytes each, sorted: the questions that a folder's corpus holds, or that a student's lessons met.
FILE = "questions.bin"
Keys = frozenset[int]
NONE: Keys = frozenset()
_SIZE = 8
# A question of fewer words, such as "Which is true?", asks something else with other choices.
_SHORT = 8
_MOST_BYTES = 800_000_000
# A minus parts numbers and letters that stand alone; between words it is a hyphen.
_WORD = re.compile(r"\d+(?:[.:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|[+/=<>^%×÷]|(?<!\*)\*(?!\*)|-(?=\s?(?:\d|[^\W\d_]\b))")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LAYOUT = re.compile(r"\\(?:left|right|displaystyle|[!,;: ()\[\]$])")
_DASHES = str.maketrans({"−": "-", "–": "-", "—": " ", "‐": "-", "‑": "-", "’": "'", "‘": "'"})


def words(text: str) -> list[str]:
    """Return a text's words as a question is compared by: case, blanks, punctuation and typography do not count.

    Numbers and the signs of arithmetic do: `1,000` is `1000`, `x-2` is not `x+2`, `5-year-old` is `5 year old`.
    """
    plain = unicodedata.normalize("NFKC", _LAYOUT.sub(" ", text)).translate(_DASHES).casefold()
    return _WORD.findall(_GROUPED.sub("", re.sub(r"(?<=\w)-(?=[^\W\d_]{2})", " ", plain)))


def key(problem: Problem) -> int:
    """Return 64 bits that stand for what a problem asks; a short question counts with its choices, in any order."""
    return question_key(problem.question, problem.choices)


def question_key(question: str, choices: Sequence[str] = ()) -> int:
    """Return the key of a question that is no problem (yet), such as a demonstration's."""
    text = words(question)
    if len(text) < _SHORT:
        text = [*text, *sorted(" ".join(words(choice)) for choice in choices)]
    return int.from_bytes(blake2b(" ".join(text).encode(errors="replace"), digest_size=_SIZE).digest(), "big")


def pairing_key(problem: Problem) -> int:
    """Return the 56 bits by which a problem of one run is paired with that of another: its question, letter by letter.

    Blanks do not count; its choices do.
    """
    asked = " ".join("\n".join((problem.question, *problem.choices)).split())
    return int.from_bytes(blake2b(asked.encode(errors="surrogatepass"), digest_size=7).digest())


def keys_of(problems: Iterable[Problem]) -> Keys:
    """Return what stands for each of some questions."""
    return frozenset(map(key, problems))


def write_keys(path: Path, keys: Iterable[int]) -> int:
    """Write keys, sorted, eight bytes each, and return their number."""
    ordered = sorted(set(keys))
    path.write_bytes(b"".join(one.to_bytes(_SIZE, "big") for one in ordered))
    return len(ordered)


def read_keys(path: Path) -> Keys | None:
    """Return the keys of a file, None where there is none; raise `UsageError` for a file that is none of keys."""
    try:
        size = path.stat().st_size
        if size % _SIZE or size > _MOST_BYTES:
            raise UsageError(f"`{path}` is cut off or no file of questions", "copy the folder again, whole")
        body = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read `{path}`: {error.strerror}", "copy the folder again, whole") from error
    return frozenset(int.from_bytes(body[at : at + _SIZE], "big") for at in range(0, len(body), _SIZE))
