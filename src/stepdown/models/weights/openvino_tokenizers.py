"""The tokenizer of a GGUF file in OpenVINO's format, written by a process of its own while the weights are worked on.

That takes seconds, and holds Python's interpreter lock meanwhile.
"""

import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stepdown.models.weights.genai import import_genai
from stepdown.models.weights.gguf import Header

_STRING, _ARRAY, _WHOLE, _SIGNED = 8, 9, 4, 5
_COUNT_AT = 8  # the byte where a GGUF file says how many tensors it has


@contextmanager
def tokenizer_beside(path: Path, header: Header, folder: Path) -> Iterator[None]:
    """Have the tokenizer and the detokenizer of a GGUF file written into a folder while the `with` goes on.

    They are there after it. Raises `RuntimeError` with the last that OpenVINO said where they cannot be made.
    """
    bare = folder / "tokenizer.gguf"
    write_bare(path, header, bare)
    # -P: a file in the working folder must not stand in for a library.
    entry = "from stepdown.models.weights.openvino_tokenizers import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", entry, str(bare)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        yield
        errors = child.communicate()[1]
        if child.returncode:
            raise RuntimeError(errors.strip() or f"its tokenizer: exit status {child.returncode}")
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
        bare.unlink(missing_ok=True)


def write_bare(path: Path, header: Header, target: Path) -> None:
    """Write a GGUF file's keys and values, tokenizer included, as a file without tensors."""
    with path.open("rb") as file:
        head = bytearray(file.read(header.end))
    struct.pack_into("<Q", head, _COUNT_AT, 0)
    target.write_bytes(bytes(head) + bytes(header.alignment))


def main() -> None:
    """Write the tokenizer of the file named on the command line beside it."""
    import_genai().Tokenizer(sys.argv[1], enable_save_ov_model=True)


def small_tokenizer(folder: Path, genai: Any) -> Any:
    """Return some tokenizer, for what wants one and does not use it; that of a large file takes seconds."""
    with TemporaryDirectory(dir=folder) as own:
        file = Path(own) / "small.gguf"
        file.write_bytes(_small_file())
        return genai.Tokenizer(str(file))


def _small_file() -> bytes:
    """Return a GGUF file of no tensors and the tokens of printable ASCII."""
    tokens = [chr(code) for code in range(33, 127)] + ["<end>"]
    kinds = [1] * (len(tokens) - 1) + [3]
    end = struct.pack("<I", len(tokens) - 1)
    values = [
        _pair("general.architecture", _STRING, _text("llama")),
        _pair("tokenizer.ggml.model", _STRING, _text("gpt2")),
        _pair("tokenizer.ggml.pre", _STRING, _text("gpt-2")),
        _pair("tokenizer.ggml.tokens", _ARRAY, _array(_STRING, [_text(token) for token in tokens])),
        _pair("tokenizer.ggml.token_type", _ARRAY, _array(_SIGNED, [struct.pack("<i", kind) for kind in kinds])),
        _pair("tokenizer.ggml.merges", _ARRAY, _array(_STRING, [_text("a b")])),
        *(_pair(f"tokenizer.ggml.{name}_token_id", _WHOLE, end) for name in ("bos", "eos", "padding")),
        _pair("tokenizer.chat_template", _STRING, _text("{{ messages[0]['content'] }}")),
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(values) + bytes(64)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _array(kind: int, items: list[bytes]) -> bytes:
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value
