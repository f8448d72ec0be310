"""What stands around an answer and says nothing: emphasis, math marks, commands, tags, quotes, wide letters, escapes.

`plain_signs` and `sweep` are one to one, so that a place in what they return is the same place in the original;
`unwrapped` narrows a text to the answer that its wrapping holds. Every kind of answer is unwrapped here first.
"""

import re
import unicodedata

# An answer is short: longer texts are unwrapped at their ends only, and no deeper than this.
_LONGEST = 4_000
_DEEPEST = 16

# Superscripts and fractions are values of their own; letterlike symbols such as the reals' are names.
_KEPT = ("<super>", "<sub>", "<fraction>")
_LETTERLIKE = range(0x2100, 0x2150)


class _PlainSigns(dict[int, str]):
    """A table for `str.translate` that works out a sign when it first sees it."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain_sign(chr(code))
        return plain


def _plain_sign(sign: str) -> str:
    if sign == "\n":
        return sign
    if unicodedata.category(sign)[0] in "CZ":
        return " "
    digit = unicodedata.decimal(sign, None)
    if digit is not None:
        return str(digit)
    if ord(sign) in _LETTERLIKE or unicodedata.decomposition(sign).startswith(_KEPT):
        return sign
    folded = unicodedata.normalize("NFKC", sign)
    return folded if len(folded) == 1 and folded.isascii() else sign


_SIGNS = _PlainSigns()
_TYPOGRAPHY = _PlainSigns(
    {
        ord(sign): plain
        for sign, plain in {
            "−": "-", "–": "-", "‐": "-", "‑": "-", "﹣": "-", "×": "*", "⋅": "*", "·": "*", "∗": "*",
            "÷": "/", "∕": "/", "⁄": "/", "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
            "「": '"', "」": '"', "『": '"', "』": '"', "【": "[", "】": "]", "〔": "[", "〕": "]", "、": ",", "،": ",",
            "٬": ",", "٫": ".", "′": "'", "″": '"',
        }.items()
    }
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|[@-Z\\^_])")
# GSM8K's calculator notes, such as `<<9*2=18>>`.
_CALCULATED = re.compile(r"<<[^<>]{0,99}>>")
_MARKUP = re.compile(r"</?(?:b|i|u|em|strong|p|span|div|code|mark|sup|sub)(?:\s[^<>]{0,80})?>", re.IGNORECASE)
_DRAWING = re.compile(r"\[asy\](?:(?!\[asy\]).)*?\[/asy\]", re.DOTALL)
# Bold marks; `x**2` is a power.
_BOLD = re.compile(r"(?<![\w)])\*\*|\*\*(?![\w(])")


def plain_signs(text: str) -> str:
    """Return text with wide letters and every script's digits in ASCII, and terminal escapes and controls as blanks."""
    if text.isascii() and not _CONTROL.search(text):
        return text
    text = _ESCAPE.sub(_blank, text) if "\x1b" in text else text
    return text.translate(_SIGNS)


def sweep(text: str) -> str:
    """Return text with plain signs, dashes, quotes and operators, and its bold marks, tags and notes as blanks."""
    if not text.isascii() or _CONTROL.search(text):
        text = (_ESCAPE.sub(_blank, text) if "\x1b" in text else text).translate(_TYPOGRAPHY)
    text = _BOLD.sub("  ", text) if "**" in text else text
    text = text.replace("\\!", "  ")
    text = _MARKUP.sub(_blank, text) if "</" in text else text
    return _CALCULATED.sub(_blank, text) if "<<" in text else text


def undrawn(text: str) -> str:
    """Return text with its Asymptote drawings blanked out, every other character at its place."""
    return _DRAWING.sub(_blank, text) if "[/asy]" in text else text


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


