"""Task files of lm-evaluation-harness (YAML), read without running anything of theirs: the `generate_until` subset.

Source of the form: lm_eval 0.4.13, `config/task.py`, `tasks/_yaml_loader.py` and `api/task.py`.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from stepdown.errors import MissingExtra, UsageError
from stepdown.exchange.imported import plain_name
from stepdown.exchange.lm_eval_filters import METRIC, HarnessFilter, Matching
from stepdown.exchange.lm_eval_patterns import EXTRA
from stepdown.extras import EXTRAS
from stepdown.untrusted import reading

SUFFIXES = (".yaml", ".yml")
_LARGEST = 1 << 18  # bytes of a file with all that it includes
_MOST_FILES = 16  # that one is made of
# What changes no prompt and no verdict.
_WITHOUT_EFFECT = {
    "tag", "group", "task_alias", "metadata", "should_decontaminate", "doc_to_decontamination_query", "unsafe_code",
}  # fmt: skip


# As a list, as a dict's values, as a field or a template that writes a list.
Choices = str | tuple[str, ...] | dict[str, str] | msgspec.UnsetType | None


class FewShot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`fewshot_config`: where demonstrations come from, and how they are written where otherwise than the document."""

    sampler: str = "default"
    samples: tuple[dict[str, Any], ...] | None = None
    split: str | None = None
    doc_to_text: str | None = None
    doc_to_target: str | None = None
    fewshot_delimiter: str | None = None
    target_delimiter: str | None = None
    fewshot_indices: tuple[int, ...] | None = None
    # Absent is not null: it is as the documents have it. What is absent stays out of a method's version.
    gen_prefix: str | msgspec.UnsetType | None = msgspec.UNSET
    doc_to_choice: Choices = msgspec.UNSET


class GenerationKwargs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`generation_kwargs`: how a reply is drawn, and what it ends before."""

    until: tuple[str, ...] | str | None = None
    max_gen_toks: int = 256
    do_sample: bool | None = None
    temperature: float = 0.0
    top_p: float | msgspec.UnsetType = msgspec.UNSET


class DataFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`dataset_kwargs`: the file of each split."""

    data_files: dict[str, str | tuple[str, ...]] | str | None = None


class MetricConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metric of `metric_list`."""

    metric: str
    aggregation: str = "mean"
    higher_is_better: bool = True
    regexes_to_ignore: tuple[str, ...] | None = None
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False

    @property
    def matching(self) -> Matching:
        """What `exact_match` leaves out."""
        return Matching(*(getattr(self, name) for name in Matching.__struct_fields__))


class TaskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task file with what it includes, under the names it has there."""

    doc_to_text: str
    doc_to_target: str | int | tuple[str, ...]
    dataset_path: str
    task: str = ""
    dataset_name: str | None = None
    dataset_kwargs: DataFiles = DataFiles()
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    description: str = ""
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    fewshot_config: FewShot = FewShot()
    num_fewshot: int | None = None
    output_type: str = "generate_until"
    generation_kwargs: GenerationKwargs = GenerationKwargs()
    repeats: int = 1
    filter_list: tuple[HarnessFilter, ...] = (HarnessFilter("none"),)
    metric_list: tuple[MetricConfig, ...] = (MetricConfig(METRIC),)
    gen_prefix: str | msgspec.UnsetType = msgspec.UNSET
    doc_to_choice: Choices = msgspec.UNSET

    @property
    def stops(self) -> tuple[str, ...]:
        """What a reply ends before."""
        until = self.generation_kwargs.until
        return (self.fewshot_delimiter,) if until is None else (until,) if isinstance(until, str) else until


