"""Whether a share has left what a sample once vouched for, told question by question, however long one watches."""

from stepdown.stats.guarantees import upper_bound
from stepdown.stats.sequential import share_interval
from stepdown.stats.shares import Interval

# Half of the 5 % of false alarms is for a sample that was unlucky, half for what comes later.
SURE = 0.975


def vouched_interval(count: int, total: int, *, looks: int = 1) -> Interval:
    """Return the exact interval of a share that `count` of `total` vouch for, of one of so many shares that were seen.

    Clopper & Pearson (1934), with Bonferroni's correction: whichever was picked, its interval holds it with 97.5 %.
    """
    side = 1 - (1 - SURE) / (2 * looks)
    return 1 - upper_bound(total - count, total, side), upper_bound(count, total, side)


def drift(count: int, total: int, vouched: Interval) -> int:
    """Return 1 where a share is above its interval, -1 where below, 0 where nothing says so.

    It may be asked after each observation: the interval of what is seen holds at all times together, so that one whose
    share stays within `vouched` (from `vouched_interval`) is ever told of with a chance of at most 5 % in all.
    """
    low, high = share_interval(count, total, SURE)
    return 1 if low > vouched[1] else -1 if high < vouched[0] else 0
