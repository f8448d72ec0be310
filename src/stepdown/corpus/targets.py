"""What a student is trained to write for a chain: the chain itself, or one of the controls it is compared with."""

import random
import re
from hashlib import blake2b

import msgspec

from stepdown.answers import final_line, number, spelled
from stepdown.errors import UnknownName
from stepdown.methods import CHAIN_OF_THOUGHT, TRACE_OF_THOUGHT
from stepdown.prompts import PromptSet, load_prompts
from stepdown.types import LETTERS, Chain, Messages, Prompt

TARGETS = {
    "chain": "the chain, then its answer line (Li et al. 2023)",
    "label": "the answer line alone (Li et al. 2023, label-only)",
    "answer-first": "the answer line, then the chain (Wadhwa et al. 2024, post-rationale)",
    "shuffled": "the sentences of the chain in a random order, then the answer line (after Wadhwa et al. 2024)",
    "filler": "as many dots as the chain has words, then the answer line (after Lanham et al. 2023, Pfau et al. 2024)",
    "plan": "the text itself, asked for as a plan (the distilled planner)",
}
# What a study compares: its students are asked for solutions.
STUDIED = {name: learned for name, learned in TARGETS.items() if name != "plan"}
# An answer line is short, so its cue stands near the end.
_TAIL = 300
_LONGEST_ANSWER = 120
_CUE = re.compile(
    r"\#{4}|\b(?:(?:the|my|our) )?(?:(?:final|correct|best|only|right|most \w+) )*answer\s*(?:is|are|:|=)",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"\b(?:and|so|thus|hence|therefore|then|finally|in conclusion|in the end|either way|(?:which|this) means(?: that)?"
    r"|(?:which|this) (?:shows|proves|tells us)(?: that)?)\Z",
    re.IGNORECASE,
)
_OPENING = " \t\r\n,;:*_#$({[-"
_ANSWER_LINE = re.compile(r"[ *#]*(?:the )?(?:final )?answer(?: is)?[ *]*:[^=:]*", re.IGNORECASE)
_SPELLED = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?")
_LONE_BOX = re.compile(r"(?:\n|\A)[\s$*(\[\\]*\\(?:boxed|fbox)\{[^\n]*\Z")
# What stands between a cue and the end of the text and is more than an answer.
_MORE = re.compile(
    r"\A\W*(?:correct|right|wrong)\b|=|(?<!\b[A-J]):|[.!?]\s+\w|\b(?:because|since|as|for|if|but)\b", re.IGNORECASE
)
_CUT = re.compile(r"[.!?,;:)\]}$%*\d\n]\Z")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)\s+|\n\s*")
_WORDS = re.compile(r"\w+|[^\w\s]")


class Example(msgspec.Struct, frozen=True):
    """One row to train on: the question as messages, and the text a student shall complete it with."""

    question: Messages
    completion: str


def target(chain: Chain, kind: str = "chain", *, prompts: str | PromptSet = "student", seed: int = 0) -> Example | None:
    """Return what to train on for a chain; None where no label can be read in it (a plan needs none).

    The question is what `stepdown run --method chain-of-thought` (a teacher's, for a plan) says with this prompt set,
    the answer line what its students are to end with: `Answer: B`, with the set `scotd` ` So the answer is: (b)`.
    `seed` orders the sentences of `shuffled`. A prompt set given by its file is read for each chain: load it once.
    Raises `UnknownName` for the kind and the prompt set.
    """
    if kind not in TARGETS:
        raise UnknownName("target", kind, TARGETS)
    words = load_prompts(prompts) if isinstance(prompts, str) else prompts
    if kind == "plan":
        return Example(words.render(TRACE_OF_THOUGHT, Prompt("plan", chain.problem)), chain.text.strip())
    found = label(chain)
    if found is None:
        return None
    question = words.render(CHAIN_OF_THOUGHT, Prompt("solve", chain.problem))
    return Example(question, _completion(chain, kind, found, words, seed))


