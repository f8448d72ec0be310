"""The statistics of reports: intervals, paired tests, power, what k samples give; pure Python, each with its source."""

from stepdown.stats.frontier import frontier
from stepdown.stats.pairs import (
    Difference,
    crossed_difference,
    gain_interval,
    holm,
    mcnemar_exact,
    paired_interval,
    relative_gain,
)
from stepdown.stats.power import mcnemar_power, minimum_detectable_difference, sample_size
from stepdown.stats.samples import majority_at, pass_at
from stepdown.stats.shares import Interval, binomial_test, clustered_interval, crossed_interval, wilson

__all__ = [
    "Difference",
    "Interval",
    "binomial_test",
    "clustered_interval",
    "crossed_difference",
    "crossed_interval",
    "frontier",
    "gain_interval",
    "holm",
    "majority_at",
    "mcnemar_exact",
    "mcnemar_power",
    "minimum_detectable_difference",
    "paired_interval",
    "pass_at",
    "relative_gain",
    "sample_size",
    "wilson",
]
