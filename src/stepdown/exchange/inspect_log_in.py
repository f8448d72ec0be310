"""Logs of Inspect (`.eval`), read as runs with its scores beside.

Source of the form: inspect_ai 0.3.285, `log/_recorders/eval.py`: a zip of JSON, a member for each sample and epoch.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo, is_zipfile

import msgspec

from stepdown.errors import BadRow, MissingExtra, StepdownError, UsageError
from stepdown.exchange.imported import ForeignLog, ImportedTrace, plain_name, their_grade
from stepdown.methods import DIRECT
from stepdown.problems import Columns, read_problem
from stepdown.tabular import Row
from stepdown.types import LETTERS, MOST_TOKENS, Call, Finish, Message, Problem, Reply, Sampling, Settings, Trace, Usage
from stepdown.untrusted import reading

# Bytes of a member, and of all members, when they are unpacked.
LARGEST, LARGEST_LOG = 1 << 26, 1 << 33
_MOST = 1_000_000  # samples
_SAMPLE = re.compile(r"samples/(?P<id>.+)_epoch_(?P<epoch>[0-9]{1,9})\.json", re.DOTALL)
_ZSTANDARD = 93
_HINT = "give a finished log that Inspect wrote; `inspect log convert` writes one anew"
_ENDS: dict[str, Finish] = {"stop": "stop", "max_tokens": "length", "model_length": "length"}
Members = list[list[ZipInfo]]


class _Part(msgspec.Struct, frozen=True):
    type: str = "text"
    text: str = ""


class _Turn(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Part] = ""


class _Choice(msgspec.Struct, frozen=True):
    message: _Turn
    stop_reason: str = "unknown"


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_cache_read: int | None = None


class _Output(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    time: float | None = None


class _Score(msgspec.Struct, frozen=True):
    value: Any
    answer: str | None = None
    explanation: str | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str = ""


class _Sample(msgspec.Struct, frozen=True):
    input: str | list[_Turn]
    target: str | list[str]
    choices: list[str] | None = None
    output: _Output | None = None
    scores: dict[str, _Score] | None = None
    error: _Error | None = None
    attachments: dict[str, str] = {}


class _Config(msgspec.Struct, frozen=True):
    temperature: float | None = None
    max_tokens: int | None = None


class _Spec(msgspec.Struct, frozen=True):
    task: str
    model: str
    model_generate_config: _Config = _Config()


class _Header(msgspec.Struct, frozen=True):
    eval: _Spec


def fits(path: Path) -> bool:
    """Tell whether a file is a zip, as Inspect's logs are."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" and is_zipfile(path)


def read(path: Path) -> ForeignLog:
    """Return the log in a file. Raises `BadRow`, `UsageError` or, where a member is packed by zstd, `MissingExtra`."""
    with reading(f"cannot read `{path}` as a log of Inspect", _HINT), ZipFile(path) as archive:
        members = _members(path, archive)
        spec = _decoded(path, archive, _header(path, archive), 0, _Header).eval
    config = spec.model_generate_config
    settings = Settings(
        dataset=plain_name(spec.task),
        problems="",
        count=0,
        method=DIRECT.name,
        student=spec.model[:200] or "unknown",
        prompt_set="recorded",
        sampling=_sampling(config),
        samples=max(map(len, members), default=1),
    )
    return ForeignLog(settings, partial(_traces, path, members, settings))


def _members(path: Path, archive: ZipFile) -> Members:
    """Return the members of each sample, its epochs in order. Raises `UsageError` for what is beyond a limit."""
    found: dict[str, dict[int, ZipInfo]] = {}
    infos = archive.infolist()
    if sum(one.file_size for one in infos) > LARGEST_LOG or len(infos) > _MOST:
        raise UsageError(f"`{path}` unpacks to more than {LARGEST_LOG >> 30} GiB or {_MOST:,} members", _HINT)
    for info in infos:
        if match := _SAMPLE.fullmatch(info.filename):
            epochs = found.setdefault(match["id"], {})
            if int(match["epoch"]) in epochs:
                raise UsageError(f"`{path}` has a sample twice: `{info.filename[:80]}`", _HINT)
            epochs[int(match["epoch"])] = info
        elif info.filename.startswith("samples/") and not info.is_dir():
            raise UsageError(f"`{path}` keeps a sample in parts, `{info.filename[:80]}`, which cannot be read", _HINT)
    if not found:
        raise UsageError(f"`{path}` is a zip without samples of Inspect", _HINT)
    # Members stand in the order in which samples ended.
    order = sorted(found, key=lambda one: (0, int(one), "") if _is_number(one) else (1, 0, one))
    return [[found[one][epoch] for epoch in sorted(found[one])] for one in order]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _header(path: Path, archive: ZipFile) -> ZipInfo:
    for name in ("header.json", "_journal/start.json"):
        with suppress(KeyError):
            return archive.getinfo(name)
    raise UsageError(f"`{path}` is a zip without the header of a log of Inspect", _HINT)


