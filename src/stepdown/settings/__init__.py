"""What a run is, declared once: the command line, the form, `stepdown.toml` and `/v1` derive from it."""

from stepdown.settings.options import Option, Share, arguments, check, options_of
from stepdown.settings.run_settings import (
    FORM,
    BatchSettings,
    BudgetSettings,
    EndpointSettings,
    GridSettings,
    ProblemSettings,
    RunBudgetSettings,
    RunSettings,
    ShardSettings,
    StoppingSettings,
)
from stepdown.settings.sampling import (
    DRAWN,
    PLANNING,
    ChainSampling,
    Drawing,
    RunSampling,
    StudySampling,
    chosen,
    in_words,
)

__all__ = [
    "DRAWN",
    "FORM",
    "PLANNING",
    "BatchSettings",
    "BudgetSettings",
    "ChainSampling",
    "Drawing",
    "EndpointSettings",
    "GridSettings",
    "Option",
    "ProblemSettings",
    "RunBudgetSettings",
    "RunSampling",
    "RunSettings",
    "ShardSettings",
    "Share",
    "StoppingSettings",
    "StudySampling",
    "arguments",
    "check",
    "chosen",
    "in_words",
    "options_of",
]
