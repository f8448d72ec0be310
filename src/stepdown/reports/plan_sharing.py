"""When shared plans pay off: a teacher's plans are paid once, and every student that uses them shares the price."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import floor

import msgspec

from stepdown.methods import CHAIN_OF_THOUGHT, DIRECT
from stepdown.reports.report_rows import ReportRow
from stepdown.text import UNKNOWN, count, money
from stepdown.types import Settings


class Sharing(msgspec.Struct, frozen=True, kw_only=True):
    """What a teacher's plans for some problems cost, and after how many uses they are cheaper than its own answers.

    `tokens` and `cost` (USD) are of the plans, once; `student_cost` is the mean of one student's use;
    `asked` is the run in which the teacher answered itself, `asked_tokens` and `asked_cost` what that
    takes for as many problems. `break_even` counts uses (students or repeats) and is None where it
    is never reached or cannot be known; `unit` is `money`, or `tokens` of the teacher.
    """

    teacher: str
    dataset: str
    problems: int
    students: tuple[str, ...]
    tokens: int | None
    cost: float | None
    student_cost: float | None
    asked: str = ""
    asked_method: str = ""
    asked_tokens: float | None = None
    asked_cost: float | None = None
    break_even: int | None = None
    unit: str = ""

    def __str__(self) -> str:
        """Say it in three sentences."""
        return " ".join((_paid(self), _prompt_note(self), _verdict(self))).strip()


def sharings(rows: Sequence[ReportRow], settings: Mapping[str, Settings]) -> tuple[Sharing, ...]:
    """Return one sharing for each teacher and set of plans among the rows."""
    groups: dict[tuple[str, ...], list[ReportRow]] = defaultdict(list)
    for row in rows:
        if row.teacher and "teacher" in row.tokens and row.planned:
            of = settings[row.run]
            # A run of a file (`origin`) had plans of its own, whatever else its teacher wrote for these problems.
            drawn = f"{of.teacher_sampling!r} x {of.plan_samples}"
            groups[row.teacher, of.problems, of.prompts, drawn, of.origin].append(row)
    return tuple(_sharing(group, rows) for group in groups.values())


def _sharing(group: Sequence[ReportRow], rows: Iterable[ReportRow]) -> Sharing:
    largest = max(group, key=lambda row: row.planned)
    shared = Sharing(
        teacher=largest.teacher,
        dataset=largest.dataset,
        problems=largest.planned,
        students=tuple(sorted({row.student for row in group})),
        tokens=largest.tokens["teacher"],
        cost=largest.costs["teacher"],
        student_cost=_mean([_use(row, largest.planned) for row in group]),
    )
    own = [row for row in rows if _answers_itself(row, shared)]
    return _compared(shared, min(own, key=_price)) if own else shared


def _use(row: ReportRow, problems: int) -> float | None:
    """Return what a student's use of the plans costs for so many problems, where its run may not have reached all."""
    cost = row.costs.get("student")
    return cost and cost * problems / row.planned


def _answers_itself(row: ReportRow, shared: Sharing) -> bool:
    alone = row.method in (DIRECT.name, CHAIN_OF_THOUGHT.name) and row.samples == 1 and row.graded > 0
    return alone and row.student == shared.teacher and row.dataset == shared.dataset


def _price(row: ReportRow) -> tuple[float, float]:
    tokens = row.tokens.get("student")
    return (row.cost or 0) / row.graded, (tokens or 0) / row.graded


def _compared(shared: Sharing, own: ReportRow) -> Sharing:
    scale = shared.problems / own.graded
    tokens = own.tokens.get("student")
    asked_cost = None if own.cost is None else own.cost * scale
    asked_tokens = None if tokens is None else tokens * scale
    shared = msgspec.structs.replace(
        shared, asked=own.run, asked_method=own.method, asked_tokens=asked_tokens, asked_cost=asked_cost
    )
    if asked_cost and shared.cost is not None and shared.student_cost is not None:
        uses = _uses(shared.cost, asked_cost - shared.student_cost)
        return msgspec.structs.replace(shared, break_even=uses, unit="money")
    if asked_tokens and shared.tokens is not None:
        uses = _uses(shared.tokens, asked_tokens)
        return msgspec.structs.replace(shared, break_even=uses, unit="tokens")
    return shared


def _uses(once: float, saved: float) -> int | None:
    return floor(once / saved + 1e-9) + 1 if saved > 0 else None


def _mean(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) / len(known) if known and len(known) == len(costs) else None


def _paid(shared: Sharing) -> str:
    students = len(shared.students)
    each = "" if students == 1 or shared.cost is None else f", {money(shared.cost / students)} for each"
    whom = "one student uses them" if students == 1 else f"{students} students share them{each}"
    price = f"{count(shared.tokens)} tokens, {money(shared.cost)}"
    return f"`{shared.teacher}` planned {shared.problems} problems of {shared.dataset} once ({price}); {whom}."


def _prompt_note(shared: Sharing) -> str:
    if not shared.asked:
        return (
            "Whether that pays off cannot be said: no run here asks the teacher itself "
            f"(add a run of chain-of-thought with `{shared.teacher}` as its student)."
        )
    tokens = UNKNOWN if shared.asked_tokens is None else count(round(shared.asked_tokens))
    how = f"{shared.asked_method}, run {shared.asked}"
    return f"To answer them itself ({how}) it takes {tokens} tokens, {money(shared.asked_cost)}, each time."


def _verdict(shared: Sharing) -> str:
    if not shared.asked:
        return ""
    if not shared.unit:
        return "Which is cheaper is unknown."
    what = f"with a student's {money(shared.student_cost)} a use" if shared.unit == "money" else "in teacher tokens"
    if shared.break_even is None:
        return f"Plans never become cheaper, {what}."
    uses = "the first use" if shared.break_even == 1 else f"{shared.break_even} uses (students or repeats)"
    return f"Plans are cheaper from {uses} on, {what}."
