"""Models on this machine: OpenVINO, llama.cpp and transformers, in this process or in one of their own."""

from stepdown.models.local.bases import (
    Base,
    BaseLocation,
    check_libraries,
    find_base,
    load_base,
    load_tokenizer,
    load_transformers,
    quiet,
    to_bf16,
)
from stepdown.models.local.chat_templates import template_of
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.freed_memory import give_memory_back
from stepdown.models.local.last_place import last_place
from stepdown.models.local.loading import PACKAGES, load_left_out, load_student
from stepdown.models.local.made_forms import MadeForm, made_forms, remove_forms
from stepdown.models.local.places import card_name, serves_by_transformers
from stepdown.models.local.scoring import Asked, TextScorer, TokenScore
from stepdown.models.local.transformers import NO_CODE, loading_folder, without_bars
from stepdown.models.weights.genai import import_genai

__all__ = [
    "NO_CODE",
    "PACKAGES",
    "Asked",
    "Base",
    "BaseLocation",
    "EmbeddedModel",
    "MadeForm",
    "TextScorer",
    "TokenScore",
    "card_name",
    "check_libraries",
    "find_base",
    "give_memory_back",
    "import_genai",
    "last_place",
    "load_base",
    "load_left_out",
    "load_student",
    "load_tokenizer",
    "load_transformers",
    "loading_folder",
    "made_forms",
    "quiet",
    "remove_forms",
    "serves_by_transformers",
    "template_of",
    "to_bf16",
    "without_bars",
]
