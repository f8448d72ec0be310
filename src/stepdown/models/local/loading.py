"""From the name of a model on this machine to the model: a catalogue name, a GGUF file, a student or model folder."""

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from stepdown.errors import MissingExtra, UnknownName, UsageError
from stepdown.models.http.endpoints import ADDRESSES, ANY
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.openvino import ARCHITECTURES
from stepdown.models.local.places import gguf_place, openvino_place, place_of, serves_by_transformers
from stepdown.models.weights.cache import known_hash
from stepdown.models.weights.catalogue import find_weights
from stepdown.models.weights.downloads import fetch
from stepdown.models.weights.folder_identity import folder_hash
from stepdown.models.weights.gguf import Header, read_header, require_gguf
from stepdown.models.weights.sources import Progress
from stepdown.models.weights.students import GGUF, StudentCard, check_folder, find_folder, read_card

# The package that each engine for GGUF files needs, and the forms in which OpenVINO runs one; `openvino` alone chooses.
PACKAGES = {"openvino": "openvino_genai", "llamacpp": "xllamacpp"}
FORMS = ("openvino-int8", "openvino-int4", "openvino-gguf")
ENGINES = (*PACKAGES, *FORMS, "transformers")


def load_local(name: str, *, engine: str = "", logprobs: bool = False) -> EmbeddedModel | None:
    """Return the model of this machine that a name means, None for a name of an endpoint's; `engine` as elsewhere."""
    if name.startswith("embedded/") or name.endswith(".gguf"):
        return load_embedded(name, engine=engine, logprobs=logprobs)
    if name and name.partition("/")[0] not in {*ADDRESSES, *ANY} and _is_folder(name):
        return load_student(name, engine=engine, logprobs=logprobs)
    return None


def _is_folder(name: str) -> bool:
    """Whether a name is a folder's path; raises `UsageError` for a path that cannot be anything else."""
    path = Path(name).expanduser()
    inside = len(path.parts) > 1 and path.parent.is_dir()
    if not path.is_dir() and (inside or name[0] in "./~"):
        raise UsageError(f"there is no student folder `{name}`", "give the path of a folder that `train` wrote")
    return path.is_dir()


def load_embedded(
    name: str | Path, *, engine: str = "", progress: Progress | None = None, logprobs: bool = False
) -> "EmbeddedModel":
    """Return the model of a catalogue name (with or without `embedded/`) or of a GGUF file's path.

    Nothing heavy happens before the first reply or `prepare`: then weights that are not there are fetched
    (`progress` as in `catalogue.fetch`; plain lines on stderr without it) and the engine is loaded. OpenVINO gives
    log-probabilities only where `logprobs` asks for them, as they take time.
    `engine` or STEPDOWN_ENGINE forces `openvino` (`openvino-int8`, `openvino-int4` or `openvino-gguf` also its form),
    `llamacpp` or `transformers`; otherwise it is transformers where there is a graphics card, else OpenVINO where it is
    installed and knows the architecture, in int8 where the file's weights are quantized and as they are where they are
    not. Where the processor multiplies bfloat16 and bytes (AVX-512), int8 computes in them, unless it is named. The
    model's own chat template is applied as it is, default system line included; a file without one gets the messages'
    texts, a blank line between them.
    Raises `UnknownName`, `UsageError` (no such file, not a GGUF file) and `MissingExtra`.
    """
    name = str(name)
    forced = engine or os.environ.get("STEPDOWN_ENGINE", "")
    if forced and forced not in ENGINES:
        raise UnknownName("engine", forced, ENGINES)
    if name.endswith(".gguf"):
        path = require_gguf(Path(name).expanduser())
        kind = choose_engine(forced, read_header(path))
        device, digest = _gguf_device(kind, forced), known_hash(path)
        return EmbeddedModel(name, lambda: path, engine=kind, digest=digest, device=device, logprobs=logprobs)
    weights = find_weights(name.removeprefix("embedded/"))

    def find_path() -> Path:
        return fetch(weights.name, progress=progress or _say_on_stderr)

    kind = choose_engine(forced, None)
    name = f"embedded/{weights.name}"
    device, digest = _gguf_device(kind, forced), weights.sha256
    return EmbeddedModel(name, find_path, engine=kind, digest=digest, device=device, logprobs=logprobs)


def _gguf_device(engine: str, forced: str) -> str:
    if engine == "transformers":
        return gguf_place().source
    # A form that is asked for by its name computes alike on every processor.
    return openvino_place().source if engine == "openvino-int8" != forced else ""


