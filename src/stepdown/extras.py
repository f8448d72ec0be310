"""The optional parts of an installation: what each is for, what shows that it is there, and what a command lacks."""

import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from stepdown.errors import MissingExtra

# Windows has no uvloop, and goes without.
_FAST = ("httptools",) if sys.platform == "win32" else ("httptools", "uvloop")
_TRAINING = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "polars", "gguf")
_CLOUD = ("fsspec", "s3fs", "gcsfs", "huggingface_hub", "polars", "numpy")
# What each extra is for, and the modules that show it is installed.
EXTRAS = {
    "embedded": ("models in this process", ("openvino_genai", "xllamacpp", "gguf")),
    "math": ("grading LaTeX expressions", ("math_verify",)),
    "data": ("corpora and other parquet files", ("polars", "numpy")),
    "report": ("charts in html reports", ("altair", "vl_convert")),
    "hub": ("data sets and weights from the hub", ("huggingface_hub", "polars")),
    "inspect": ("logs of Inspect", ("zstandard",)),
    "harness": ("task files of lm-evaluation-harness", ("yaml", "regex")),
    "mcp": ("runs for clients of the Model Context Protocol", ("mcp",)),
    "trackio": ("trainings and runs in trackio, on this machine", ("trackio",)),
    "mlflow": ("trainings and runs in mlflow", ("mlflow",)),
    "wandb": ("trainings and runs in wandb, offline", ("wandb",)),
    "otel": ("calls as spans of OpenTelemetry", ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")),
    "fast": ("calls that take less of a processor", _FAST),
    "ray": ("models and computing on every node of a Ray cluster", ("ray",)),
    "cloud": ("corpora in object stores: `s3://`, `gs://`, `hf://`", _CLOUD),
    "train": ("training students, serving those without a model.gguf", _TRAINING),
}


def has(module: str) -> bool:
    """Whether a module is installed; it is not imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def missing(extra: str) -> tuple[str, ...]:
    """Return the modules of an extra that are not installed."""
    return tuple(module for module in EXTRAS[extra][1] if not has(module))


def require(extras: Iterable[str], purpose: str) -> None:
    """Raise `MissingExtra`, naming all that is missing at once, unless all these extras are installed."""
    lacking = {extra: absent for extra in dict.fromkeys(extras) if (absent := missing(extra))}
    if lacking:
        modules = dict.fromkeys(module for absent in lacking.values() for module in absent)
        raise MissingExtra("`, `".join(modules), ",".join(lacking), purpose)


def load_polars() -> Any:
    """Return the polars module; raise `MissingExtra` where it is not installed."""
    try:
        return import_module("polars")
    except ImportError as error:
        raise MissingExtra("polars", "data", "reading parquet files") from error


def load_numpy() -> Any:
    """Return the numpy module; raise `MissingExtra` where it is not installed."""
    try:
        return import_module("numpy")
    except ImportError as error:
        raise MissingExtra("numpy", "data", "selecting chains") from error
