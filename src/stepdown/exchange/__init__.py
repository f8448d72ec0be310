"""In and out: the authors' traces CSV, whole runs as jsonl, flat tables as csv and parquet."""

from stepdown.exchange.inward import import_traces
from stepdown.exchange.lines import TraceLine, describe
from stepdown.exchange.outward import FORMATS, export_run

__all__ = ["FORMATS", "TraceLine", "describe", "export_run", "import_traces"]
