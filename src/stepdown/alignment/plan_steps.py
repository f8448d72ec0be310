"""A plan's steps as instructions: numbered lines with what stands below them, without what is said around them."""

import re

import msgspec

MOST_STEPS = 100
_BOLD = r"(?:[*_#>\s]|\[)*"
# `Step 3:`, `**Step 3**`, `### Step 3`; and `3.`, `3)`, `(3)`, `3:`.
_WORDED = re.compile(
    rf"^{_BOLD}(?:step|part|prompt|instruction|task)\s*\#?(\d{{1,3}})\b[\s\]*_]*[:.)\-–—]*[\s*_]*", re.IGNORECASE
)
_NUMBERED = re.compile(rf"^{_BOLD}\(?(\d{{1,3}})[*_]*[.):](?=\s|\*|$)[\s*_]*")
_BULLET = re.compile(r"^\s*[-*•–+]\s+(?!\*)")
_HEADING = re.compile(r"^\s*(?:\#{1,6}\s.*|\*\*[^*]+\*\*:?|__[^_]+__:?)\s*$")


class PlanStep(msgspec.Struct, frozen=True):
    """One instruction: its `number` as written, or else counted from 1, its text, and its places among `Plan.steps`."""

    number: int
    text: str
    lines: tuple[int, ...]


def marker(line: str, *, worded: bool) -> tuple[int, int] | None:
    """Return the number that opens a line and where what follows it begins; `worded` asks for `Step 3`."""
    found = (_WORDED if worded else _NUMBERED).match(line)
    return (int(found[1]), found.end()) if found else None


def has_worded(lines: list[str]) -> bool:
    """Whether lines are opened by `Step 3` rather than by `3.`."""
    return sum(marker(line, worded=True) is not None for line in lines) >= 2


def plan_steps(text: str) -> tuple[PlanStep, ...]:
    """Return the instructions of a plan, at most 100; without any number each line that is not blank is one."""
    lines = [(line, not before.strip()) for before, line in _with_before(text) if line.strip()][: 5 * MOST_STEPS]
    worded = has_worded([line for line, _ in lines])
    marks = [marker(line, worded=worded) for line, _ in lines]
    numbered = [
        at for at, mark in enumerate(marks) if mark and _indent(lines[at][0]) <= _indent(lines[_first(marks)][0])
    ]
    if not numbered:
        return _unnumbered([line for line, _ in lines])
    steps = []
    for first, following in zip(numbered, [*numbered[1:], len(lines)], strict=True):
        own = [first]
        for at in range(first + 1, following):
            line, apart = lines[at]
            if _HEADING.match(line) or (apart and following == len(lines) and not _belongs(line)):
                break
            own.append(at)
        mark = marks[first]
        assert mark is not None, "a numbered line has a mark"
        texts = [lines[first][0][mark[1] :], *(lines[at][0] for at in own[1:])]
        steps.append(PlanStep(mark[0], " ".join(map(_bare, texts)).strip(), tuple(own)))
    return tuple(steps[:MOST_STEPS])


def _with_before(text: str) -> list[tuple[str, str]]:
    lines = text.splitlines()
    return list(zip(["x", *lines], lines, strict=False))


def _first(marks: list[tuple[int, int] | None]) -> int:
    return next((at for at, mark in enumerate(marks) if mark), 0)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _belongs(line: str) -> bool:
    return bool(_BULLET.match(line)) or line[:1].isspace()


def _unnumbered(lines: list[str]) -> tuple[PlanStep, ...]:
    """An opening line that ends with a colon announces the steps, and is none."""
    start = 1 if len(lines) > 1 and lines[0].rstrip(" *").endswith(":") else 0
    some = [(at, _bare(line)) for at, line in enumerate(lines) if at >= start]
    return tuple(PlanStep(number, text, (at,)) for number, (at, text) in enumerate(some[:MOST_STEPS], 1))


def _bare(line: str) -> str:
    return _BULLET.sub("", line).strip().strip("*").strip()
