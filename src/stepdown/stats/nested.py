"""How much of what varies in right and wrong lies between problems, between plans of one, between solutions by one."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from stepdown.stats.distributions import student_quantile
from stepdown.stats.shares import Interval

# Of each plan of a problem: how many of its graded solutions are right, and how many there are.
Outcomes = tuple[tuple[int, int], ...]
_Sums = tuple[float, ...]


class VariancePart(msgspec.Struct, frozen=True):
    """A variance (of 0 and 1, so at most a quarter in all), its 95 % interval, and its share of the whole."""

    value: float
    low: float
    high: float
    share: float


class VarianceSplit(msgspec.Struct, frozen=True):
    """The variance between problems, between plans of a problem and between solutions by one plan.

    Over `over` problems with `plans_tried` plans in all.
    """

    problems: VariancePart
    plans: VariancePart
    solutions: VariancePart
    over: int
    plans_tried: int

    def solutions_a_plan(self, plan: float, solution: float) -> float | None:
        """Return how many solutions of a plan tell most of a method for what they and their plan take.

        `plan` and `solution` are what one takes, in any unit. Cochran (1977), Sampling Techniques, section 10.6: the
        root of their ratio times that of the variances. None where plans do not differ: then one plan is enough.
        """
        if not self.plans.value or not solution:
            return None
        return max(1.0, math.sqrt(plan / solution * self.solutions.value / self.plans.value))


def variance_split(problems: Mapping[Outcomes, int], confidence: float = 0.95) -> VarianceSplit | None:
    """Split the variance of right and wrong, given how many problems have each outcome; None where nothing can tell.

    Moments of the nested analysis of variance with unequal numbers (Searle, Casella & McCulloch 1992, Variance
    Components, section 5.3, Henderson's method I): what is expected of its mean squares is solved for the variances,
    none of which is reported below 0. Intervals by the jackknife over problems (Efron & Stein 1981, Ann. Stat. 9:
    586-596) with Student's t. It takes two problems, one with two plans and one plan with two solutions.
    """
    cells = {some: number for one, number in problems.items() if (some := tuple(pair for pair in one if pair[1]))}
    sums = {one: _sums(one) for one in cells}
    count = sum(cells.values())
    every = ([number * value for value in sums[one]] for one, number in cells.items())
    total = tuple(map(math.fsum, zip(*every, strict=True)))
    found = _components(total) if count > 1 else None
    if found is None:
        return None
    left_out = {one: _components(tuple(map(float.__sub__, total, sums[one]))) or found for one in cells}
    factor = student_quantile(confidence, count - 1)
    intervals = []
    for part in range(3):
        mean = math.fsum(number * left_out[one][part] for one, number in cells.items()) / count
        spread = math.fsum(number * (left_out[one][part] - mean) ** 2 for one, number in cells.items())
        half = factor * math.sqrt(spread * (count - 1) / count)
        # Where the moments say less than nothing, what is not known is still as wide.
        intervals.append((max(0.0, found[part] - half), max(0.0, found[part]) + half))
    return _split(found, intervals, count, round(total[1]))


def _split(found: Sequence[float], intervals: Sequence[Interval], count: int, plans: int) -> VarianceSplit:
    values = [max(0.0, one) for one in found]
    whole = sum(values)
    problem, plan, solution = (
        VariancePart(value, *interval, value / whole if whole else 0.0)
        for value, interval in zip(values, intervals, strict=True)
    )
    return VarianceSplit(problem, plan, solution, count, plans)


def _sums(plans: Outcomes) -> _Sums:
    """What one problem adds to the sums that the mean squares are made of."""
    drawn, right = sum(graded for _, graded in plans), sum(right for right, _ in plans)
    return (
        1.0,
        float(len(plans)),
        float(drawn),
        float(right),
        right * right / drawn,
        math.fsum(one * one / graded for one, graded in plans),
        math.fsum(graded * graded for _, graded in plans),
        math.fsum(graded * graded for _, graded in plans) / drawn,
        float(drawn * drawn),
    )


def _components(sums: _Sums) -> tuple[float, float, float] | None:
    """The variances between problems, plans and solutions, each as the moments say, below 0 too."""
    problems, plans, drawn, right, by_problem, by_plan, plan_squares, plan_shares, problem_squares = sums
    if problems < 2 or plans <= problems or drawn <= plans:
        return None
    # Of 0 and 1 the sum of squares is the number of right ones.
    solutions = (right - by_plan) / (drawn - plans)
    between_plans = (by_plan - by_problem) / (plans - problems)
    between_problems = (by_problem - right * right / drawn) / (problems - 1)
    plan = (between_plans - solutions) / ((drawn - plan_shares) / (plans - problems))
    in_problems = (plan_shares - plan_squares / drawn) / (problems - 1)
    weight = (drawn - problem_squares / drawn) / (problems - 1)
    return (between_problems - solutions - in_problems * plan) / weight, plan, solutions
