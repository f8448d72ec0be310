"""What a bundle is searched by: its traces with the beginnings of their texts, as a script that a page reads."""

from collections.abc import Callable, Iterator

import msgspec

from stepdown.store import Run
from stepdown.text import clipped
from stepdown.web.bundles.places import BundledPage, place_at
from stepdown.web.views.addresses import address

FILE = "search-index.js"
# Characters of a text that are searched: less of each where there are many traces.
_LONGEST, _LEAST, _ALL = 600, 120, 4_000_000


class FoundTrace(msgspec.Struct, frozen=True, array_like=True):
    """A trace as the search has it: its file, run, problem, verdict, answer, and the texts in which words are found."""

    file: str
    run: str
    problem: str
    verdict: str
    answer: str
    question: str
    plan: str
    solution: str


def index_of(runs: list[Run], traces: int, clean: Callable[[str], str]) -> bytes:
    """Return the script that holds the index of all traces; `clean` takes out what is no other's business."""
    longest = max(_LEAST, min(_LONGEST, _ALL // max(1, 3 * traces)))
    rows = msgspec.json.encode([one for run in runs for one in _rows(run, longest)])
    body = clean(rows.decode()).encode()
    # As a part of a script: what would end a line of one, or begin a tag, is written otherwise.
    for mark, written in ((b"<", b"\\u003c"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029")):
        body = body.replace(mark, written)
    return b"globalThis.stepdownTraces = " + body + b";\n"


def _rows(run: Run, longest: int) -> Iterator[FoundTrace]:
    for trace, grade in run.graded(run.stored_grader("")):
        place = place_at(address(run.id, "traces", trace.problem.id, sample=trace.sample or ""))
        assert isinstance(place, BundledPage), "a trace has a page"
        texts = (trace.problem.question, trace.plan.text if trace.plan else "", trace.solution or trace.error or "")
        yield FoundTrace(
            place.file, run.id, clipped(trace.problem.id, 80), grade.verdict, clipped(grade.found or "", 60),
            *(" ".join(text[: 2 * longest].split())[:longest] for text in texts),
        )  # fmt: skip
