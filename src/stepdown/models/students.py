"""The student folder: a trained student's weights, tokenizer and card, and how it is read."""

import json
import os
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import MissingExtra, UnknownName, UsageError
from stepdown.models.embedded import PACKAGES, EmbeddedModel, choose_engine, known_hash
from stepdown.models.weights import read_header
from stepdown.types import fingerprint

CARD, GGUF, WEIGHTS = "card.json", "model.gguf", "model.safetensors"
# What a student without a chat template of its own is trained on and asked with: the messages, a line each.
PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] + '\\n' }}{% endfor %}"
MOST_HEADER = 100_000_000


class Lessons(msgspec.Struct, frozen=True, kw_only=True):
    """What a student was trained on: its corpus, as the corpus's own card says it.

    `teachers` maps model strings to their numbers of chains, `selection` are the filters in order.
    """

    dataset: str = ""
    content: str = "chain"
    target: str = "chain"
    teachers: dict[str, int] = {}
    fingerprint: str = ""
    problems: int = 0
    chains: int = 0
    selection: tuple[str, ...] = ()
    licence: str = ""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Right answers of a student on problems it was not trained on; `step` is the training step."""

    dataset: str = ""
    step: int = 0
    right: int
    graded: int
    total: int


class StudentCard(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a student folder.

    `base` is the base as it was given, `base_source` its hash or revision. `prompts` and `method` say how it
    is asked (`chain-of-thought`, `direct` for label targets, `delegate` for a planner). `training` holds the
    training's settings by name. `dev` are the dev scores by step, of which `step` was chosen of `steps`;
    `test` are scores of runs. `tokens` were seen in `seconds` of training. `stepdown` is the version that
    wrote it. `weights` is the SHA-256 of model.safetensors, `gguf` the reason why there is no model.gguf ("" if
    there is one). `write_student` fills `stepdown`, `weights` and `gguf`.
    """

    version: int = 1
    base: str
    base_source: str = ""
    lessons: Lessons = Lessons()
    training: dict[str, Any] = {}
    prompts: str = "student"
    method: str = "chain-of-thought"
    seed: int = 0
    steps: int = 0
    step: int = 0
    dev: tuple[Score, ...] = ()
    test: tuple[Score, ...] = ()
    tokens: int = 0
    seconds: float = 0.0
    licence: str = ""
    notes: tuple[str, ...] = ()
    stepdown: str = ""
    weights: str = ""
    gguf: str = ""


def load_student(name: str, *, engine: str = "") -> EmbeddedModel:
    """Return the model of a student folder, or of any model folder in transformers' form; nothing is loaded yet.

    It is served from model.gguf where there is one and an engine for it, else by transformers; `engine` or
    STEPDOWN_ENGINE forces `openvino`, `llamacpp` or `transformers`. `prompts` of the model is the card's.
    Raises `UsageError` for what `check_folder` and `read_card` refuse and `MissingExtra` without any engine.
    """
    folder = Path(name).expanduser()
    files, card = check_folder(folder), read_card(folder)
    kind = _engine_of(folder, card, engine or os.environ.get("STEPDOWN_ENGINE", ""))
    prompts = card.prompts if card else ""
    if kind != "transformers":
        path = folder / GGUF
        return EmbeddedModel(name, lambda: path, engine=kind, digest=known_hash(path), prompts=prompts)
    words = [folder / file for file in ("tokenizer.json", "chat_template.jinja", "config.json")]
    digest = fingerprint([known_hash(file) for file in [*files, *words] if file.exists()])
    return EmbeddedModel(name, lambda: folder, engine=kind, digest=digest, prompts=prompts)


def _engine_of(folder: Path, card: StudentCard | None, forced: str) -> str:
    known = [*PACKAGES, "transformers"]
    if forced and forced not in known:
        raise UnknownName("engine", forced, known)
    gguf = folder / GGUF
    if forced in PACKAGES and not gguf.exists():
        why = (card.gguf if card else "") or "only a student folder may have one"
        raise UsageError(
            f"`{folder}` has no model.gguf for the engine `{forced}` ({why})", "unset STEPDOWN_ENGINE to serve it"
        )
    fast = gguf.exists() and any(find_spec(package) for package in PACKAGES.values())
    if forced != "transformers" and (forced or fast):
        return choose_engine(forced, read_header(gguf))
    if not find_spec("transformers"):
        raise MissingExtra("transformers", "train", f"answering with the student folder `{folder}`")
    return "transformers"


def read_card(folder: Path) -> StudentCard | None:
    """Return the card of a student folder, None where it has none; raises `UsageError` for a broken one."""
    path = folder / CARD
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=StudentCard)
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError, RecursionError) as error:
        raise UsageError(
            f"`{path}` is not a student's card ({error})", "train again, or remove the file to serve the weights alone"
        ) from error


def check_folder(folder: Path) -> tuple[Path, ...]:
    """Return the weight files of a model folder in transformers' form, each checked; nothing is loaded.

    Raises `UsageError` for a folder of several students, an adapter alone, missing weights, pickles (whatever
    their name) and truncated files.
    """
    if not (folder / "config.json").is_file():
        raise _no_model(folder)
    files = tuple(sorted(folder.glob("*.safetensors")))
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
    if not files:
        what = f"`{pickles[0]}` is a pickle, which can run code when read" if pickles else "there are none"
        raise UsageError(f"`{folder}` has no weights in safetensors ({what})", "save the model as model.safetensors")
    for path in files:
        check_safetensors(path)
    _check_shards(folder)
    return files


def _no_model(folder: Path) -> UsageError:
    students = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if students:
        listed = ", ".join(f"`{folder / name}`" for name in students)
        return UsageError(f"`{folder}` holds {len(students)} students, not one", f"name one of them: {listed}")
    if (folder / "adapter_config.json").is_file():
        return UsageError(f"`{folder}` is an adapter without its base", "merge it into the base first")
    return UsageError(f"`{folder}` is no model: it has no config.json", "give a student folder or a .gguf file")


def check_safetensors(path: Path) -> None:
    """Raise `UsageError` unless a file is whole safetensors: its header is read, its weights are not."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MOST_HEADER + 1
        # A pickle starts with its protocol's mark, torch's zip file of pickles with a zip file's.
        if length > MOST_HEADER and (start[:1] == b"\x80" or start[:2] == b"PK"):
            raise _pickled(path)
        if length > min(MOST_HEADER, size - 8):
            raise UsageError(f"`{path}` is not safetensors, or cut off in its header", "copy or train it again")
        header = file.read(length)
    try:
        tensors = json.loads(header)
        ends = [int(facts["data_offsets"][1]) for name, facts in tensors.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise UsageError(
            f"`{path}` is not safetensors (its header does not parse)", "copy or train it again"
        ) from error
    if 8 + length + max(ends, default=0) != size:
        raise UsageError(
            f"`{path}` is cut off: `{size:,}` bytes of `{8 + length + max(ends, default=0):,}`", "copy it again, whole"
        )


def _pickled(path: Path) -> UsageError:
    return UsageError(
        f"`{path}` is a pickle with the name of safetensors: reading it can run code, so it is not read",
        "load it where you trust it, and save it with safe serialization",
    )


def _check_shards(folder: Path) -> None:
    index = folder / f"{WEIGHTS}.index.json"
    if not index.exists():
        return
    try:
        shards = set(json.loads(index.read_bytes())["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"`{index}` does not parse", "copy the folder again") from error
    missing = sorted(name for name in shards if not (folder / name).is_file())
    if missing:
        raise UsageError(f"`{folder}` lacks its weights `{missing[0]}`", "copy the folder again, whole")
