"""In and out: the authors' traces CSV, whole runs as jsonl, flat tables; chains, and data to tune models on."""

from stepdown.exchange.corpus_exporters import TUNING_FORMATS, export_corpus
from stepdown.exchange.corpus_importers import import_corpus
from stepdown.exchange.dspy_rows import dspy_examples, dspy_metric
from stepdown.exchange.lm_eval_harness_tasks import HarnessTask, load_task, part_of_task
from stepdown.exchange.other_verdicts import OtherVerdicts, other_verdicts
from stepdown.exchange.run_exporters import FORMATS, as_exporter, export_run
from stepdown.exchange.run_importers import import_traces

__all__ = [
    "FORMATS",
    "TUNING_FORMATS",
    "HarnessTask",
    "OtherVerdicts",
    "as_exporter",
    "dspy_examples",
    "dspy_metric",
    "export_corpus",
    "export_run",
    "import_corpus",
    "import_traces",
    "load_task",
    "other_verdicts",
    "part_of_task",
]
