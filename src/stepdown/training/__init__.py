"""Training: corpora from runs, student folders from a corpus and a base, and studies of what the students learned."""

from stepdown.training.contamination import check_allow, refuse_overlap, refuse_tests
from stepdown.training.datasets import TrainingProgress
from stepdown.training.loop import train
from stepdown.training.pairs import write_preferences
from stepdown.training.sampling import (
    CHAINS,
    GOLD,
    SAMPLING,
    sample,
    sampling_task,
    write_chains,
    write_gold,
    write_plans,
)
from stepdown.training.settings import REFUSALS, Training
from stepdown.training.students.folder import export_student
from stepdown.training.studies import (
    TESTED,
    Cell,
    Compared,
    Grid,
    Score,
    StudyFindings,
    compare,
    note_score,
    score,
    trained_on,
    write_findings,
)
from stepdown.training.world import launched

__all__ = [
    "CHAINS",
    "GOLD",
    "REFUSALS",
    "SAMPLING",
    "TESTED",
    "Cell",
    "Compared",
    "Grid",
    "Score",
    "StudyFindings",
    "Training",
    "TrainingProgress",
    "check_allow",
    "compare",
    "export_student",
    "launched",
    "note_score",
    "refuse_overlap",
    "refuse_tests",
    "sample",
    "sampling_task",
    "score",
    "train",
    "trained_on",
    "write_chains",
    "write_findings",
    "write_gold",
    "write_plans",
    "write_preferences",
]
