"""In and out: the authors' traces CSV, whole runs as jsonl, flat tables; chains, and data to tune models on."""

from stepdown.exchange.corpora import import_corpus
from stepdown.exchange.inward import import_traces
from stepdown.exchange.lines import TraceLine, describe
from stepdown.exchange.outward import FORMATS, export_run
from stepdown.exchange.tuning import TUNING_FORMATS, export_corpus

__all__ = [
    "FORMATS",
    "TUNING_FORMATS",
    "TraceLine",
    "describe",
    "export_corpus",
    "export_run",
    "import_corpus",
    "import_traces",
]
