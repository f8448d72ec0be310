"""Measuring beyond accuracy: preferences by judges and people, contrast sets, graders compared, cascade thresholds,
teachers for a student."""

from stepdown.measuring.cascade_goals import Goal
from stepdown.measuring.cascade_rows import ProblemOutcome, Threshold, threshold_row
from stepdown.measuring.cascades import Calibration, calibrate, makes_cascade
from stepdown.measuring.contrast import Consistency, consistency
from stepdown.measuring.judges import JudgeBudget, cached_model, judge_budget, limit_judge
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
    "Goal",
    "GraderReading",
    "JudgeBudget",
    "MeanValue",
    "PlanValue",
    "PlanValues",
    "Preference",
    "Preferences",
    "ProblemOutcome",
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
    "judge_budget",
    "limit_judge",
    "makes_cascade",
    "paired_plans",
    "prefer",
    "read_votes",
    "sensitivity",
    "suitability",
    "threshold_row",
    "value_plans",
    "write_votes",
]
