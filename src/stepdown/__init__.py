"""Step reasoning down from big language models to small ones: by prompt, or by training.

The public names are loaded when first used, so `import stepdown` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stepdown.audits import audit
    from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus, target
    from stepdown.distill.folders import export_student
    from stepdown.distill.preferences import prefer
    from stepdown.distill.sampling import sample, write_chains, write_plans
    from stepdown.distill.training import Training, train
    from stepdown.errors import StepdownError
    from stepdown.exchange import export_corpus, export_run, import_corpus, import_traces
    from stepdown.graders import judged_by, load_grader
    from stepdown.methods import load_method
    from stepdown.models import Prices, RecordedModel, ScriptedModel, load_model
    from stepdown.problems import Columns, Problems, datasets, load_problems
    from stepdown.prompts import PromptSet, load_prompts
    from stepdown.reports import consistency, report
    from stepdown.runner import Budget, Plans, Task, grade, load_plans, open_store, run, run_tasks, solve
    from stepdown.store import Run, Store
    from stepdown.types import (
        Ask,
        Call,
        Chain,
        Grade,
        Grader,
        Message,
        Method,
        Model,
        Plan,
        Problem,
        Prompt,
        Reply,
        Sampling,
        Settings,
        Trace,
        Usage,
    )

__version__ = "0.1.0"

_HOMES = {
    "audits": ("audit",),
    "corpus": ("Card", "Corpus", "CorpusWriter", "open_corpus", "target"),
    "distill.folders": ("export_student",),
    "distill.preferences": ("prefer",),
    "distill.sampling": ("sample", "write_chains", "write_plans"),
    "distill.training": ("Training", "train"),
    "errors": ("StepdownError",),
    "exchange": ("export_corpus", "export_run", "import_corpus", "import_traces"),
    "graders": ("judged_by", "load_grader"),
    "methods": ("load_method",),
    "models": ("Prices", "RecordedModel", "ScriptedModel", "load_model"),
    "problems": ("Columns", "Problems", "datasets", "load_problems"),
    "prompts": ("PromptSet", "load_prompts"),
    "reports": ("consistency", "report"),
    "runner": ("Budget", "Plans", "Task", "grade", "load_plans", "open_store", "run", "run_tasks", "solve"),
    "store": ("Run", "Store"),
    "types": (
        "Ask",
        "Call",
        "Chain",
        "Grade",
        "Grader",
        "Message",
        "Method",
        "Model",
        "Plan",
        "Problem",
        "Prompt",
        "Reply",
        "Sampling",
        "Settings",
        "Trace",
        "Usage",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Ask",
    "Budget",
    "Call",
    "Card",
    "Chain",
    "Columns",
    "Corpus",
    "CorpusWriter",
    "Grade",
    "Grader",
    "Message",
    "Method",
    "Model",
    "Plan",
    "Plans",
    "Prices",
    "Problem",
    "Problems",
    "Prompt",
    "PromptSet",
    "RecordedModel",
    "Reply",
    "Run",
    "Sampling",
    "ScriptedModel",
    "Settings",
    "StepdownError",
    "Store",
    "Task",
    "Trace",
    "Training",
    "Usage",
    "audit",
    "consistency",
    "datasets",
    "export_corpus",
    "export_run",
    "export_student",
    "grade",
    "import_corpus",
    "import_traces",
    "judged_by",
    "load_grader",
    "load_method",
    "load_model",
    "load_plans",
    "load_problems",
    "load_prompts",
    "open_corpus",
    "open_store",
    "prefer",
    "report",
    "run",
    "run_tasks",
    "sample",
    "solve",
    "target",
    "train",
    "write_chains",
    "write_plans",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"stepdown has no `{name}`")
    return getattr(import_module(f"stepdown.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
