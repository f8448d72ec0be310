"""A solution in small pieces: lines, long ones by sentences, with the number that opens a line; formulas stay whole."""

import itertools
import re
from collections.abc import Iterator

import msgspec

from stepdown.alignment.plan_steps import has_worded, marker

LONGEST = 20_000
MOST_SEGMENTS = 400
_SENTENCE_LENGTH = 60  # a shorter line is one segment
_OPEN_LINES = 40
_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\d\.)(?<!vs\.)(?<!Mr\.)(?<!Ms\.)(?<!Dr\.)(?<!Mrs\.)(?<!St\.)\s+(?=[A-Z(*\\$\"“])"
)
_WORDED_INSIDE = re.compile(r"(?<=[.!?:] )(?=\*{0,2}S(?:tep|TEP)\s+\d{1,2}\s*[:.)])")
_PAIRS = (("\\[", "\\]"), ("$$", "$$"), ("```", "```"), ("\\begin{", "\\end{"))


class Segment(msgspec.Struct, frozen=True):
    """A piece of a solution from `start` to before `end`; `text` is without the `number` that opens it, None for none.

    `section` counts the numbers so far, `paragraph` the blank lines.
    """

    start: int
    end: int
    text: str
    number: int | None
    section: int
    paragraph: int


def segments(solution: str) -> list[Segment]:
    """Return the pieces of a solution's first 20,000 characters, at most 400; all but blanks is in one."""
    text = solution[:LONGEST]
    spans = list(_lines(text))
    worded = has_worded([text[start:end] for start, end in spans]) or len(_WORDED_INSIDE.findall(text)) > 1
    level = min(
        (_indent(text, start, end) for start, end in spans if marker(text[start:end], worded=worded)), default=0
    )
    found, section, paragraph, last = list[Segment](), 0, 0, 0
    for start, end in spans:
        paragraph += "\n" in text[last:start].replace("\n", "", 1)
        for begin, stop in _pieces(text, start, end, worded):
            mark = marker(text[begin:stop], worded=worded)
            opens = mark is not None and (begin != start or _indent(text, start, end) <= level + 1)
            section += opens
            body = text[begin + mark[1] if mark else begin : stop]
            found.append(Segment(begin, stop, body, mark[0] if mark and opens else None, section, paragraph))
        last = end
    return _fewer(found)


def _indent(text: str, start: int, end: int) -> int:
    return end - start - len(text[start:end].lstrip())


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of lines that are not blank; what a formula or code block spans is one."""
    at, start, closing, held = 0, 0, "", 0
    for line in text.splitlines(keepends=True):
        if not closing:
            start, held = at, 0
            closing = _left_open(line)
        elif closing in line or held > _OPEN_LINES:
            closing = ""
        at, held = at + len(line), held + 1
        if not closing and text[start:at].strip():
            yield start, start + len(text[start:at].rstrip())
    if closing and text[start:].strip():
        yield start, start + len(text[start:].rstrip())


def _left_open(line: str) -> str:
    for opening, closing in _PAIRS:
        odd = line.count(opening) % 2 if opening == closing else line.count(opening) > line.count(closing)
        if odd:
            return closing
    return ""


def _pieces(text: str, start: int, end: int, worded: bool) -> Iterator[tuple[int, int]]:
    line = text[start:end]
    if "\n" in line or len(line) <= _SENTENCE_LENGTH:
        yield start, end
        return
    cuts = [found.end() for found in _SENTENCE_END.finditer(line) if line.count("$", 0, found.end()) % 2 == 0]
    cuts += [found.start() for found in _WORDED_INSIDE.finditer(line)] if worded else []
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(line)}), len(line)]
    for one, other in itertools.pairwise(edges):
        if line[one:other].strip():
            yield start + one, start + one + len(line[one:other].rstrip())


def _fewer(found: list[Segment]) -> list[Segment]:
    """Join what follows each other until few enough are left."""
    while len(found) > MOST_SEGMENTS:
        joined = list[Segment]()
        for at in range(0, len(found) - 1, 2):
            one, other = found[at], found[at + 1]
            number = other.number if one.number is None else one.number
            joined.append(
                Segment(one.start, other.end, f"{one.text}\n{other.text}", number, other.section, one.paragraph)
            )
        found = joined + found[len(joined) * 2 :]
    return found
