"""What a GGUF file says besides weights: a tokenizer, its template and the model's measures, from a folder's files.

Source of the names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; of the kinds of tokens and the
names of ways to split text: llama.cpp's `convert_hf_to_gguf.py`.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
STRING, ARRAY, UINT32, INT32, FLOAT32, BOOL = 8, 9, 4, 5, 6, 7


class CannotConvert(Exception):
    """Why a student has no GGUF file; the student folder is whole without it."""


class GgufValue(msgspec.Struct, frozen=True):
    """One key-value of a GGUF file: `kind` and `sub` as GGUF numbers types, `sub` for the items of an array."""

    value: Any
    kind: int
    sub: int | None = None


Values = dict[str, GgufValue]


def make_values(folder: Path, config: dict[str, Any]) -> Values:
    """Return the key-values of a model in transformers' form; raises `CannotConvert` for tokenizers it cannot say."""
    return _measures(config) | _vocabulary(folder, config)


def _measures(config: dict[str, Any]) -> Values:
    kind = config["model_type"]
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {}
    whole = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": heads,
        "attention.head_count_kv": config.get("num_key_value_heads", heads),
        "attention.key_length": width,
        "attention.value_length": width,
        "rope.dimension_count": width,
        "vocab_size": config["vocab_size"],
    }
    real = {
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": rope.get("rope_theta") or config.get("rope_theta", 10000.0),
    }
    return {
        "general.architecture": GgufValue(kind, STRING),
        "general.type": GgufValue("model", STRING),
        **{f"{kind}.{name}": GgufValue(int(value), UINT32) for name, value in whole.items()},
        **{f"{kind}.{name}": GgufValue(float(value), FLOAT32) for name, value in real.items()},
        "general.quantization_version": GgufValue(2, UINT32),
    }


def _vocabulary(folder: Path, config: dict[str, Any]) -> Values:
    path = folder / "tokenizer.json"
    if not path.exists():
        raise CannotConvert("there is no tokenizer.json")
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    model = tokenizer["model"]
    if model.get("type") != "BPE" or model.get("byte_fallback"):
        raise CannotConvert("its tokenizer is not a byte-level BPE")
    if (tokenizer.get("normalizer") or {}).get("type") not in (None, "NFC"):
        raise CannotConvert("its tokenizer rewrites text before it splits it")
    tokens, kinds = _tokens(model["vocab"], tokenizer["added_tokens"], int(config["vocab_size"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return {
        "tokenizer.ggml.model": GgufValue("gpt2", STRING),
        "tokenizer.ggml.pre": GgufValue(_split(tokenizer.get("pre_tokenizer") or {}), STRING),
        "tokenizer.ggml.tokens": GgufValue(tokens, ARRAY, STRING),
        "tokenizer.ggml.token_type": GgufValue(kinds, ARRAY, INT32),
        "tokenizer.ggml.merges": GgufValue(merges, ARRAY, STRING),
        "tokenizer.ggml.add_bos_token": GgufValue(False, BOOL),
        "tokenizer.ggml.add_space_prefix": GgufValue(False, BOOL),
        **_special(folder, dict(zip(tokens, range(len(tokens)), strict=True))),
    }


def _tokens(vocabulary: dict[str, int], added: list[dict[str, Any]], size: int) -> tuple[list[str], list[int]]:
    """Return each token's text and kind by its number; numbers without a token are unused."""
    tokens, kinds = [f"[PAD{number}]" for number in range(size)], [UNUSED] * size
    for token, number in vocabulary.items():
        tokens[number], kinds[number] = token, NORMAL
    for one in added:
        if one["id"] >= size:
            raise CannotConvert(f"the token `{one['content']}` lies outside the model's vocabulary of {size}")
        tokens[one["id"]] = one["content"]
        kinds[one["id"]] = CONTROL if one["special"] else USER_DEFINED
    return tokens, kinds


def _split(pre: dict[str, Any]) -> str:
    """Return llama.cpp's name of a way to split text before merging."""
    parts = pre.get("pretokenizers", [pre])
    kinds = [part.get("type") for part in parts]
    pattern = next((part["pattern"].get("Regex", "") for part in parts if part.get("type") == "Split"), "")
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and r"\p{N}{1,3}" in pattern:
        return "llama-bpe"
    if kinds == ["Split", "ByteLevel"] and r"|\p{N}|" in pattern:
        return "qwen2"
    raise CannotConvert(f"its tokenizer splits text in a way without a name in GGUF ({', '.join(map(str, kinds))})")


def _special(folder: Path, numbers: dict[str, int]) -> Values:
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    tokens = {}
    for field, name in names.items():
        token = config.get(field)
        text = token.get("content") if isinstance(token, dict) else token
        if text in numbers:
            tokens[f"tokenizer.ggml.{name}_token_id"] = GgufValue(numbers[text], UINT32)
    return tokens


def template_of(folder: Path) -> Values:
    """Return a folder's chat template as a key-value, nothing where it has none."""
    path = folder / "chat_template.jinja"
    return {"tokenizer.chat_template": GgufValue(path.read_text(encoding="utf-8"), STRING)} if path.exists() else {}