class FilesRead:
    """The files that something was read from, each as it was before it was first read."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[int, int] | None] = {}

    def add(self, file: Path) -> Path:
        """Return a file that is read next."""
        self._seen.setdefault(file.absolute(), _state(file))
        return file

    @property
    def unchanged(self) -> bool:
        """Whether all are as they were."""
        return all(_state(file) == state for file, state in self._seen.items())


def _state(file: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_size
    return None


class _Code(str):
    """What stands behind `!function` in a file."""


def read_task(path: str | Path, files: FilesRead) -> TaskConfig:
    """Return what a task file says; `files` gets what is read.

    Raises `UsageError`, with the key's name, for what is beyond the subset.
    """
    file = Path(path).expanduser()
    merged = _merged(file, {}, files).items()
    fields = {key: value for key, value in merged if value is not None and key not in _WITHOUT_EFFECT}
    if "filter_list" in fields:
        fields["filter_list"] = _with_code_named(fields["filter_list"])
    code = [found for key, value in fields.items() if (found := _code_in(key, value))]
    if code:
        others = "".join(f", `{key}`" for key, _ in code[1:6])
        what = f"`{code[0][0]}` of `{file}` is code: `!function {code[0][1][:80]}`, which is not run"
        raise UsageError(f"{what}; so is {others[2:]}" if others else what, _WAY_OUT)
    for key in fields:
        if key not in TaskConfig.__struct_fields__:
            raise UsageError(f"`{file}` has the key `{str(key)[:60]}`, which stepdown does not read", _WAY_OUT)
    if isinstance(fields.get("dataset_kwargs"), dict):
        # No code of a data set is run, trusted or not.
        fields["dataset_kwargs"].pop("trust_remote_code", None)
    try:
        config = msgspec.convert(fields, TaskConfig, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"`{file}`: {error}", _WAY_OUT) from error
    _check(config, file)
    return msgspec.structs.replace(config, task=plain_name(config.task or file.stem))


_WAY_OUT = (
    "say it otherwise, or leave it out by `null`, in a file of your own that has `include:` with this one; or ask the "
    "harness itself, which takes stepdown's /v1 as its model"
)


def _check(config: TaskConfig, file: Path) -> None:
    """Refuse values beyond the subset. Raises `UsageError` with the key's name."""
    few, metrics = config.fewshot_config, [one.metric for one in config.metric_list]
    names = [one.name for one in config.filter_list]
    found = {
        "output_type": config.output_type * (config.output_type != "generate_until"),
        "metric_list": ", ".join(one for one in metrics if one != METRIC) or "nothing" * (not metrics),
        "aggregation": next((one.aggregation for one in config.metric_list if one.aggregation != "mean"), ""),
        "filter_list": "one name twice, or none" * (len({*names}) != len(names) or not names),
        "fewshot_config.sampler": few.sampler * (few.sampler not in _SAMPLERS),
        "fewshot_config.fewshot_indices": "a list, which lm_eval 0.4.13 leaves unread" * bool(few.fewshot_indices),
        "num_fewshot": str(config.num_fewshot) * (not 0 <= (config.num_fewshot or 0) <= 64),
        "repeats": str(config.repeats) * (not 1 <= config.repeats <= 10_000),
        "generation_kwargs.max_gen_toks": "no number of tokens" * (config.generation_kwargs.max_gen_toks < 1),
        "generation_kwargs.temperature": "below 0" * (not config.generation_kwargs.temperature >= 0),
    }
    for key, value in found.items():
        if value:
            raise UsageError(f"`{key}` of `{file}` is `{value[:80]}`, which stepdown does not read", _WAY_OUT)


_SAMPLERS = ("default", "first_n")


def _merged(file: Path, seen: dict[Path, int], files: FilesRead) -> dict[str, Any]:
    """Return the keys of a file over those of the files that it includes; `seen` gets all of them with their sizes.

    As in the harness, no file is included twice, and names are read from where a file really lies, so that a link to a
    task is that task. They may lead anywhere, as 390 of its own do: what is there is only read as a task file.
    """
    with reading(f"cannot read `{str(file)[:300]}`", _WAY_OUT):
        place, is_file = file.resolve(), file.is_file()
    if not is_file:
        raise UsageError(f"there is no file `{file}`", "give a task file of lm-evaluation-harness, such as gsm8k.yaml")
    if place in seen or len(seen) >= _MOST_FILES:
        raise UsageError(f"`{file}` is included twice, or is one of more than {_MOST_FILES} files", _WAY_OUT)
    own, seen[place] = _read(files.add(file), _LARGEST - sum(seen.values()))
    included = own.pop("include", None) or ()
    merged: dict[str, Any] = {}
    for one in [included] if isinstance(included, str) else included:
        if not isinstance(one, str):
            raise UsageError(f"`include` of `{file}` is no file's name", _WAY_OUT)
        merged |= _merged(place.parent / one, seen, files)
    return merged | own


def _read(file: Path, most: int) -> tuple[dict[str, Any], int]:
    """Return the keys of a file of so many bytes at most, and how many it has."""
    with reading(f"cannot read `{file}`", "it must be a task file of lm-evaluation-harness"):
        with file.open("rb") as opened:
            # What a file of the system says of its size is not so.
            body = opened.read(most + 1)
        if len(body) > most:
            what = f"`{file}` is larger than {_LARGEST >> 10} KiB with what includes it"
            raise UsageError(what, "a task file is a page of text")
        found = _load(body.decode("utf-8"))
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise UsageError(f"`{file}` is no task file", "it must be keys with values, such as `doc_to_text: ...`")
    return found, len(body)


def _load(text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("yaml", EXTRA, EXTRAS[EXTRA][0]) from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Reads plain values; code as its name; no value twice, as one could grow without end."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise ValueError(f"an alias (`*{self.peek_event().anchor}`), which is not read")
            return super().compose_node(parent, index)

    Loader.add_constructor("!function", lambda loader, node: _Code(loader.construct_scalar(node)))
    # What is printed of a set differs from process to process.
    Loader.add_constructor("tag:yaml.org,2002:set", Loader.construct_undefined)
    return yaml.load(text, Loader)


def _with_code_named(filters: Any) -> Any:
    """Return filters in which a step with code is only its name: it is refused once its filter is chosen."""
    if isinstance(filters, dict) and "function" in filters:
        found = _code_in("", filters)
        return {"function": f"!function {found[1]}"} if found else filters
    if isinstance(filters, dict):
        return {key: _with_code_named(value) for key, value in filters.items()}
    return [*map(_with_code_named, filters)] if isinstance(filters, list) else filters


def _code_in(key: str, value: Any) -> tuple[str, str] | None:
    """Return the first key under which a value names a function, however deep, and the function."""
    if isinstance(value, _Code):
        return key, str(value)
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for name, one in parts if (found := _code_in(f"{key}.{name}"[:120], one))), None)
