"""Solves one problem or a run of many, within a budget, and resumes."""

from stepdown.runner.api import (
    close_models,
    grade,
    grade_run,
    open_store,
    plain,
    run,
    run_tasks,
    solve,
    solve_one,
)
from stepdown.runner.budget import Budget
from stepdown.runner.cached_model import CachedModel
from stepdown.runner.calls import Calls
from stepdown.runner.controls import CONTROLS
from stepdown.runner.deltas import Delta
from stepdown.runner.estimate import Estimate, estimate
from stepdown.runner.options import ProblemOptions, RunOptions, SolveOptions, as_problems, check_options, task_of
from stepdown.runner.plans import PlanRow, Plans, load_plans
from stepdown.runner.prompt_choice import prompt_set_for, trained_on
from stepdown.runner.recorded import load_model_or_run, model_of_run
from stepdown.runner.request import Request
from stepdown.runner.run import RunCounts, RunOutcome, Stop, run_task
from stepdown.runner.streaming import stream_one
from stepdown.runner.task import Task
from stepdown.types import Pricing

__all__ = [
    "CONTROLS",
    "Budget",
    "CachedModel",
    "Calls",
    "Delta",
    "Estimate",
    "PlanRow",
    "Plans",
    "Pricing",
    "ProblemOptions",
    "Request",
    "RunCounts",
    "RunOptions",
    "RunOutcome",
    "SolveOptions",
    "Stop",
    "Task",
    "as_problems",
    "check_options",
    "close_models",
    "estimate",
    "grade",
    "grade_run",
    "load_model_or_run",
    "load_plans",
    "model_of_run",
    "open_store",
    "plain",
    "prompt_set_for",
    "run",
    "run_task",
    "run_tasks",
    "solve",
    "solve_one",
    "stream_one",
    "task_of",
    "trained_on",
]
