"""A trace with its plan and its solution lined up, as `traces` prints it: an object, and lines for a person."""

import msgspec

from stepdown.alignment import Alignment, align
from stepdown.store import TraceLine, trace_line
from stepdown.text import clipped
from stepdown.types import Grade, Pricing, Trace


class AlignedLine(TraceLine, frozen=True, kw_only=True):
    """What `traces --json` prints of a trace; `alignment` is None where it was not asked for or cannot be.

    `alignment.steps[].parts` and `alignment.parts[].step` are places in each other's lists, from 0; `start` and `end`
    count characters of the solution.
    """

    alignment: Alignment | None


def aligned_line(run: str, trace: Trace, grade: Grade, prices: Pricing, *, aligned: bool) -> AlignedLine:
    """Return a graded trace of a run as an object, lined up if `aligned`, which takes milliseconds."""
    line = msgspec.structs.asdict(trace_line(run, trace, grade, prices))
    return AlignedLine(**line, alignment=alignment_of(trace) if aligned else None)


def alignment_of(trace: Trace) -> Alignment | None:
    """Return a trace's plan and solution lined up, None where it lacks one of them."""
    return None if trace.plan is None or trace.solution is None else align(trace.plan.text, trace.solution)


def steps_text(alignment: Alignment) -> str:
    """Return what became of each step as lines: its number, status and beginning, and what the status rests on."""
    rows = [
        (f"  {one.step.number}. {one.status}", clipped(" ".join(one.step.text.split()), 60), one.why)
        for one in alignment.steps
    ]
    wide = max((len(head) for head, _, _ in rows), default=0)
    added = alignment.counts["added"]
    lines = [f"{head.ljust(wide)}  {text}" + f" ({why})" * bool(why) for head, text, why in rows]
    more = [f"  and {added} of the solution's parts that no step asks for"] * bool(added)
    return "\n".join(["steps, by a heuristic that looks at words and numbers:", *lines, *more])