def label(chain: Chain) -> str | None:
    """Return the answer a chain concludes with, as an answer line says it; None where none can be read.

    It is what the grader read in the chain; where it read nothing but calls the chain right, it is the gold answer.
    """
    right, kind = chain.grade.verdict == "right", chain.problem.kind
    found = (chain.grade.found or (chain.problem.answer if right else "")).strip()
    if kind == "choice":
        letter = found.strip(" ().").upper()
        return letter if len(letter) == 1 and letter in LETTERS else None
    if kind != "number" or _SPELLED.fullmatch(found):
        return " ".join(found.split()) or None
    value = number(found)
    return None if value is None else spelled(value)


def rationale(chain: Chain) -> str:
    """Return a chain's text without its own final answer line, or the last sentence that says only the answer."""
    text = chain.text.strip()
    begin = max(0, len(text) - _TAIL)
    cut = _answer_at(text[begin:])
    return text if cut is None else _ended(text[: begin + cut])


def _answer_at(tail: str) -> int | None:
    """Return where the closing answer begins, with the words that lead to it; None where there is none."""
    start = tail.rfind("\n") + 1
    if len(tail) - start <= _LONGEST_ANSWER and _ANSWER_LINE.fullmatch(tail, start):
        return start
    line = final_line(tail)
    if line is not None and _closes(tail, *line):
        cues = [cue.start() for cue in _CUE.finditer(tail, 0, line[0])]
        return _led_to(tail[: cues[-1]]) if cues else None
    box = _LONE_BOX.search(tail)
    return box.start() if box else None


def _led_to(head: str) -> int | None:
    """Return where the words begin that lead to a cue, as `, so`; None where the cue stands amid a clause."""
    rest, linked = head.rstrip(_OPENING), False
    while link := _LINK.search(rest, max(0, len(rest) - 30)):
        rest, linked = rest[: link.start()].rstrip(_OPENING), True
    apart = linked or not rest or any(sign in head[len(rest) :] for sign in ",;\n")
    return len(rest) if apart or _CUT.search(rest) else None


def _closes(text: str, start: int, end: int) -> bool:
    """Tell whether an answer line is the text's last and says nothing but an answer."""
    words = text[start:end].strip()
    return not text[end:].strip() and len(words) <= _LONGEST_ANSWER and not _MORE.search(words)


def _ended(text: str) -> str:
    text = text.rstrip()
    return f"{text}." if text[-1:].isalnum() or text[-1:] in (")", "$", "%", "]", "}") else text


def _completion(chain: Chain, kind: str, found: str, words: PromptSet, seed: int) -> str:
    answer, gap = _answer_line(chain, found, words)
    if kind == "label":
        return answer
    steps = rationale(chain)
    if kind == "shuffled":
        steps = _shuffled(steps, f"{seed}/{chain.problem.id}/{chain.sample}")
    elif kind == "filler":
        steps = " ".join(["..."] * len(_WORDS.findall(steps)))
    parts = (answer, steps) if kind == "answer-first" else (steps, answer)
    return gap.join(part for part in parts if part)


def _answer_line(chain: Chain, found: str, words: PromptSet) -> tuple[str, str]:
    """Return the answer line and what parts it from the chain."""
    if words.name != "scotd":
        return f"Answer: {found}", "\n"
    text = f"({found.lower()})" if chain.problem.kind == "choice" else found
    return f"So the answer is: {text}", " "


def _shuffled(text: str, seed: str) -> str:
    """Return a text's sentences in an order other than its own, where it has two different ones."""
    sentences = [one for one in _SENTENCE_END.split(text) if one]
    order = random.Random(blake2b(seed.encode(), digest_size=8).digest()).sample(sentences, len(sentences))
    if order == sentences:
        order = order[1:] + order[:1]
    return " ".join(order)
