"""Which part of a reply answers this problem: what follows the thoughts, and ends where another problem begins."""

import re
from itertools import islice

from stepdown.answers.marks import ends_with_mark

_THOUGHT = re.compile(
    r"</(?:think|thinking|thought|thoughts|reasoning|scratchpad)>|<\|channel\|>final<\|message\|>", re.I
)
# What no answer holds: the end of a turn, or the begin of another.
_TURN = re.compile(
    r"<\|(?:im_start|im_end|eot_id|end|endoftext|start_header_id|user|assistant|end_of_text|eom_id|return)\|>"
    r"|</s>|<eos>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<<SYS>>"
)
_PROBLEM = re.compile(
    r"^[ \t>*_]{0,6}(?:\#{1,6}[ \t]{0,3})?[*_]{0,3}"
    r"(?P<label>(?:(?:another|next|new|similar|the next)\s)?(?:question|problem|exercise|example|instruction|human|user"
    r"|q|input|pregunta|frage|domanda|pergunta|问题|問題|質問|例题|题目)"
    r"(?P<number>[ \t]?\#?\d{1,3})?)[*_]{0,3}[ \t]?(?:[:：]|\.[ \t]|[ \t]?[*_]{0,3}$)",
    re.IGNORECASE | re.MULTILINE,
)

_LONGEST_LEAD = 500
_MOST = 40
_LEAD_IN = re.compile(
    r"\s*(?:[^\n\d]{0,300}?\b(?:let's|let us|let me|here(?:'s| is| are)|i'll|i will|we'll|we will|sure|okay"
    r"|of course|certainly|"
    r"step[- ]by[- ]step|solution|given)\b[^\n]{0,300})?\s*",
    re.IGNORECASE,
)


def own(text: str, question: str = "") -> tuple[int, int]:
    """Return where a reply's own answer begins and ends.

    A reply that opens with such a label itself works in questions of its own, unless it repeats the question.
    """
    begin = 0
    for match in _THOUGHT.finditer(text):
        if text[match.end() : match.end() + 2000].strip():
            begin = match.end()
    end = _turned(text, begin)
    repeats = False
    numbered = False
    for match in islice(_PROBLEM.finditer(text, begin, end), _MOST):
        if _LEAD_IN.fullmatch(text[begin : match.start()][:_LONGEST_LEAD]):
            head = " ".join(question.split()[:4])
            repeats = bool(head) and head in " ".join(text[match.end() : match.end() + 200].split())
            if not repeats:
                return begin, end
        elif match["number"] and (numbered or match["label"].lower() in question.lower()):
            continue
        elif repeats or _finished(text, begin, match):
            return begin, match.start()
        numbered = numbered or bool(match["number"])
    return begin, end


def _turned(text: str, begin: int) -> int:
    if "<" not in text and "[" not in text:
        return len(text)
    for match in _TURN.finditer(text, begin):
        if not text[begin : match.start()].isspace() and match.start() > begin:
            return match.start()
    return len(text)


def _finished(text: str, begin: int, match: re.Match[str]) -> bool:
    """Tell whether what stands before another problem is an answer: it has a mark, or a blank line ends it."""
    asks = "#" in match[0] and match["label"].lower() in ("instruction", "human", "user", "input")
    apart = text[begin : match.start()].endswith("\n\n") and not match["number"]
    return asks or apart or ends_with_mark(text, begin, match.start())
