"""The student folder: a trained student's weights, tokenizer and card, and how it is read."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.models.weights.cache import known_hash
from stepdown.models.weights.folder_identity import folder_hash
from stepdown.questions import FILE, NONE, Keys, read_keys
from stepdown.types import StudyFile
from stepdown.untrusted import reading

CARD, GGUF, WEIGHTS = "card.json", "model.gguf", "model.safetensors"
# What a student without a chat template of its own is trained on and asked with: the messages, a line each.
PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] + '\\n' }}{% endfor %}"
MOST_HEADER = 100_000_000


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    """What a student was trained on: its corpus, as the corpus's own card says it.

    `teachers` maps model strings to their numbers of chains, `selection` are the filters in order. `questions` counts
    the different questions that the student has met, whose hashes lie in `questions.bin`: its corpus's, its dev
    problems, and what the students behind it met, as base or as teachers. None in folders of 0.1.0, which did not keep
    them. `unknown` names the students behind it of which nobody knows what they met.
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
    questions: int | None = None
    unknown: tuple[str, ...] = ()


class StudentScore(msgspec.Struct, frozen=True, kw_only=True):
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
    there is one), `dtype` what the weights are stored in ("": float16). `write_student` fills `stepdown`, `weights`
    and `gguf`. `studies` are the study files that it was trained and tested by. `left_out` is what its replies called
    their source where its weights were left out once it was tested, and adapter and base make them again; else "".
    `exact` says that they do: that the adapter was merged in float64, as it was not before.
    """

    version: int = 1
    base: str
    base_source: str = ""
    lessons: TrainingData = TrainingData()
    training: dict[str, Any] = {}
    prompts: str = "student"
    method: str = "chain-of-thought"
    seed: int = 0
    steps: int = 0
    step: int = 0
    dev: tuple[StudentScore, ...] = ()
    test: tuple[StudentScore, ...] = ()
    tokens: int = 0
    seconds: float = 0.0
    licence: str = ""
    notes: tuple[str, ...] = ()
    stepdown: str = ""
    weights: str = ""
    gguf: str = ""
    dtype: str = ""
    studies: tuple[StudyFile, ...] = ()
    left_out: str = ""
    exact: bool = False


def read_card(folder: Path) -> StudentCard | None:
    """Return the card of a student folder, None where it has none; raises `UsageError` for a broken one."""
    path = folder / CARD
    if not path.exists():
        return None
    with reading(f"`{path}` is not a student's card", "train again, or remove the file to serve the weights alone"):
        return msgspec.json.decode(path.read_bytes(), type=StudentCard)


class SeenQuestions(msgspec.Struct, frozen=True):
    """The questions that a student has met, by key; `unknown` names it, or a student behind it, where that is lost."""

    keys: Keys = NONE
    unknown: tuple[str, ...] = ()

    def plus(self, other: "SeenQuestions") -> "SeenQuestions":
        """Return what both have met together."""
        return SeenQuestions(self.keys | other.keys, tuple(dict.fromkeys((*self.unknown, *other.unknown))))


def find_folder(name: str) -> Path | None:
    """Return the student folder that a model's name means: the folder, or a GGUF file in it; None for other models."""
    path = Path(name).expanduser()
    try:
        folder = path.parent if path.suffix == ".gguf" else path
        return folder if name and (folder / CARD).is_file() and (folder / "config.json").is_file() else None
    except (OSError, ValueError):
        return None


def seen_by(name: str, *, sources: Sequence[str] = ()) -> SeenQuestions | None:
    """Return the questions that a student's lessons met; None for a model that is no student of ours.

    With the `sources` of a run (each begins with the hash of weights) a folder that holds other weights by now is
    unknown. Raises `UsageError` for a broken card or file of questions.
    """
    folder = find_folder(name)
    card = read_card(folder) if folder else None
    if folder is None or card is None:
        return None
    keys = read_keys(folder / FILE) if card.lessons.questions is not None else None
    if keys is None or (sources and not _is_from(folder, sources, card.left_out)):
        return SeenQuestions(unknown=(name,))
    return SeenQuestions(keys, card.lessons.unknown)


def _is_from(folder: Path, sources: Sequence[str], left_out: str) -> bool:
    """Whether the weights of a folder, or those that were left out of it, are among the sources of a run."""
    digests = {source.partition("/")[0] for source in sources}
    if left_out:
        return left_out.partition("/")[0] in digests
    gguf = folder / GGUF
    if gguf.exists() and known_hash(gguf)[:16] in digests:
        return True
    return folder_hash(folder)[:16] in digests


def check_folder(folder: Path) -> tuple[Path, ...]:
    """Return the weight files of a model folder in transformers' form, each checked; nothing is loaded.

    Raises `UsageError` for a folder of several students, an adapter alone, missing weights, pickles (whatever
    their name) and truncated files.
    """
    if not (folder / "config.json").is_file():
        raise _no_model(folder)
    if (card := read_card(folder)) is not None and card.left_out:
        raise UsageError(
            f"the weights of `{folder}` were left out when it had been tested: it keeps its adapter",
            f"`stepdown export {folder} --to student --out OTHER` puts them together again",
        )
    if (folder / "adapter_config.json").is_file():
        # transformers would load the base that this file names, from wherever it is.
        raise UsageError(
            f"`{folder}` has an `adapter_config.json`, which leads to another model's weights",
            "merge the adapter into its base first, or remove the file to take the folder's own weights",
        )
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
    return UsageError(f"`{folder}` is not a model: it has no config.json", "give a student folder or a .gguf file")


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
    with reading(f"`{path}` is not safetensors: its header does not parse", "copy or train it again"):
        tensors = json.loads(header)
        ends = [int(facts["data_offsets"][1]) for name, facts in tensors.items() if name != "__metadata__"]
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
    with reading(f"`{index}` does not parse", "copy the folder again"):
        shards = set(map(str, json.loads(index.read_bytes())["weight_map"].values()))
        missing = sorted(name for name in shards if not (folder / name).is_file())
    if missing:
        raise UsageError(f"`{folder}` lacks its weights `{missing[0]}`", "copy the folder again, whole")
