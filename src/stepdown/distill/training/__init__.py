"""Training: from a corpus of chains and a base to student folders."""

from stepdown.distill.training.lessons import Progressed
from stepdown.distill.training.loop import train
from stepdown.distill.training.settings import REFUSALS, Training

__all__ = ["REFUSALS", "Progressed", "Training", "train"]
