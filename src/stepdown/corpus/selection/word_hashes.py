"""The words of many texts by their hashes: found by what each byte is, all at once, where an expression takes twice as
long and Python's own ten times.
"""

from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from stepdown.corpus.selection.filters import words
from stepdown.extras import load_numpy, load_polars

# What a byte is: none of a word's, of a letter or digit, what joins two of these, a sign, a star.
_LETTERS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\x04"
_JOINTS, _SIGNS, _STAR = b".,:", b"+/=<>^%-\x01\x02\x03", b"*"
# Signs of several bytes stand as one that no text has.
_WIDE = {"×": "\x01", "÷": "\x02", "−": "\x03"}
# Beyond these characters letters are not known by their bytes.
_OTHER = r"[^\x00\x05-\x7f“”‘’–—…×÷−→≤≥≈•]"
# Texts whose bytes are looked at at once, so that they stay in the processor's cache.
_TEXTS = 3_000
_ODD = 0x9E3779B97F4A7C15
_WORD = 8
# Bytes of a word from which on it is hashed by itself.
_LONG = 48


class _Tables(NamedTuple):
    kinds: Any
    lower: Any
    masks: Any


def hashed_words(texts: Any) -> tuple[Any, Any]:
    """Return the hash of every word of a series of texts, one text after the other, and how many each text has.

    They are the words that `filters.words` finds. Words of up to eight bytes never share a hash.
    """
    numpy, polars = load_numpy(), load_polars()
    other = texts.str.contains(_OTHER)
    if other.any():
        ours = polars.Series([" ".join(map(_ascii, words(one))) for one in texts.filter(other)], dtype=polars.String)
        texts = texts.scatter(other.arg_true(), ours)
    texts = texts.str.replace_many(list(_WIDE), list(_WIDE.values()))
    pieces = [_of_piece(texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS)]
    hashes, counts = zip(*pieces, strict=True) if pieces else ([numpy.zeros(0, numpy.uint64)], [numpy.zeros(0, int)])
    return numpy.concatenate(hashes), numpy.concatenate(counts)


def _ascii(word: str) -> str:
    """Return a word by letters that are known by their bytes, and by a mark that no text has where it has others."""
    return word if word.isascii() or word in _WIDE else f"\x04{word.encode().hex()}"


def _of_piece(texts: Any) -> tuple[Any, Any]:
    numpy, tables = load_numpy(), _tables()
    body = numpy.frombuffer(texts.str.join("\n")[0].encode(), numpy.uint8)
    # One more on each side, which is none of a word's.
    kinds = numpy.zeros(len(body) + 2, numpy.uint8)
    numpy.take(tables.kinds, body, out=kinds[1:-1])
    letter, star = kinds == 1, kinds == 4
    word = letter.copy()
    word[1:-1] |= (kinds[1:-1] == 2) & letter[:-2] & letter[2:]
    # Two stars and more make bold what is between them.
    sign = (kinds[1:-1] == 3) | (star[1:-1] & ~star[:-2] & ~star[2:])
    starts = numpy.flatnonzero((word[1:-1] & ~word[:-2]) | sign)
    ends = numpy.flatnonzero((word[1:-1] & ~word[2:]) | sign) + 1
    bounds = numpy.cumsum(texts.str.len_bytes().to_numpy().astype(numpy.int64) + 1)
    return _hash(body, starts, ends), numpy.diff(numpy.searchsorted(starts, bounds), prepend=0)


def _hash(body: Any, starts: Any, ends: Any) -> Any:
    """Hash pieces of some bytes, capitals as small letters, eight bytes at a time."""
    numpy, tables = load_numpy(), _tables()
    low = numpy.zeros(len(body) + _WORD, numpy.uint8)
    numpy.take(tables.lower, body, out=low[:-_WORD])
    eight = numpy.ndarray((len(body) + 1,), numpy.dtype("<u8"), low, 0, (1,))
    odd, half, left = numpy.uint64(_ODD), numpy.uint64(32), ends - starts
    found = (eight[starts] & tables.masks[numpy.minimum(left, _WORD)]) * odd
    longer = numpy.flatnonzero(left > _WORD)
    for step in range(_WORD, _LONG, _WORD):
        rest = left[longer] - step
        more = eight[starts[longer] + step] & tables.masks[numpy.minimum(rest, _WORD)]
        found[longer] = (found[longer] ^ (more + odd)) * odd
        found[longer] ^= found[longer] >> half
        longer = longer[rest > _WORD]
    for one in longer.tolist():
        digest = blake2b(low[starts[one] : ends[one]].tobytes(), digest_size=_WORD).digest()
        found[one] = int.from_bytes(digest, "big")
    return found


@cache
def _tables() -> _Tables:
    """Return what each byte is and which small letter, and the masks of so many bytes."""
    numpy = load_numpy()
    kinds, lower = numpy.zeros(256, numpy.uint8), numpy.arange(256, dtype=numpy.uint8)
    for kind, those in enumerate((_LETTERS, _JOINTS, _SIGNS, _STAR), 1):
        kinds[list(those)] = kind
    lower[ord("A") : ord("Z") + 1] += 32
    return _Tables(kinds, lower, numpy.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], numpy.uint64))
