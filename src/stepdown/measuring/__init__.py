"""Measuring beyond accuracy: preferences by judges and people, contrast sets, graders compared, cascade thresholds,
teachers for a student."""

from stepdown.measuring.cascade_goals import Goal
from stepdown.measuring.cascade_rows import ProblemOutcome, Threshold, threshold_row
from stepdown.measuring.cascades import Calibration, calibrate, makes_cascade
from stepdown.measuring.contrast import Consistency, consistency
from stepdown.measuring.judges import JudgeBudget, cached_model, judge_budget, limit_judge
from stepdown.measuring.mark_files import (
    MarkQuestion,
    drawn_places,
    mark_of,
    marks_on,
    questions_of,
    read_marks,
    write_marks,
)
from stepdown.measuring.people_and_judges import (
    CorrectedMean,
    RunMarks,
    is_marked,
    people_say,
    rubric_behind,
    rubrics_of,
    run_marks,
)
from stepdown.measuring.plan_values import MeanValue, PlanValue, PlanValues, ValuedPlan, paired_plans, value_plans
from stepdown.measuring.preferences import AT_ONCE, Candidates, Preference, Preferences, Where, candidates, prefer
from stepdown.measuring.sensitivity import GRADERS, GraderReading, Sensitivity, sensitivity
from stepdown.measuring.teachers import By, SuitabilityTable, TeacherSuitability, suitability
from stepdown.measuring.votes import read_votes, write_votes

__all__ = [
    "AT_ONCE",
    "GRADERS",
    "By",
    "Calibration",
    "Candidates",
    "Consistency",
    "CorrectedMean",
    "Goal",
    "GraderReading",
    "JudgeBudget",
    "MarkQuestion",
    "MeanValue",
    "PlanValue",
    "PlanValues",
    "Preference",
    "Preferences",
    "ProblemOutcome",
    "RunMarks",
    "Sensitivity",
    "SuitabilityTable",
    "TeacherSuitability",
    "Threshold",
    "ValuedPlan",
    "Where",
    "cached_model",
    "calibrate",
    "candidates",
    "consistency",
    "drawn_places",
    "is_marked",
    "judge_budget",
    "limit_judge",
    "makes_cascade",
    "mark_of",
    "marks_on",
    "paired_plans",
    "people_say",
    "prefer",
    "questions_of",
    "read_marks",
    "read_votes",
    "rubric_behind",
    "rubrics_of",
    "run_marks",
    "sensitivity",
    "suitability",
    "threshold_row",
    "value_plans",
    "write_marks",
    "write_votes",
]
