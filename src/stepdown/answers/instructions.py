"""What of a plan's text is no part of the way itself: its own numbers, and words that forbid to solve."""

import re
from collections.abc import Iterator

# Stands where a step of a plan begins, in the place of the step's own number.
MARK = "\x01"
# A list's own numbers ("3.", "**Step 3:**", "- Prompt 3:") and mentions of steps ("steps 2 and 3") are no values.
ENUMERATOR = re.compile(
    r"^[ \t]{0,40}(?:[#>*•+-]{1,6}[ \t]{0,4}){0,4}(?:(?:step|part|prompt|question|instruction)s?[ \t]{0,4}#?[ \t]{0,4}"
    r"\d{1,3}\b[.):]?|\d{1,3}[.):](?!\d))",
    re.IGNORECASE | re.MULTILINE,
)
MENTION = re.compile(
    r"\b(?:steps?|parts?|prompts?|questions?|equations?|lines?)[ \t]{0,4}#?\d{1,3}"
    r"(?:[ \t]{0,4}(?:,|and|or|to|through|-|–|&)[ \t]{0,4}#?\d{1,3}\b){0,9}",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_FORBIDS = re.compile(
    r"\b(?:not|\w{2,6}n['’]t|never|avoid|no)\b[^.,!?\n;:]{0,40}\bsolv(?:e|es|ing)\b"
    r"|\b(?:do not|don['’]t) (?:yet )?(?:calculate|compute)\b",
    re.IGNORECASE,
)
_WITHOUT = re.compile(
    r"\b(?:without|instead of|rather than)\b[^.,!?\n;:]{0,40}\b(?:solving|calculating|computing)\b", re.IGNORECASE
)
# "These prompts guide a student ... without solving it" describes the plan and tells the student nothing.
_DESCRIBES = re.compile(r"\b(?:prompts?|steps)\b[^.!?\n]{0,30}\b(?:guide|help)\b", re.IGNORECASE)
# What a sentence that was taken out may leave of its line: a bullet, a number, bold marks, a bracket.
_LEFT = re.compile(r"[\s>#*_•+()\[\]\"'“”-]*(?:\d{1,3}[.):])?[\s*_()\[\]\"'“”:-]*")


def bare(plan: str) -> str:
    """Return a plan's text without its list numbers and mentions of steps, so that its numbers are values."""
    return MENTION.sub(" ", ENUMERATOR.sub(" ", plan))


def forbidding(text: str) -> Iterator[str]:
    """Stream the sentences that tell the student not to solve."""
    shown = text.lower()
    if text.isascii() and not any(word in shown for word in ("solv", "calculat", "comput")):
        return
    yield from (match[0] for match in _SENTENCE.finditer(text) if _forbids(match[0]))


def without_forbidding(text: str) -> str:
    """Return a text without the sentences that `forbidding` finds, and without lines of which nothing is left."""
    lines = []
    for line in text.splitlines():
        kept = _SENTENCE.sub(lambda match: "" if _forbids(match[0]) else match[0], line)
        if kept == line or not _LEFT.fullmatch(kept):
            lines.append(kept.rstrip() if kept != line else line)
    return "\n".join(lines)


def _forbids(sentence: str) -> bool:
    if _FORBIDS.search(sentence):
        return True
    return _WITHOUT.search(sentence) is not None and _DESCRIBES.search(sentence) is None
