"""`stepdown calibrate`: the threshold of a cascade."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.numbers import share_of
from stepdown.cli.options import CHOICE, OutputOptions, PricesFile
from stepdown.cli.stored_runs import one_run
from stepdown.cli.unused_options import given, refuse
from stepdown.measuring import Calibration, Goal, Threshold
from stepdown.measuring import calibrate as choose
from stepdown.models import Prices
from stepdown.runner import contamination_warnings
from stepdown.text import between, money, percent


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class CalibrateOptions:
    """What the threshold is chosen for.

    Parameters
    ----------
    accuracy
        Choose the cheapest threshold that gets this share right, such as 0.8, by the lower end of its 95 % interval.
    price
        Choose the most accurate threshold that costs at most this many US dollars per problem, even if as many problems
        go on to the teacher as the upper end of their 95 % interval says.
    lose_at_most
        Choose the cheapest threshold that is sure to lose at most this share of problems, such as 1%: problems that the
        teacher gets right and the cascade does not.
    spend_at_most
        Choose the most accurate threshold that is sure to take at most this many US dollars per problem on average.
    sure
        How certain --lose-at-most and --spend-at-most are to hold on all problems like these, such as 95%.
    holdout
        Keep this share of the problems out of the choice, and check the chosen threshold on them.
    name
        The name the cascade is served by.
    """

    accuracy: float | None = None
    price: float | None = None
    lose_at_most: Annotated[str, Parameter(show_default=False)] = ""
    spend_at_most: float | None = None
    sure: str = "95%"
    holdout: float = 0.0
    prices: PricesFile = None
    name: Annotated[str, Parameter(show_default=False)] = "cascade"


DEFAULTS, OUTPUT = CalibrateOptions(), OutputOptions()
HEADER = ("threshold", "right/graded", "%", "lost", "won", "% to the teacher", "tokens each", "cost each")


def calibrate(cheap: str, dear: str, /, *, options: CalibrateOptions = DEFAULTS, output: OutputOptions = OUTPUT) -> int:
    """Choose the threshold of a cascade.

    Parameters
    ----------
    cheap
        The run by the small planner's plans, with several samples per problem.
    dear
        The run by the large teacher's plans, on the same problems and by the same student.
    """
    goal = goal_of(options)
    goal.check()
    with output.read() as store:
        runs = one_run(store, cheap), one_run(store, dear)
        say(*contamination_warnings(runs))
        calibration = choose(*runs, goal, holdout=options.holdout, prices=Prices(options.prices))
    if output.json:
        show_json(calibration)
    else:
        show_calibration(calibration, options.name)
    return 0 if calibration.chosen else 1


def goal_of(options: CalibrateOptions) -> Goal:
    """Return what the threshold is chosen for. Raises `UsageError`."""
    lose = share_of(options.lose_at_most, "--lose-at-most") if options.lose_at_most else None
    if lose is None and options.spend_at_most is None:
        refuse(given(options, "sure"), "neither a loss nor spending is limited", "add --lose-at-most 1%")
    sure = share_of(options.sure, "--sure")
    return Goal(accuracy=options.accuracy, price=options.price, lose=lose, spend=options.spend_at_most, sure=sure)


def show_calibration(calibration: Calibration, name: str) -> None:
    """Write every threshold, the choice and what serves it."""
    note = f"threshold: the share of {calibration.votes} votes that must agree; below it the teacher is asked. "
    note += "lost: the teacher has it right and the cascade has not; won: the other way round."
    show_table("Thresholds", HEADER, [_cells(row) for row in calibration.rows], words=1, note=note)
    if calibration.chosen is None:
        say(f"none is {calibration.goal}", f"hint: {_hint(calibration)}")
        return
    show("", f"Chosen: {calibration.chosen.threshold:g}, {calibration.goal}. {calibration.warning}")
    if calibration.held is not None:
        show("")
        show_table("The choice on problems held out", HEADER, [_cells(calibration.held)], words=1)
    show("", calibration.to_toml(name))


def _hint(calibration: Calibration) -> str:
    if calibration.refusal:
        return calibration.refusal
    best = max(calibration.rows, key=lambda row: row.low)
    reached = f"these {best.graded} problems vouch for {percent(best.low)} % at most (threshold {best.threshold:g})"
    return f"{reached}; run both on more problems, ask for less, or take a better teacher"


def _cells(row: Threshold) -> list[str]:
    share = percent(row.accuracy) + between(percent(row.low), percent(row.high))
    tokens = "unknown" if row.tokens is None else f"{row.tokens:.0f}"
    return [
        f"{row.threshold:g}",
        f"{row.right}/{row.graded}",
        share,
        str(row.lost),
        str(row.won),
        percent(row.escalated),
        tokens,
        money(row.cost),
    ]
