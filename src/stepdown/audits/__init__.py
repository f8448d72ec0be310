"""What to know before trusting a run: leaks, faulty plans, bad endings, blame, and which plans deserve an edit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

import msgspec

from stepdown.answers import Leak, leak
from stepdown.audits.audited_blocks import audited, keep_audits
from stepdown.audits.blame import (
    BLAMES,
    NO_PLAN,
    Blame,
    BlamedTrace,
    GradedAttempt,
    Suggestion,
    blame,
    count_by_student_and_plan,
    suggestions,
)
from stepdown.audits.followed_plans import blame_of_text
from stepdown.audits.judged_plans import (
    JudgedPlans,
    judge_letters,
    judge_plans,
    judge_request,
    kept_judge,
    kept_judges,
    letters_of_judges,
    step_judge,
    to_judge,
)
from stepdown.audits.leakage import Leakage, Share, add_leak, leakage, leaked
from stepdown.audits.plan_adherence import (
    RULE,
    Adherence,
    StepJudge,
    adherence,
    followed,
    has_plans,
    keep_adherence,
    kept_of,
    key_of,
)
from stepdown.audits.plan_faults import FaultKind, PlanFault, faults
from stepdown.audits.termination import EndingKind, contradicts, loops, termination_faults
from stepdown.errors import UsageError
from stepdown.store import BY_PERSON, Run, verdicts_of
from stepdown.text import Table, counted, fragment, html_table, html_text
from stepdown.types import Grade, Verdict

__all__ = [
    "RULE",
    "Adherence",
    "Audit",
    "BlamedTrace",
    "EndingKind",
    "GradedAttempt",
    "JudgedPlans",
    "Leak",
    "Leakage",
    "PlanFault",
    "RunAudit",
    "Share",
    "StepJudge",
    "Suggestion",
    "adherence",
    "audit",
    "audited",
    "blame",
    "contradicts",
    "faults",
    "followed",
    "has_plans",
    "judge_letters",
    "judge_plans",
    "judge_request",
    "keep_adherence",
    "keep_audits",
    "kept_judge",
    "kept_judges",
    "leak",
    "leakage",
    "leaked",
    "letters_of_judges",
    "loops",
    "step_judge",
    "suggestions",
    "termination_faults",
    "to_judge",
]

VERSION = 1
SHOWN = 10
# Lining up takes some milliseconds each, and pages wait for it.
LOOKED_AT = 500


class RunAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one run: counts of faults over plans, of endings over traces, of blame over wrong traces."""

    run: str
    method: str
    student: str
    teacher: str
    graders: tuple[str, ...]
    traces: int
    wrong: int
    leakage: Leakage
    faults: dict[FaultKind, int]
    endings: dict[EndingKind, int]
    blame: dict[Blame, int]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """Audits of some runs; `cases` are their wrong traces with who is to blame, `edits` the plans worth an edit."""

    version: int = VERSION
    runs: tuple[RunAudit, ...]
    cases: tuple[BlamedTrace, ...]
    edits: tuple[Suggestion, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values: the object `stepdown audit --json` prints."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def __repr__(self) -> str:
        return (
            f"Audit({counted(len(self.runs), 'run')}, {counted(len(self.cases), 'wrong trace')}, "
            f"{counted(len(self.edits), 'plan')} worth an edit)"
        )

    def _repr_html_(self) -> str:
        edits = tuple((str(one.score), one.run, one.problem, "; ".join(one.reasons)) for one in self.edits[:SHOWN])
        table = Table("Plans most worth an edit", ("score", "run", "problem", "why"), edits, 4)
        found = (html_text("\n".join(_paragraph(one)[1:]), _paragraph(one)[0]) for one in self.runs)
        return fragment("audit", *found, html_table(table) if edits else "")

    def __str__(self) -> str:
        lines = [line for one in self.runs for line in (*_paragraph(one), "")]
        lines.append(f"plans most worth an edit ({min(SHOWN, len(self.edits))} of {len(self.edits)})")
        for edit in self.edits[:SHOWN]:
            lines.append(f"  {edit.score:>3}  {edit.run}  {edit.problem}: {'; '.join(edit.reasons)}")
        return "\n".join(lines)


def audit(*runs: Run, judge: StepJudge | None = None) -> Audit:
    """Audit runs together: those that share problems tell plan and student apart.

    Blame can fall on a grader only where a second one, other than `lenient`, has graded the run. What became of the
    steps of plans is said by the rule, or where it has letters by a `judge`.
    Raises `UsageError` without runs.
    """
    if not runs:
        raise UsageError("there is no run to audit", "name one or more; `stepdown runs` lists them")
    tallies = [_Tally(run) for run in {run.id: run for run in runs}.values()]
    attempts = [attempt for tally in tallies for attempt in tally.read()]
    counts_by_question = count_by_student_and_plan(attempts)
    blamed = [blame(one, counts_by_question[one.question]) for one in attempts if one.verdict == "wrong"]
    cases = tuple(_looked_at(blamed, {one.run.id: one.run for one in tallies}, judge))
    return Audit(
        runs=tuple(tally.found(cases) for tally in tallies),
        cases=cases,
        edits=tuple(suggestions(attempts, counts_by_question)),
    )


def _looked_at(cases: Iterable[BlamedTrace], runs: Mapping[str, Run], judge: StepJudge | None) -> Iterator[BlamedTrace]:
    """Tell by their texts who is to blame in cases that no crossing decides, of the first 500 of them."""
    left, letters = LOOKED_AT, {name: kept_of(run, judge) for name, run in runs.items()} if judge else {}
    for case in cases:
        if case.blame == "unknown" and left:
            left -= 1
            trace = runs[case.run].trace(case.problem, case.sample)
            judged = letters[case.run].get(key_of(trace), "") if judge else ""
            who, why = blame_of_text(trace, judged, judge.name if judge else "")
            case = case if who == "unknown" else msgspec.structs.replace(case, blame=who, why=why)
        yield case


class _Tally:
    """Counts over one run while its traces stream by."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.leakage = Leakage()
        self.faults: Counter[FaultKind] = Counter()
        self.endings: Counter[EndingKind] = Counter()
        self.traces = 0

    def read(self) -> Iterator[GradedAttempt]:
        """Stream the run's attempts, counting each trace."""
        leaks: Counter[tuple[Leak, bool, Verdict]] = Counter()
        judged = zip(audited(self.run), _verdicts(self.run, ""), _others_right(self.run), strict=True)
        for one, verdict, right in judged:
            self.traces += 1
            if one.endings:
                self.endings.update(one.endings)
            if one.plan != NO_PLAN:
                first = one.sample < self.run.settings.plan_samples
                leaks[one.leak, first, verdict] += 1
                if one.faults and first:
                    self.faults.update(one.faults)
            yield GradedAttempt(
                run=self.run.id,
                problem=one.problem,
                sample=one.sample,
                question=one.question,
                student=self.run.settings.student,
                plan=one.plan,
                author=one.author,
                verdict=verdict,
                doubtful=right and verdict == "wrong",
                cut="truncated" in one.endings or "runaway" in one.endings,
                faults=one.faults,
                leaked=one.leak.gold,
            )
        for (gives, first, verdict), number in leaks.items():
            self.leakage = add_leak(self.leakage, gives, Grade(verdict), first=first, number=number)

    def found(self, cases: tuple[BlamedTrace, ...]) -> RunAudit:
        """Return what was counted, with the blame for this run's wrong traces."""
        blamed = Counter(case.blame for case in cases if case.run == self.run.id)
        settings = self.run.settings
        return RunAudit(
            run=self.run.id,
            method=settings.method,
            student=settings.student,
            teacher=settings.teacher,
            graders=(self.run.grader, *second_graders(self.run)),
            traces=self.traces,
            wrong=blamed.total(),
            leakage=self.leakage,
            faults=dict(self.faults),
            endings=dict(self.endings),
            blame={who: blamed[who] for who in BLAMES if blamed[who]},
        )


def second_graders(run: Run) -> list[str]:
    """Return the graders whose doubt counts: all but the current one, the one it corrects, and `lenient`.

    A person's verdicts (`GRADER+person`) are that grader's but for what the person saw, so it has no say against them;
    `lenient` looks at the gold: on the authors' released traces 5 of 54 wrong verdicts it doubts are wrong by hand. A
    rubric asks for more than a right answer.
    """
    silent = {run.grader, run.grader.removesuffix(BY_PERSON)}
    return [name for name in run.graders() if name not in silent and not name.startswith(("lenient", "rubric:"))]


def _others_right(run: Run) -> Iterator[bool]:
    """Stream for each trace whether another grader than the run's current one, reading blind too, calls it right."""
    others = [_verdicts(run, name) for name in second_graders(run)]
    return ("right" in some for some in zip(*others, strict=True)) if others else repeat(False, run.tally().traces)


def _verdicts(run: Run, grader: str) -> Iterator[Verdict]:
    return (verdict for columns in run.columns(grader) for verdict in verdicts_of(*columns))


def _paragraph(one: RunAudit) -> list[str]:
    plans, wrong = one.leakage.plans, one.wrong
    lines = [f"{one.run}  {one.method}, student {one.student}" + (f", plans by {one.teacher}" if one.teacher else "")]
    if plans:
        lines += _leak_lines(one.leakage)
        lines.append(f"  plans     {_listed(one.faults, plans) or 'no fault found'}")
    lines.append(f"  endings   {_listed(one.endings, one.traces) or 'nothing unusual'}")
    blamed = ", ".join(f"{who} {count}" for who, count in one.blame.items()) or "nothing is wrong"
    lines.append(f"  blame     {wrong} wrong: {blamed}" if wrong else f"  blame     {blamed}")
    if wrong and len(one.graders) < 2:
        lines.append("            (one grader only, so none can be doubted: `stepdown grade RUN --grader judge:MODEL`)")
    return lines


def _leak_lines(leaks: Leakage) -> list[str]:
    return [
        f"  leakage   {leaks.leaked} of {leaks.plans} plans hold the answer ({leaks.last_step} in the last step), "
        f"{leaks.not_assessable} not assessable; {leaks.computed} hold computed values",
        f"            right / graded / total: {leaks.everything} with all plans, {leaks.without_leaked} without "
        f"leaked ones, {leaks.clean} with plans known to be clean",
    ]


def _listed(counts: dict[Any, int], total: int) -> str:
    return ", ".join(f"{kind} {count} of {total}" for kind, count in sorted(counts.items()))
