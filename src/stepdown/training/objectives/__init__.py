"""Objectives by name: what is learned from a corpus, and with which loss."""

from collections.abc import Callable

from stepdown.errors import UnknownName
from stepdown.training.objective import Batch, Loss, Objective, TrainingExample
from stepdown.training.objectives.dpo import DirectPreferenceOptimization, LengthNormalizedDPO
from stepdown.training.objectives.on_policy import OnPolicyDistillation
from stepdown.training.objectives.sft import SupervisedFineTuning
from stepdown.training.settings import Training

__all__ = ["OBJECTIVES", "Batch", "Loss", "Objective", "TrainingExample", "learning_rate", "load_objective"]

OBJECTIVES: dict[str, Callable[[Training], Objective]] = {
    "sft": SupervisedFineTuning,
    "dpo": DirectPreferenceOptimization,
    "dpo-norm": LengthNormalizedDPO,
    "on-policy": OnPolicyDistillation,
}


def load_objective(training: Training) -> Objective:
    """Return the objective of a training. Raises `UnknownName`, and `UsageError` for settings it has no use for."""
    if training.objective not in OBJECTIVES:
        raise UnknownName("objective", training.objective, OBJECTIVES)
    return OBJECTIVES[training.objective](training)


def learning_rate(training: Training) -> float:
    """Return the learning rate at its peak: as set, or the objective's usual one."""
    if training.learning_rate is not None:
        return training.learning_rate
    return load_objective(training).rates[training.full]
