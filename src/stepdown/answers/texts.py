"""Words as answers: one spelling for texts that say the same, and which words a text concludes with."""

import re

from stepdown.answers.unwrapping import plain_signs, unwrapped_span

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = re.compile(r"[^\w\s%$./-]|(?<!\d)\.|\.(?!\d)|(?<!\w)-|-(?!\w)|_")
_ANSWER = re.compile(
    r"(?:\#{4}|\b(?:final answer|the (?:correct )?answer|correct answer|answer)\s*(?:is|are|:|=)(?:\s*:)?)[\s*_:]*",
    re.IGNORECASE,
)
_TAIL = 12_000
_YES = r"(?P<said>yes|no|true|false)"
_YES_NO = re.compile(
    rf"[\"'*_(]{{0,4}}{_YES}\b(?!\s+or\b)(?=[\"'*_)]{{0,4}}(?:\s*[,.;:!\n-]|\s+(?:because|since|as|it|the)\b|\s*\Z))",
    re.I,
)
_OPENING = re.compile(rf"\W*{_YES}\b(?!\s+or\b)(?=[\"'*_)]{{0,4}}(?:\s*[,.;:!\n-]|\s*\Z))", re.IGNORECASE)
# `So no, ...`, `Therefore, yes.`, a line or sentence at the end that says only this.
_STATED = re.compile(
    rf"\b(?:so|therefore|thus|hence|conclusion:?|finally),?\s+{_YES}(?=[\"'*_)]{{0,4}}(?:\s*[,.;:!\n]|\s*\Z))",
    re.IGNORECASE,
)


def plain_text(text: str) -> str:
    """Return text casefolded, without articles, punctuation or superfluous spaces; doing it again changes nothing.

    Articles that are all there is are kept: `A` is an answer.
    """
    text = " ".join(_MARKS.sub(" ", text.casefold()).split())
    return " ".join(_ARTICLES.sub(" ", text).split()) or text


def final_line(text: str) -> tuple[int, int] | None:
    """Return the span of what follows the last `Answer:`, `The answer is`, `####`; None where there is no such line.

    The span ends with its line; where that line says nothing, it is the next line that does.
    """
    last = None
    for last in _ANSWER.finditer(text):  # noqa: B007
        pass
    if last is None:
        return None
    start = last.end()
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    return (start, end) if text[start:end].strip(" *_.:") else None


def text_held(text: str) -> tuple[int, int] | None:
    """Return the span of the words that a mark holds; of `Yes, it is.` the yes."""
    plain = plain_signs(text)
    start, end = unwrapped_span(plain, 0, len(plain))
    if start >= end:
        return None
    head = _YES_NO.match(plain, start, end)
    return head.span("said") if head else (start, end)


def text_closing(text: str) -> tuple[int, int] | None:
    """Return the span of the words a text without marks concludes with.

    It is a yes or no that a sentence opens or states, the last that does; else what the last sentence says is so.
    """
    tail = max(0, len(text) - _TAIL)
    plain = plain_signs(text)
    stated = [match.span("said") for match in _STATED.finditer(plain, tail)]
    if stated:
        return stated[-1]
    opening = _OPENING.match(plain, 0, _TAIL)
    if opening is not None:
        return opening.span("said")
    end = len(plain.rstrip())
    begin = _sentence(plain, max(0, end - _TAIL), end)
    copula = plain.rfind(" is ", begin, end)
    start = copula + 4 if copula >= 0 else begin
    start, end = unwrapped_span(plain, start, end)
    return (start, end) if start < end else None


def _sentence(text: str, begin: int, end: int) -> int:
    """Return where the last sentence of `text[begin:end]` begins."""
    line, stop = text.rfind("\n", begin, end), text.rfind(". ", begin, max(begin, end - 1))
    return max(begin, line + 1 if line >= 0 else begin, stop + 2 if stop >= 0 else begin)
