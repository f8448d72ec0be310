"""Training: corpora from runs, student folders from a corpus and a base, and studies of what the students learned."""

from stepdown.models.local import find_base
from stepdown.training.checks import check_content
from stepdown.training.contamination import check_allowed, refuse_overlap, refuse_tests
from stepdown.training.datasets import TrainingProgress
from stepdown.training.equal_tokens import at_equal_tokens
from stepdown.training.jobs import student_folders
from stepdown.training.loop import train
from stepdown.training.mending import mend, mending_task, write_mended, wrong_attempts
from stepdown.training.pairs import write_preferences
from stepdown.training.plan_lessons import check_kept, write_plan_pairs, write_valued_plans
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
from stepdown.training.settings import REFUSALS, USUAL_BETAS, Training
from stepdown.training.students.adapters import leave_out_weights, restore_weights
from stepdown.training.students.curves import read_log
from stepdown.training.students.folder import export_student
from stepdown.training.studies import (
    CellComparison,
    CellScore,
    StudyFindings,
    add_score_to_card,
    cell_score,
    compare_cells,
    compare_pairs,
    contamination_lines,
)
from stepdown.training.study_grid import Cell, StudyGrid
from stepdown.training.study_tables import TESTED, half_widths, write_study
from stepdown.training.study_text import TrainingStudyText, training_study_text
from stepdown.training.teacher_checks import with_teacher
from stepdown.training.world import launched

__all__ = [
    "CHAINS",
    "GOLD",
    "REFUSALS",
    "SAMPLING",
    "TESTED",
    "USUAL_BETAS",
    "Cell",
    "CellComparison",
    "CellScore",
    "StudyFindings",
    "StudyGrid",
    "Training",
    "TrainingProgress",
    "TrainingStudyText",
    "add_score_to_card",
    "at_equal_tokens",
    "cell_score",
    "check_allowed",
    "check_content",
    "check_kept",
    "compare_cells",
    "compare_pairs",
    "contamination_lines",
    "export_student",
    "find_base",
    "half_widths",
    "launched",
    "leave_out_weights",
    "mend",
    "mending_task",
    "read_log",
    "refuse_overlap",
    "refuse_tests",
    "restore_weights",
    "sample",
    "sampling_task",
    "student_folders",
    "train",
    "training_study_text",
    "with_teacher",
    "write_chains",
    "write_gold",
    "write_mended",
    "write_plan_pairs",
    "write_plans",
    "write_preferences",
    "write_study",
    "write_valued_plans",
    "wrong_attempts",
]
