"""The statistics of reports: intervals, paired tests, power, what k samples give; pure Python, each with its source."""

from stepdown.stats.agreement import Agreement, agreement, nominal, squared
from stepdown.stats.crossed_precision import crossed_half_width
from stepdown.stats.drift import drift, vouched_interval
from stepdown.stats.frontier import frontier
from stepdown.stats.guarantees import (
    binomial_below,
    fixed_sequence,
    mean_not_below,
    observations_needed,
    upper_bound,
)
from stepdown.stats.learning_curves import CurveTrial, LearningCurve, learning_curves
from stepdown.stats.nested import Outcomes, VariancePart, VarianceSplit, variance_split
from stepdown.stats.noise import PairedNoise, paired_noise
from stepdown.stats.pairs import (
    Difference,
    crossed_difference,
    gain_interval,
    holm,
    independent_interval,
    mcnemar_exact,
    mean_interval,
    paired_interval,
    ratio_of_means_interval,
    relative_gain,
)
from stepdown.stats.power import mcnemar_power, minimum_detectable_difference, sample_size
from stepdown.stats.prediction_powered import MarkSums, PoweredMean, powered_mean, powered_of
from stepdown.stats.samples import majority_at, pass_at
from stepdown.stats.sequential import PairedSequence, gain_at_any_time, share_interval
from stepdown.stats.shares import (
    Interval,
    binomial_test,
    clustered_interval,
    crossed_interval,
    ratio_interval,
    wilson,
)

__all__ = [
    "Agreement",
    "CurveTrial",
    "Difference",
    "Interval",
    "LearningCurve",
    "MarkSums",
    "Outcomes",
    "PairedNoise",
    "PairedSequence",
    "PoweredMean",
    "VariancePart",
    "VarianceSplit",
    "agreement",
    "binomial_below",
    "binomial_test",
    "clustered_interval",
    "crossed_difference",
    "crossed_half_width",
    "crossed_interval",
    "drift",
    "fixed_sequence",
    "frontier",
    "gain_at_any_time",
    "gain_interval",
    "holm",
    "independent_interval",
    "learning_curves",
    "majority_at",
    "mcnemar_exact",
    "mcnemar_power",
    "mean_interval",
    "mean_not_below",
    "minimum_detectable_difference",
    "nominal",
    "observations_needed",
    "paired_interval",
    "paired_noise",
    "pass_at",
    "powered_mean",
    "powered_of",
    "ratio_interval",
    "ratio_of_means_interval",
    "relative_gain",
    "sample_size",
    "share_interval",
    "squared",
    "upper_bound",
    "variance_split",
    "vouched_interval",
    "wilson",
]