def choose_engine(forced: str, header: Header | None) -> str:
    """Return the engine for a GGUF file; a header of None is a catalogue model's, which all engines know."""
    # What was never quantized stays so, whatever form is asked for.
    half = header is not None and header.half
    best = "openvino" if half else "openvino-int8"
    installed = [engine for engine, package in PACKAGES.items() if find_spec(package)]
    if forced == "transformers":
        if not find_spec("transformers"):
            raise MissingExtra("transformers", "train", "the engine `transformers`")
        return forced
    if forced:
        kind = forced.partition("-")[0]
        if kind not in installed:
            raise MissingExtra(PACKAGES[kind], "embedded", f"the engine `{forced}`")
        return best if forced == "openvino" or (half and forced in FORMS) else forced
    known = header is None or (header.architecture in ARCHITECTURES and header.tokenizer == "gpt2")
    if known and serves_by_transformers():
        return "transformers"
    if "openvino" in installed and known:
        return best
    if "llamacpp" in installed:
        return "llamacpp"
    package = "openvino-genai" if known else "xllamacpp"
    raise MissingExtra(package, "embedded", "running a model in this process")


def _say_on_stderr(words: str, done: int, total: int) -> None:
    print(f"{words} ({done / total:.0%})" if done else f"fetching {words}", file=sys.stderr)


def load_student(name: str, *, engine: str = "", logprobs: bool = False) -> EmbeddedModel:
    """Return the model of a student folder, or of any model folder in transformers' form; nothing is loaded yet.

    Without a graphics card it is served from model.gguf where there is one and an engine for it, else by transformers;
    `engine` or STEPDOWN_ENGINE forces `openvino`, `llamacpp` or `transformers`. `prompts` of the model is the card's.
    Raises `UsageError` for what `check_folder` and `read_card` refuse and `MissingExtra` without any engine.
    """
    folder = Path(name).expanduser()
    check_folder(folder)
    card = read_card(folder)
    forced = engine or os.environ.get("STEPDOWN_ENGINE", "")
    kind = _engine_of(folder, card, forced)
    prompts = card.prompts if card else ""
    if kind != "transformers":
        path, device = folder / GGUF, _gguf_device(kind, forced)
        digest = known_hash(path)
        return EmbeddedModel(
            name, lambda: path, engine=kind, digest=digest, prompts=prompts, device=device, logprobs=logprobs
        )
    digest, device = folder_hash(folder), place_of(folder).source
    return EmbeddedModel(name, lambda: folder, engine=kind, digest=digest, prompts=prompts, device=device)


def load_left_out(name: str, restore: Callable[[], None]) -> EmbeddedModel | None:
    """Return the model of a student folder whose weights were left out, None for any other model.

    It is what it was when it was tested; `restore` puts its weights back before the engine first loads them. None too
    where another engine is forced, or the one that it was tested by is not here: there its weights are needed first.
    """
    folder = find_folder(name)
    card = read_card(folder) if folder else None
    if folder is None or card is None or not card.left_out:
        return None
    digest, engine, device = (*card.left_out.split("/", 2), "")[:3]
    forced = os.environ.get("STEPDOWN_ENGINE", "").partition("-")[0]
    known = engine in (*PACKAGES, "transformers") and find_spec(PACKAGES.get(engine, engine))
    if forced not in ("", engine) or not known:
        return None

    def find_path() -> Path:
        restore()
        return folder if engine == "transformers" else folder / GGUF

    return EmbeddedModel(name, find_path, engine=engine, digest=digest, prompts=card.prompts, device=device)


def _engine_of(folder: Path, card: StudentCard | None, forced: str) -> str:
    if forced and forced not in ENGINES:
        raise UnknownName("engine", forced, ENGINES)
    gguf = folder / GGUF
    if forced not in ("", "transformers") and not gguf.exists():
        why = (card.gguf if card else "") or "only a student folder may have one"
        raise UsageError(
            f"`{folder}` has no model.gguf for the engine `{forced}` ({why})", "unset STEPDOWN_ENGINE to serve it"
        )
    fast = gguf.exists() and any(map(find_spec, PACKAGES.values())) and not serves_by_transformers()
    if forced != "transformers" and (forced or fast):
        return choose_engine(forced, read_header(gguf))
    if not find_spec("transformers"):
        raise MissingExtra("transformers", "train", f"answering with the student folder `{folder}`")
    return "transformers"
