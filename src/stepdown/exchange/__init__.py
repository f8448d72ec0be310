"""In and out: the authors' traces CSV, whole runs as jsonl, flat tables; chains, and data to tune models on."""

from stepdown.exchange.corpus_exporters import TUNING_FORMATS, export_corpus
from stepdown.exchange.corpus_importers import import_corpus
from stepdown.exchange.run_exporters import FORMATS, as_exporter, export_run
from stepdown.exchange.run_importers import import_traces

__all__ = [
    "FORMATS",
    "TUNING_FORMATS",
    "as_exporter",
    "export_corpus",
    "export_run",
    "import_corpus",
    "import_traces",
]
