"""What a model folder says beside its weights that changes a reply: part of its identity.

Weights, `tokenizer.json`, `chat_template.jinja` and `config.json` are hashed whole. Of the other files counts what
these do not say already, so that a folder in which all agree has the identity that its weights gave it before.
"""

import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stepdown.models.weights.cache import known_hash
from stepdown.types import fingerprint

_HASHED = "tokenizer.json"
# What stands for a vocabulary where there is no tokenizer.json.
_VOCABULARY = ("vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json", "special_tokens_map.json")
# Where a driver of a graphics card is, its devices lie here: NVIDIA's, AMD's, and Windows' for Linux.
_CARDS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def folder_hash(folder: Path) -> str:
    """Return what stands for a folder that transformers serves: its weights and the words around them."""
    files = sorted(folder.glob("*.safetensors"))
    words = [folder / file for file in ("tokenizer.json", "chat_template.jinja", "config.json")]
    hashes = [known_hash(file) for file in [*files, *words, *vocabulary_files(folder)] if file.exists()]
    return fingerprint([*hashes, *identity_settings(folder)])


def identity_settings(folder: Path) -> list[str]:
    """Return, sorted, what the small files say otherwise than config.json and tokenizer.json; mostly nothing."""
    config, tokens = _object(folder / "config.json"), _object(folder / "tokenizer_config.json")
    ends = _numbers(config.get("eos_token_id"))
    later = _numbers(_object(folder / "generation_config.json").get("eos_token_id"))
    facts = {"ends": sorted(later) if later and later != ends else None, "template": tokens.get("chat_template")}
    numbers = {one.get("content"): one.get("id") for one in _listed(_object(folder / _HASHED).get("added_tokens"))}
    for name in ("bos", "eos"):
        token = tokens.get(f"{name}_token")
        text = token.get("content") if isinstance(token, dict) else token
        usual = text is None or numbers.get(text) in _numbers(config.get(f"{name}_token_id"))
        facts |= {name: None if usual else text, f"add {name}": tokens.get(f"add_{name}_token") or None}
    return sorted(json.dumps([name, value]) for name, value in facts.items() if value)


def vocabulary_files(folder: Path) -> list[Path]:
    """Return the files that hold a folder's vocabulary where it has no tokenizer.json."""
    return [] if (folder / _HASHED).exists() else [folder / name for name in _VOCABULARY if (folder / name).is_file()]


def device() -> str:
    """Return where transformers computes here: `cuda`, or "" for the CPU; loads torch only where there is a card.

    On a card weights are read as they are stored, on a CPU as float32, so that replies differ.
    """
    try:
        plain = version("torch").endswith("+cpu")
    except PackageNotFoundError:
        plain = True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    if plain or hidden or (sys.platform == "linux" and not any(map(os.path.exists, _CARDS))):
        return ""
    import torch

    return "cuda" if torch.cuda.is_available() else ""


def _object(path: Path) -> dict[str, Any]:
    """Return a JSON object; nothing of a file that is not there or holds none, which its loader will refuse."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _numbers(value: object) -> set[int]:
    listed = value if isinstance(value, list) else [value]
    return {one for one in listed if isinstance(one, int)}
