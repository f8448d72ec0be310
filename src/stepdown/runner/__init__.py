"""Solves one problem or a run of many, within a budget, and resumes."""

from stepdown.runner.api import (
    as_store,
    close_models,
    grade,
    open_store,
    plain,
    run,
    run_one,
    run_tasks,
    solve,
    solve_one,
)
from stepdown.runner.api_options import (
    ProblemOptions,
    RunOptions,
    SolveOptions,
    as_demonstrations,
    as_grader,
    as_model,
    as_problems,
    as_shard,
    check_options,
    problem_options,
    task_of,
)
from stepdown.runner.batch_client import BatchClient
from stepdown.runner.budget import Budget
from stepdown.runner.cached_model import CachedModel
from stepdown.runner.call_profiles import Constant, Estimated
from stepdown.runner.calls import Calls
from stepdown.runner.cascade import VOTING, Cascade, stream_cascade
from stepdown.runner.contamination import Contamination, TrainingOverlap, contamination_warnings, may_have_seen
from stepdown.runner.controls import CONTROLS
from stepdown.runner.deltas import ROLES, Delta, finished
from stepdown.runner.estimate import Estimate, estimate, time_together
from stepdown.runner.fresh import Fresh, FreshDraws
from stepdown.runner.grading import grade_by_workers, grade_run, keep_rubric
from stepdown.runner.held_plans import EVERY, StoredReview
from stepdown.runner.live_run import LiveCounts, RunOutcome, grade_trace, models_of
from stepdown.runner.plan_sources import PlanRow, Plans, load_plans
from stepdown.runner.prompt_choice import prompt_set_for, trained_on
from stepdown.runner.recorded import load_model_or_run, model_of_run
from stepdown.runner.request import Request
from stepdown.runner.rerun import Rerun, solve_again
from stepdown.runner.run import rare_collections, run_task, run_together
from stepdown.runner.streaming import stream_one
from stepdown.runner.task import Task
from stepdown.runner.together import ProgressCallback, Stop
from stepdown.runner.until_decided import StoppingRule, UntilDecided
from stepdown.types import Pricing

__all__ = [
    "CONTROLS",
    "EVERY",
    "ROLES",
    "VOTING",
    "BatchClient",
    "Budget",
    "CachedModel",
    "Calls",
    "Cascade",
    "Constant",
    "Contamination",
    "Delta",
    "Estimate",
    "Estimated",
    "Fresh",
    "FreshDraws",
    "LiveCounts",
    "PlanRow",
    "Plans",
    "Pricing",
    "ProblemOptions",
    "ProgressCallback",
    "Request",
    "Rerun",
    "RunOptions",
    "RunOutcome",
    "SolveOptions",
    "Stop",
    "StoppingRule",
    "StoredReview",
    "Task",
    "TrainingOverlap",
    "UntilDecided",
    "as_demonstrations",
    "as_grader",
    "as_model",
    "as_problems",
    "as_shard",
    "as_store",
    "check_options",
    "close_models",
    "contamination_warnings",
    "estimate",
    "finished",
    "grade",
    "grade_by_workers",
    "grade_run",
    "grade_trace",
    "keep_rubric",
    "load_model_or_run",
    "load_plans",
    "may_have_seen",
    "model_of_run",
    "models_of",
    "open_store",
    "plain",
    "problem_options",
    "prompt_set_for",
    "rare_collections",
    "run",
    "run_one",
    "run_task",
    "run_tasks",
    "run_together",
    "solve",
    "solve_again",
    "solve_one",
    "stream_cascade",
    "stream_one",
    "task_of",
    "time_together",
    "trained_on",
]
