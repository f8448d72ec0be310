"""Step reasoning down from big language models to small ones: by prompt, or by training.

The public names are loaded when first used, so `import stepdown` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from stepdown.version import __version__

if TYPE_CHECKING:
    from stepdown.audits import audit
    from stepdown.corpus import Card, Corpus, CorpusWriter, open_corpus, target
    from stepdown.custom import CustomModel
    from stepdown.errors import StepdownError
    from stepdown.exchange import export_corpus, export_run, import_corpus, import_traces
    from stepdown.graders import judged_by, load_grader
    from stepdown.measuring import consistency, prefer, value_plans
    from stepdown.methods import load_method
    from stepdown.models import Prices, RecordedModel, ScriptedModel, load_model
    from stepdown.problems import Columns, Problems, datasets, load_problems
    from stepdown.prompts import PromptSet, load_prompts
    from stepdown.reports import report
    from stepdown.runner import Budget, Plans, Task, grade, load_plans, open_store, run, run_tasks, solve
    from stepdown.store import Run, Store
    from stepdown.training import (
        Training,
        export_student,
        mend,
        sample,
        train,
        write_chains,
        write_plan_pairs,
        write_plans,
        write_preferences,
        write_valued_plans,
    )
    from stepdown.types import (
        Ask,
        Call,
        Capabilities,
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
    from stepdown.web import open_page

_HOMES = {
    "audits": ("audit",),
    "corpus": ("Card", "Corpus", "CorpusWriter", "open_corpus", "target"),
    "training": (
        "Training",
        "export_student",
        "mend",
        "sample",
        "train",
        "write_chains",
        "write_plan_pairs",
        "write_plans",
        "write_preferences",
        "write_valued_plans",
    ),
    "custom": ("CustomModel",),
    "errors": ("StepdownError",),
    "exchange": ("export_corpus", "export_run", "import_corpus", "import_traces"),
    "graders": ("judged_by", "load_grader"),
    "methods": ("load_method",),
    "models": ("Prices", "RecordedModel", "ScriptedModel", "load_model"),
    "problems": ("Columns", "Problems", "datasets", "load_problems"),
    "prompts": ("PromptSet", "load_prompts"),
    "measuring": ("consistency", "prefer", "value_plans"),
    "reports": ("report",),
    "runner": ("Budget", "Plans", "Task", "grade", "load_plans", "open_store", "run", "run_tasks", "solve"),
    "store": ("Run", "Store"),
    "web": ("open_page",),
    "types": (
        "Ask",
        "Call",
        "Capabilities",
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
    "Capabilities",
    "Card",
    "Chain",
    "Columns",
    "Corpus",
    "CorpusWriter",
    "CustomModel",
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
    "__version__",
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
    "mend",
    "open_corpus",
    "open_page",
    "open_store",
    "prefer",
    "report",
    "run",
    "run_tasks",
    "sample",
    "solve",
    "target",
    "train",
    "value_plans",
    "write_chains",
    "write_plan_pairs",
    "write_plans",
    "write_preferences",
    "write_valued_plans",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"stepdown has no `{name}`")
    return getattr(import_module(f"stepdown.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
