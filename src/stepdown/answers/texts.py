"""Words as answers: one spelling for texts that say the same, and which text a solution concludes with."""

import re

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = re.compile(r"[^\w\s%$./-]|(?<!\d)\.|\.(?!\d)|(?<!\w)-|-(?!\w)|_")
_ANSWER = re.compile(
    r"(?:\#{4}|\b(?:final answer|the (?:correct )?answer|correct answer|answer)\s*(?:is|are|:|=)(?:\s*:)?)[\s*_:]*",
    re.IGNORECASE,
)


def plain_text(text: str) -> str:
    """Return text casefolded, without articles, punctuation or superfluous spaces; doing it again changes nothing."""
    text = _MARKS.sub(" ", text.casefold())
    return " ".join(_ARTICLES.sub(" ", text).split())


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


def text_concluded(text: str) -> tuple[int, int] | None:
    """Return the span of the words a text concludes with: the final line, or what its last sentence says is so."""
    span = final_line(text) or _last_sentence(text)
    if span is None:
        return None
    start, end = span
    inner = text[start:end]
    start += len(inner) - len(inner.lstrip(" \t\n*_\"'`:("))
    end = start + len(text[start:end].rstrip(" \t\n*_\"'`.!)"))
    return (start, end) if start < end else None


def _last_sentence(text: str) -> tuple[int, int] | None:
    end = len(text.rstrip())
    begin = max(text.rfind("\n", 0, end), text.rfind(". ", 0, max(0, end - 1)) + 1) + 1 if end else 0
    copula = text.rfind(" is ", begin, end)
    start = copula + 4 if copula >= 0 else begin
    return (start, end) if start < end else None