_NAMES = r"(?:final[ _-]?)?(?:answer|ans|result|choice|value|output|response)|[biup]|em|strong|code|span|div|mark|tt"
_COMMAND = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|rm|it|sf|tt|normal)|mbox|boxed|fbox|emph|underline|bm|boldsymbol|"
    r"operatorname\*?|ensuremath)\s{0,3}\{"
)
_OPENING_TAG = re.compile(rf"<(?:{_NAMES})(?:\s[^<>]{{0,80}})?>", re.IGNORECASE)
_CLOSING_TAG = re.compile(rf"</(?:{_NAMES})\s?>\Z", re.IGNORECASE)
_PAIRS = (
    ("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]"), ("$", "$"), ("```", "```"), ("`", "`"), ("***", "***"),
    ("**", "**"), ("__", "__"), ("*", "*"), ("_", "_"), ('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("„", "“"),
    ("„", "”"), ("«", "»"), ("»", "«"), ("「", "」"), ("『", "』"), ("{", "}"),
)  # fmt: skip
_BRACKETS = (
    ("(", ")"), ("[", "]"), ("【", "】"), ("\\left(", "\\right)"), ("\\left[", "\\right]"), ("\\{", "\\}"),
)  # fmt: skip
# Left over at one end where the other was cut away with the words before it: `**Answer: 42**`.
_STRAY_START = ("\\)", "\\]", "***", "**", "__", "```", "`", "*", ":", "\\displaystyle", "\\,", "\\;", "\\ ")
_STRAY_END = (
    "\\(", "\\[", "***", "**", "__", "```", "`", "*", "\\,", "\\;", "\\!", "\\\\", "\\ ", ",", ";", ":", "。", "।",
)  # fmt: skip
_UNPAIRED_START = ("\\(", "\\[", '"', "“", "「", "『")
_UNPAIRED_END = ("\\)", "\\]", '"', "”", "」", "』", "$$", "$")
_CLOSERS = {")": "([", "]": "([", "}": "{"}
_FAREWELL = re.compile(
    r"(?:\s*(?:<\|[\w ]{0,30}\|>|</?s>|<eos>|<end_of_turn>|\[/?INST\]"
    r"|I hope (?:it|this|that) (?:is correct|helps)[.!]?))+\Z",
    re.IGNORECASE,
)


def unwrapped(text: str, *, brackets: bool = False) -> str:
    """Return what a text's wrapping holds, with plain signs: `42` of `**$42$.**`, `C` of `<answer>\\text{C}</answer>`.

    `brackets` also takes `(...)`, `[...]` and `\\{...\\}` for wrapping, which around an expression mean something.
    """
    text = plain_signs(text)
    start, end = unwrapped_span(text, 0, len(text), brackets=brackets)
    return text[start:end]


def unwrapped_span(text: str, start: int, end: int, *, brackets: bool = False) -> tuple[int, int]:
    """Return the first place and the one after the last of what the wrapping of `text[start:end]` holds."""
    pairs = _BRACKETS + _PAIRS if brackets else _PAIRS
    for _ in range(_DEEPEST):
        start, end = _bared(text, start, end)
        if farewell := _FAREWELL.search(text, max(start, end - 200), end):
            end = farewell.start()
            continue
        inner = _inner_span(text, start, end, pairs) if end - start <= _LONGEST else None
        inner = inner or _untagged(text, start, end) or _stray(text, start, end)
        if inner is None:
            break
        start, end = inner
    return start, end


def _bared(text: str, start: int, end: int) -> tuple[int, int]:
    """Drop blanks, and the full stop of an answer that is more than one."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and (text[end - 1].isspace() or (text[end - 1] == "." and not text.endswith("\\.", start, end))):
        end -= 1
    return start, end


def _inner_span(text: str, start: int, end: int, pairs: tuple[tuple[str, str], ...]) -> tuple[int, int] | None:
    """Return what one command or one pair of marks holds that spans the whole."""
    command = _COMMAND.match(text, start, end)
    if command is not None and text[end - 1] == "}" and _spans(text, command.end(), end - 1, "{", "}"):
        return command.end(), end - 1
    for opening, closing in pairs:
        inner, stop = start + len(opening), end - len(closing)
        if not (inner < stop and text.startswith(opening, start, end) and text.endswith(closing, start, end)):
            continue
        if opening == closing:
            if text.find(opening, inner, stop) < 0:
                return inner, stop
        elif _spans(text, inner, stop, opening, closing):
            return inner, stop
    return None


def _spans(text: str, start: int, end: int, opening: str, closing: str) -> bool:
    """Tell whether a pair opened before `start` stays open until `end`."""
    depth, one = 0, re.compile(f"{re.escape(opening)}|{re.escape(closing)}")
    for match in one.finditer(text, start, end):
        depth += 1 if match[0] == opening else -1
        if depth < 0:
            return False
    return depth == 0


def _untagged(text: str, start: int, end: int) -> tuple[int, int] | None:
    opening = _OPENING_TAG.match(text, start, end)
    closing = _CLOSING_TAG.search(text, max(start, end - 20), end)
    if opening is None and closing is None:
        return None
    start, end = (opening.end() if opening else start), (closing.start() if closing else end)
    return (start, end) if start < end else None


def _stray(text: str, start: int, end: int) -> tuple[int, int] | None:
    inside = text[start:end] if end - start <= _LONGEST else ""
    for mark in _STRAY_START + _UNPAIRED_START:
        if text.startswith(mark, start, end) and (mark in _STRAY_START or inside.count(mark) == 1):
            return start + len(mark), end
    for mark in _STRAY_END + _UNPAIRED_END:
        if text.endswith(mark, start, end) and (mark in _STRAY_END or inside.count(mark) == 1):
            return (start, end - len(mark)) if start < end - len(mark) else None
    last = text[end - 1 : end]
    if start < end - 1 and last in _CLOSERS and not any(one in inside for one in _CLOSERS[last]):
        return start, end - 1
    return None
