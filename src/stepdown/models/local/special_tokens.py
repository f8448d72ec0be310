"""The words of a GGUF file's tokenizer that its chat template may name: where a text begins and ends."""

import mmap
from pathlib import Path

from stepdown.models.weights.gguf import ARRAY, STRING, Cursor

_TOKENS = "tokenizer.ggml.tokens"
_NAMES = {f"tokenizer.ggml.{name}_token_id": f"{name}_token" for name in ("bos", "eos", "unknown", "padding")}


def special_words(path: Path) -> dict[str, str]:
    """Return `bos_token`, `eos_token`... as far as the file names them; none of a file that cannot be read so."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(Cursor(data))
    except Exception:  # the file is a stranger's, and its header has been read and judged already
        return {}


def _read(cursor: Cursor) -> dict[str, str]:
    cursor.number("Q")  # magic and version
    cursor.number("Q")  # tensors
    count, listed, wanted = cursor.number("Q"), 0, dict[int, list[str]]()
    for _ in range(count):
        key, kind = cursor.text(), cursor.number("I")
        if key == _TOKENS and kind == ARRAY:
            listed = cursor.at
        value = cursor.value(kind)
        if key in _NAMES:
            wanted.setdefault(int(value), []).append(_NAMES[key])
    cursor.at = listed
    if not listed or cursor.number("I") != STRING:
        return {}
    words: dict[str, str] = {}
    for index in range(min(cursor.number("Q"), max(wanted, default=-1) + 1)):
        text = cursor.text()
        words |= dict.fromkeys(wanted.get(index, ()), text)
    return words
