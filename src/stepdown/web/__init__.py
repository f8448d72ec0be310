"""The doors in a browser: pages to watch, read and edit at `/`, and an OpenAI-compatible endpoint at `/v1`."""

from stepdown.web.config import load_config
from stepdown.web.state import ModelPlaces, State

__all__ = [
    "ModelPlaces",
    "State",
    "load_config",
]