def _decoded(path: Path, archive: ZipFile, info: ZipInfo, number: int, kind: type[Any]) -> Any:
    name = info.filename[:80]
    if info.file_size > LARGEST:
        raise BadRow(path, number, name, f"at most {LARGEST >> 20} MiB unpacked", _HINT)

    def bad(why: str) -> StepdownError:
        return BadRow(path, number, name, f"JSON as Inspect writes it ({why})", _HINT)

    with reading("", "", make=bad):
        return msgspec.json.decode(_unpacked(archive, info), type=kind)


def _unpacked(archive: ZipFile, info: ZipInfo) -> bytes:
    """Return a member's bytes, never more than `LARGEST`, whatever it says its size is."""
    if info.compress_type != _ZSTANDARD:
        with archive.open(info) as file:
            body = file.read(LARGEST + 1)
    else:
        try:
            import zstandard
        except ImportError as error:
            raise MissingExtra("zstandard", "inspect", "a log of Inspect") from error
        raw = archive.fp
        assert raw is not None
        raw.seek(info.header_offset)
        head = raw.read(30)
        raw.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
        packed = raw.read(min(info.compress_size, LARGEST))
        body = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed).read(LARGEST + 1)
    if len(body) > LARGEST:
        raise ValueError(f"more than {LARGEST >> 20} MiB unpacked")
    return body


def _traces(path: Path, members: Members, settings: Settings) -> Iterator[ImportedTrace]:
    number = 0
    with reading(f"cannot read `{path}` as a log of Inspect", _HINT), ZipFile(path) as archive:
        for ordinal, epochs in enumerate(members):
            for place, info in enumerate(epochs):
                number += 1
                sample = _decoded(path, archive, info, number, _Sample)
                yield _imported(path, number, (ordinal, place), sample, settings)


def _imported(path: Path, number: int, at: tuple[int, int], sample: _Sample, settings: Settings) -> ImportedTrace:
    ordinal, place = at
    prompt = _prompt(sample)
    if not prompt:
        raise BadRow(path, number, "input", "a question, found none", _HINT)
    problem = msgspec.structs.replace(_problem(path, number, sample, prompt), id=f"{settings.dataset}/{ordinal}")
    text, finish = _answer(sample)
    output = sample.output or _Output()
    seconds = output.time if output.time and 0 <= output.time < 1e9 else 0.0
    reply = Reply(text or "", settings.student, usage=_usage(output.usage), finish=finish, seconds=seconds)
    call = Call("student", settings.student, prompt, settings.sampling, reply, place)
    error = None
    if text is None:
        error = (sample.error.message[:300] if sample.error else "") or "the log has no reply"
    trace = Trace(problem, settings.method, calls=(call,), solution=text, error=error, sample=place)
    grades = tuple(
        their_grade(f"inspect/{name}", score.value, found=score.answer, why=score.explanation or "")
        for name, score in {plain_name(name): score for name, score in (sample.scores or {}).items()}.items()
    )
    return ImportedTrace(ordinal, trace, grades=grades)


def _prompt(sample: _Sample) -> tuple[Message, ...]:
    if isinstance(sample.input, str):
        return (Message("user", _text(sample.input, sample)),) if sample.input else ()
    kept = [one for one in sample.input if one.role in ("system", "user", "assistant")]
    return tuple(msgspec.convert({"role": one.role, "content": _text(one.content, sample)}, Message) for one in kept)


def _text(content: str | list[_Part], sample: _Sample) -> str:
    if isinstance(content, str):
        return sample.attachments.get(content.removeprefix("attachment://"), content)
    return "".join(_text(part.text, sample) for part in content if part.type == "text")


def _answer(sample: _Sample) -> tuple[str | None, Finish]:
    choices = sample.output.choices if sample.output else []
    if not choices:
        return None, "stop"
    return _text(choices[0].message.content, sample), _ENDS.get(choices[0].stop_reason, "unknown")


def _usage(given: _Usage | None) -> Usage | None:
    if given is None:
        return None
    cached = given.input_tokens_cache_read or 0
    usage = Usage(given.input_tokens + cached, given.output_tokens, cached)
    return usage if usage.possible else None


def _sampling(config: _Config) -> Sampling:
    warm, most = config.temperature, config.max_tokens
    return Sampling(
        temperature=warm if warm is not None and 0 <= warm <= 100 else Sampling().temperature,
        max_tokens=most if most and 0 < most <= MOST_TOKENS else Sampling().max_tokens,
    )


def _problem(path: Path, number: int, sample: _Sample, prompt: tuple[Message, ...]) -> Problem:
    question = next((one.content for one in reversed(prompt) if one.role == "user"), prompt[-1].content).strip()
    target = sample.target if isinstance(sample.target, str) else (sample.target or [""])[0]
    texts = tuple(sample.choices or ())
    if texts and target in LETTERS[: len(texts)]:
        return Problem("", question, target, texts, "choice")
    with suppress(BadRow):
        row = Row(str(path), number, {"question": question, "answer": target})
        return read_problem(row, Columns("question", "answer", "", ""))
    return Problem("", question, target, kind="text")
