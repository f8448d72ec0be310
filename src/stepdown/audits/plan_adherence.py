"""How far a run's solutions follow their plans, and whether those that do are right more often.

A letter for each step: d done, c changed, s skipped, r repeated without work; and an `a` for each part that was added.
What is found is kept in the store by the texts, so that the next look takes no time.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import msgspec

from stepdown import alignment
from stepdown.alignment import align
from stepdown.errors import StoreError
from stepdown.stats import Interval, ratio_interval, wilson
from stepdown.store import BLOCK_BITS, Run, Store, blocks_of, keep_letters, kept_letters
from stepdown.types import Grade, Trace

RULE = "rule"
LETTERS = {"done": "d", "changed": "c", "skipped": "s", "repeated": "r"}
_ADDED = "a"
Progress = Callable[[int, int], None]
_Row = tuple[int, Trace, Grade]


class StepJudge(NamedTuple):
    """Who judges in place of the rule: the name its letters are kept under, and the version of its question."""

    by: str
    version: str

    @property
    def name(self) -> str:
        """The judge's name."""
        return self.by.removeprefix("judge:")


class Adherence(msgspec.Struct, frozen=True, kw_only=True):
    """How a run's solutions follow their plans, `by` the rule or `judge:MODEL`; shares of 1, intervals of 95 %.

    `traces` have a plan and a solution and were lined up, `not_lined_up` more were not. Of their `steps` so many
    are `done`, `changed` and `skipped` (or only repeated); `share` is the mean share of steps done, its interval
    clustered by problem. Of `cut` solutions, which did not come to their end, what they did not reach is skipped.
    `followed`: the graded traces with all steps done, of which `followed_right` are right; `others`,
    with a step that is not. `difference` is between these shares, None where either has no trace.
    """

    run: str
    by: str
    traces: int
    not_lined_up: int
    steps: int
    done: int
    changed: int
    skipped: int
    added: int
    share: float | None
    low: float
    high: float
    followed: int
    followed_right: int
    followed_low: float
    followed_high: float
    others: int
    others_right: int
    others_low: float
    others_high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    cut: int = 0


def adherence(
    run: Run, *, grader: str = "", most: int | None = None, judge: StepJudge | None = None
) -> Adherence | None:
    """Return how a run's plans were followed, None where it has no plan with a solution.

    `grader` says whose verdicts count (the run's current one's if empty). At most `most` traces are lined up,
    beside those whose letters are kept; None for all of them. With a `judge` its kept letters count, and no others.
    """
    seen, not_lined_up, cut = list[tuple[str, str, Grade]](), 0, 0
    for trace, grade, letters in followed(run, grader=grader, most=most, judge=judge):
        if letters is None:
            not_lined_up += 1
        elif letters.strip(_ADDED):
            seen.append((trace.problem.id, letters, grade))
            cut += trace.cut
    if not (seen or not_lined_up):
        return None
    return msgspec.structs.replace(_counted(run, judge.by if judge else RULE, seen, not_lined_up), cut=cut)


def followed(
    run: Run, *, grader: str = "", most: int | None = None, judge: StepJudge | None = None
) -> Iterator[tuple[Trace, Grade, str | None]]:
    """Stream the traces with a plan and a solution, each with its letters, as `adherence` counts them."""
    left = 0 if judge else math.inf if most is None else most
    for rows, known in blocks_with_letters(run, grader, judge) if has_plans(run) else ():
        for _, trace, grade in rows:
            letters = known.get(key_of(trace))
            if letters is None and left > 0:
                letters, left = letters_of(trace), left - 1
            yield trace, grade, letters


def keep_adherence(path: Path, runs: Iterable[str], *, progress: Progress | None = None) -> None:
    """Keep what the rule finds in runs, where it is not kept; a store that cannot be written is left as it is.

    `progress` gets the traces that were looked at, to the next 512, and how many there are.
    """
    with suppress(StoreError):
        with Store(path, reading=True) as store:
            if not store.is_current():
                return
        with Store(path) as store:
            wanted = [run for run in map(store.run, runs) if has_plans(run)]
            done, total = 0, sum(len(blocks_of(store, run.id)) for run in wanted) << BLOCK_BITS
            for run in wanted:
                for rows, known in blocks_with_letters(run):
                    _keep(run, rows, known)
                    done += 1 << BLOCK_BITS
                    if progress:
                        progress(min(done, total), total)


def _keep(run: Run, rows: Sequence[_Row], known: Mapping[str, str]) -> None:
    found = {key_of(trace): trace for _, trace, _ in rows}
    if found.keys() - known.keys():
        letters = {key: known[key] if key in known else letters_of(trace) for key, trace in found.items()}
        keep_letters(run, RULE, version(), block=rows[0][0] >> BLOCK_BITS, letters=letters)


