"""The table that says how far plans were followed, and whether those who followed them are right more often."""

from collections.abc import Sequence

from stepdown.audits import RULE, Adherence
from stepdown.text import Table, between, percent, points

_HEADER = ("#", "by", "traces", "steps", "% done", "changed", "skipped", "% right if followed", "% right if not",
           "difference")  # fmt: skip
_RULE = (
    "A heuristic: a rule lines up the steps of a plan with the solution; of what it"
    " flags about six in ten are not so by hand (docs/adherence.md)."
)
_JUDGE = "By a judge model, whose word may be worth less than the rule's (docs/adherence.md)."
_NOTE = (
    " done: mean over solutions, with the interval"
    " clustered by problem. if followed: of traces with every step done; if not: of the others. The difference is in"
    " percentage points (Newcombe's interval) and is no effect: hard problems make wrong answers and left steps alike."
)


def adherence_table(found: Sequence[Adherence], row_number: dict[str, int]) -> list[Table]:
    """Return the table, none where nothing was asked or no run has plans; `row_number` numbers the report's runs."""
    if not found:
        return []
    not_lined_up, by_rule = sum(one.not_lined_up for one in found), all(one.by == RULE for one in found)
    note = (_RULE if by_rule else _JUDGE) + _NOTE
    note += f" {'Not looked at' if by_rule else 'Not judged'}: {not_lined_up:,} traces." if not_lined_up else ""
    if cut := sum(one.cut for one in found):
        note += (
            f" {cut:,} of {sum(one.traces for one in found):,} solutions were cut: what they did not reach is skipped."
        )
    return [
        Table("Were the plans followed?", _HEADER, tuple(_cells(one, row_number[one.run]) for one in found), 2, note)
    ]


def _cells(one: Adherence, row_number: int) -> tuple[str, ...]:
    done = percent(one.share) + ("" if one.share is None else between(percent(one.low), percent(one.high)))
    followed = _right(one.followed_right, one.followed, one.followed_low, one.followed_high)
    others = _right(one.others_right, one.others, one.others_low, one.others_high)
    difference = points(one.difference)
    if one.difference is not None:
        difference += between(points(one.difference_low), points(one.difference_high))
    return (str(row_number), one.by, str(one.traces), str(one.steps), done, str(one.changed), str(one.skipped),
            followed, others, difference)  # fmt: skip


def _right(right: int, total: int, low: float, high: float) -> str:
    if not total:
        return "-"
    return f"{percent(right / total)}{between(percent(low), percent(high))} of {total}"
