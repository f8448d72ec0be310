"""Numbers spelled in words: English to the trillions, with halves and thirds, and Chinese and Japanese numerals."""

import re
from collections.abc import Iterator
from fractions import Fraction

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
         "ninety": 90}  # fmt: skip
_VALUES = {word: value for value, word in enumerate(_ONES)} | _TENS
SCALES = {
    "hundred": 10**2, "thousand": 10**3, "lakh": 10**5, "million": 10**6, "crore": 10**7, "billion": 10**9,
    "trillion": 10**12, "百": 10**2, "千": 10**3, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8,
}  # fmt: skip
_SHARES = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_WORD = "|".join(sorted([*_VALUES, *(scale for scale in SCALES if scale.isascii())], key=len, reverse=True))
_SHARE = "|".join(sorted(_SHARES, key=len, reverse=True))
_RUN = re.compile(
    rf"(?i:(?<![A-Za-z'])(?:(?:minus|negative)[ ])?(?:an?[ ](?=hundred|thousand|million|billion|{_SHARE}))?"
    rf"(?:{_WORD}|{_SHARE})(?![A-Za-rt-z])"
    rf"(?:(?:[ ]and[ ]an?[ ]|[ ]and[ ]|-and-|[ ]?-[ ]?|[ ])(?:{_WORD}|{_SHARE}|point)s?(?![A-Za-z]))*s?(?![A-Za-z]))"
)
_PART = re.compile(r"[A-Za-z]+")
_NAMES = frozenset({*_VALUES, *SCALES, *_SHARES})
_SPELLED = _NAMES | {f"{name}s" for name in _NAMES}
_FIRST = _SPELLED | {"minus", "negative", "a", "an"}
_ORDINAL = re.compile(r"-(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)(?![A-Za-z])", re.IGNORECASE)

Worded = tuple[Fraction, int, int]


class _Spelling:
    """A spelled number while its words come in: the closed thousands, and the open group under a thousand."""

    def __init__(self, start: int, sign: int = 1) -> None:
        self.start = self.end = start
        self.sign, self.total, self.group, self.scale = sign, 0, 0, 10**15
        self.share, self.digits = Fraction(0), ""
        self.begun = self.scaled = self.tens = False

    @property
    def value(self) -> Fraction:
        """What the words so far are worth."""
        places = Fraction(int(self.digits), 10 ** len(self.digits)) if self.digits else 0
        return self.sign * (self.total + self.group + self.share + places)

    def takes(self, word: str, joined: bool) -> bool:
        """Take a next word of a whole number, or refuse it: then another number begins; `joined` by `and`."""
        if self.share or (joined and not self.scaled):
            return False
        if word in SCALES:
            return self._scaled(SCALES[word])
        value = _VALUES[word]
        fits = self.group % 100 == 0 or (self.tens and 0 < value < 10)
        if fits and (value or not self.begun):
            self.group, self.begun, self.scaled, self.tens = self.group + value, True, False, word in _TENS
            return True
        return False

    def shares(self, word: str, joined: bool, article: bool) -> bool:
        """Take a share, as in `two thirds`, `a quarter` and `three and a half`, or refuse it."""
        plural = word not in _SHARES or word == "halves"
        parts = _SHARES.get(word) or _SHARES.get(word[:-1], 0)
        if self.share or not parts:
            return False
        if not self.begun or joined:
            self.share, self.begun = Fraction(1, parts), article or word == "half"
            return self.begun
        if self.total or not 0 < self.group < 20 or plural != (self.group > 1):
            return False
        self.share, self.group = Fraction(self.group, parts), 0
        return True

    def _scaled(self, scale: int) -> bool:
        if scale == 100:
            fits = self.group < 100 and (self.group > 0 or not self.begun)
            self.group = max(1, self.group) * 100 if fits else self.group
        else:
            fits = scale < self.scale and (self.group > 0 or not self.begun)
            if fits:
                self.total, self.group, self.scale = self.total + max(1, self.group) * scale, 0, scale
        if fits:
            self.begun, self.scaled, self.tens = True, True, False
        return fits


def worded(text: str) -> list[Worded]:
    """Return the numbers spelled in English words, each with its first place and the one after its last."""
    # Most texts have none of these words, one of which every run holds.
    if _SPELLED.isdisjoint(map(str.lower, _PART.findall(text))):
        return []
    return [one for run in _runs(text) for one in _mixed(text, _spelled(text, run))]


def _runs(text: str) -> Iterator[re.Match[str]]:
    """Yield the runs of such words: trying each word that may begin one is faster than trying every place."""
    end = 0
    for match in _PART.finditer(text):
        if match.start() < end or match[0].lower() not in _FIRST:
            continue
        if run := _RUN.match(text, match.start()):
            end = run.end()
            yield run


def _spelled(text: str, run: re.Match[str]) -> list[Worded]:
    words_read: list[Worded] = []
    one, joined, article, point = _Spelling(run.start()), False, False, False
    for match in _PART.finditer(text, run.start(), run.end()):
        word = match[0].lower()
        if word in ("minus", "negative"):
            one.sign = -1
        elif word in ("a", "an"):
            article = True
        elif word == "and":
            joined = True
        elif word == "point":
            point = True
        elif point and 0 <= _VALUES.get(word, -1) < 10:
            one.digits, one.end = one.digits + str(_VALUES[word]), match.end()
        else:
            whole = word in _VALUES or word in SCALES
            if not (one.takes(word, joined) if whole else one.shares(word, joined, article)):
                # What a share was refused to is an ordinal, such as `twenty fifth`.
                words_read += [(one.value, one.start, one.end)] if one.begun and whole else []
                one = _Spelling(match.start())
                one.begun = whole and one.takes(word, False)
            one.end, joined, article, point = match.end(), False, False, False
    ordinal = _ORDINAL.match(text, one.end)
    return [*words_read, (one.value, one.start, one.end)] if one.begun and not ordinal else words_read


def _mixed(text: str, words_read: list[Worded]) -> list[Worded]:
    """Add up `three and three quarters`."""
    out: list[Worded] = []
    for one in words_read:
        last = out[-1] if out else None
        if last and 0 < one[0] < 1 and last[0].denominator == 1 and text[last[2] : one[1]] == " and ":
            out[-1] = (last[0] + one[0], last[1], one[2])
        else:
            out.append(one)
    return out


_HAN_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN = re.compile("[零一二三四五六七八九〇两兩十百千万萬亿億]{1,30}")


def han(text: str) -> Fraction | None:
    """Return the worth of a text that is a Chinese or Japanese numeral and nothing else: 42 of `四十二`."""
    if not _HAN.fullmatch(text):
        return None
    total = group = digit = 0
    for sign in text:
        if sign in _HAN_DIGITS:
            digit = digit * 10 + _HAN_DIGITS[sign] if digit and group == 0 else _HAN_DIGITS[sign]
        elif sign in _HAN_UNITS:
            group, digit = group + (digit or 1) * _HAN_UNITS[sign], 0
        else:
            total, group, digit = (total + group + digit) * SCALES[sign], 0, 0
    return Fraction(total + group + digit)
