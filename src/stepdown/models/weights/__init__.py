"""Weights: what can be fetched, from where, and what lies in files and student folders."""

from stepdown.models.weights.cache import file_hash, known_hash, models_folder
from stepdown.models.weights.catalogue import CATALOGUE, Weights, find_weights
from stepdown.models.weights.downloads import fetch, fetched
from stepdown.models.weights.gguf import read_header, require_gguf
from stepdown.models.weights.sources import Progress
from stepdown.models.weights.student_readme import student_readme
from stepdown.models.weights.students import (
    CARD,
    GGUF,
    PLAIN_TEMPLATE,
    WEIGHTS,
    SeenQuestions,
    StudentCard,
    StudentScore,
    TrainingData,
    check_folder,
    check_safetensors,
    find_folder,
    read_card,
    seen_by,
)

__all__ = [
    "CARD",
    "CATALOGUE",
    "GGUF",
    "PLAIN_TEMPLATE",
    "WEIGHTS",
    "Progress",
    "SeenQuestions",
    "StudentCard",
    "StudentScore",
    "TrainingData",
    "Weights",
    "check_folder",
    "check_safetensors",
    "fetch",
    "fetched",
    "file_hash",
    "find_folder",
    "find_weights",
    "known_hash",
    "models_folder",
    "read_card",
    "read_header",
    "require_gguf",
    "seen_by",
    "student_readme",
]
