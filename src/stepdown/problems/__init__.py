"""Where questions come from: benchmarks, files of one's own, and generated word sums, all streamed."""

from stepdown.problems import gsm8k, hendrycks_math
from stepdown.problems.benchmarks import Dataset
from stepdown.problems.choices import gold_letter, read_choices, split_inline
from stepdown.problems.files import Columns, read_problem
from stepdown.problems.golds import plain_number
from stepdown.problems.loading import (
    Fingerprint,
    Problems,
    ProblemSetSummary,
    as_problems,
    data_file,
    datasets,
    files_on_hub,
    hub_files,
    is_on_hub,
    load_problems,
)
from stepdown.problems.perturbing import CHANGES, Perturbed, perturb, write_perturbed
from stepdown.problems.tests_at_hand import at_hand, is_at_hand, is_test

__all__ = [
    "CHANGES",
    "Columns",
    "Dataset",
    "Fingerprint",
    "Perturbed",
    "ProblemSetSummary",
    "Problems",
    "as_problems",
    "at_hand",
    "data_file",
    "datasets",
    "files_on_hub",
    "gold_letter",
    "gsm8k",
    "hendrycks_math",
    "hub_files",
    "is_at_hand",
    "is_on_hub",
    "is_test",
    "load_problems",
    "perturb",
    "plain_number",
    "read_choices",
    "read_problem",
    "split_inline",
    "write_perturbed",
]
