"""Models on this machine: OpenVINO, llama.cpp and transformers, in this process or in one of their own."""

from stepdown.models.local.chat_templates import template_of
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import PACKAGES
from stepdown.models.local.places import card_name, serves_by_transformers
from stepdown.models.local.transformers import NO_CODE, loading_folder, without_bars
from stepdown.models.weights.genai import import_genai

__all__ = [
    "NO_CODE",
    "PACKAGES",
    "EmbeddedModel",
    "card_name",
    "import_genai",
    "loading_folder",
    "serves_by_transformers",
    "template_of",
    "without_bars",
]