def has_plans(run: Run) -> bool:
    """Tell whether any solution of a run was written by a plan of steps."""
    return any(shape.steps is not None for traces, _ in run.columns() for shape in traces.shapes)


def is_followable(trace: Trace) -> bool:
    """Whether a trace has a plan and a solution to line up."""
    return trace.plan is not None and bool(trace.solution)


def key_of(trace: Trace) -> str:
    """Return the hash of a trace's plan and solution, by which letters are kept."""
    plan = trace.plan.text if trace.plan else ""
    text = f"{len(plan)}:{plan}{trace.solution}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def letters_of(trace: Trace) -> str:
    """Return the rule's letters for the steps of a trace's plan, none where it has no step."""
    if trace.plan is None or not trace.solution:
        return ""
    found = align(trace.plan.text, trace.solution)
    return "".join(LETTERS[one.status] for one in found.steps) + _ADDED * found.counts["added"]


@cache
def version() -> str:
    """Return what stands for the rule: another version of it finds anew."""
    files = sorted(Path(alignment.__file__).parent.glob("*.py"))
    return blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()


def blocks_with_letters(
    run: Run, grader: str = "", judge: StepJudge | None = None
) -> Iterator[tuple[list[_Row], dict[str, str]]]:
    """Stream the traces with a plan and a solution by blocks, with the letters that are kept of each block."""
    by, words = (judge.by, judge.version) if judge else (RULE, version())
    for block, rows in groupby(run.rows(grader), key=lambda row: row[0] >> BLOCK_BITS):
        some = [row for row in rows if is_followable(row[1])]
        if some:
            yield some, kept_letters(run, by, words, block)


def kept_of(run: Run, judge: StepJudge) -> dict[str, str]:
    """Return a judge's letters of a whole run, by the hash of plan and solution."""
    return {
        key: letters for block in blocks_of(run.store, run.id)
        for key, letters in kept_letters(run, judge.by, judge.version, block).items()
    }  # fmt: skip


def _counted(run: Run, by: str, seen: list[tuple[str, str, Grade]], not_lined_up: int) -> Adherence:
    samples = run.settings.samples
    steps = "".join(letters for _, letters, _ in seen)
    total = len(steps) - steps.count(_ADDED)
    shares = [(problem, share_done(letters)) for problem, letters, _ in seen]
    low, high = _clustered(shares, max(1, round(total / max(1, len(seen)))) * samples)
    rights = {
        kind: [(problem, float(grade.verdict == "right")) for problem, letters, grade in seen
               if all_done(letters) == kind and grade.verdict != "ungraded"]
        for kind in (True, False)
    }  # fmt: skip
    yes, no = rights[True], rights[False]
    intervals = [wilson(sum(one for _, one in some), len(some)) if samples == 1 else _clustered(some, samples)
                 for some in (yes, no)]  # fmt: skip
    means = [fmean(one for _, one in some) if some else None for some in (yes, no)]
    difference, least, most = _difference(means, intervals)
    return Adherence(
        run=run.id, by=by, traces=len(seen), not_lined_up=not_lined_up, steps=total, done=steps.count("d"),
        changed=steps.count("c"), skipped=steps.count("s") + steps.count("r"), added=steps.count(_ADDED),
        share=fmean(one for _, one in shares) if shares else None, low=low, high=high,
        followed=len(yes), followed_right=int(sum(one for _, one in yes)),
        followed_low=intervals[0][0], followed_high=intervals[0][1],
        others=len(no), others_right=int(sum(one for _, one in no)),
        others_low=intervals[1][0], others_high=intervals[1][1],
        difference=difference, difference_low=least, difference_high=most,
    )  # fmt: skip


def all_done(letters: str) -> bool:
    """Whether every step is done, whatever was added."""
    return set(letters) <= {"d", _ADDED}


def share_done(letters: str) -> float:
    """Return the share of steps that are done."""
    steps = letters.replace(_ADDED, "")
    return steps.count("d") / len(steps)


def _clustered(values: Iterable[tuple[str, float]], each: int) -> Interval:
    by_problem: dict[str, list[float]] = defaultdict(list)
    for problem, value in values:
        by_problem[problem].append(value)
    return ratio_interval([(math.fsum(some), len(some)) for some in by_problem.values()], each)


def _difference(
    means: list[float | None], intervals: list[Interval]
) -> tuple[float | None, float | None, float | None]:
    """Return the difference of two shares of different traces with its interval: Newcombe (1998), method 10."""
    one, other = means
    if one is None or other is None:
        return None, None, None
    (low, high), (other_low, other_high) = intervals
    found = one - other
    return found, found - math.hypot(one - low, other_high - other), found + math.hypot(high - one, other - other_low)
