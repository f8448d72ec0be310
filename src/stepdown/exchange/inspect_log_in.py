"""Logs of Inspect (`.eval`), read as runs with its scores beside.

Source of the form: inspect_ai 0.3.285, `log/_recorders/eval.py` and `log/_recorders/chunked/format.py`: a zip of JSON,
a member for each sample and epoch, or a folder of members that hold a large one in parts.
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
from stepdown.exchange.inspect_samples import (
    InspectConfig,
    InspectEvent,
    InspectPool,
    InspectSample,
    InspectTurn,
    SampleTexts,
    answer_of,
    calls_of,
    plan_of,
    problem_of_sample,
    prompt_of,
    sampling_of,
)
from stepdown.exchange.json_streams import decode_log
from stepdown.methods import DIRECT
from stepdown.store import Annotation
from stepdown.types import Settings, Trace
from stepdown.untrusted import reading

# Bytes of a member or of a sample in parts, and of all members, when they are unpacked.
LARGEST, LARGEST_LOG = 1 << 26, 1 << 33
_MOST = 1_000_000  # samples
_SHOWN = 1_000  # characters of further targets
_SAMPLE = re.compile(
    r"samples/(?P<id>.+)_epoch_(?P<epoch>[0-9]{1,9})"
    r"(?:\.json|/(?P<part>sample|metadata|messages|events|attachments)(?:/(?P<start>[0-9]{1,9}))?\.json)",
    re.DOTALL,
)
# Members beside them, which say nothing that is read.
_ASIDE = re.compile(
    r"samples/.+_epoch_[0-9]{1,9}/(?:skeleton|events/stats|events/uuids|calls/[0-9]{1,9})\.json", re.DOTALL
)
_ZSTANDARD = 93
_HINT = "give a finished log that Inspect wrote; `inspect log convert` writes one anew"
# The members of one sample: the whole in `sample`, or what it is put together of, by the name and place of each part.
Members = dict[tuple[str, int], ZipInfo]
Samples = list[list[Members]]


class _Ours(msgspec.Struct, frozen=True):
    settings: Settings


class _Metadata(msgspec.Struct, frozen=True):
    stepdown: Any = None


class _Spec(msgspec.Struct, frozen=True):
    task: str
    model: str
    model_generate_config: InspectConfig = InspectConfig()
    metadata: _Metadata | None = None


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
    ours = _settings_of_ours(spec)
    settings = ours or Settings(
        dataset=plain_name(spec.task),
        problems="",
        count=0,
        method=DIRECT.name,
        student=spec.model[:200] or "unknown",
        prompt_set="recorded",
        sampling=sampling_of(spec.model_generate_config),
        samples=max(map(len, members), default=1),
    )
    return ForeignLog(settings, partial(_traces, path, members, settings, ours is not None))


def _settings_of_ours(spec: _Spec) -> Settings | None:
    """Return the settings of the run that a log was written of, None for a log that another program wrote."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(spec.metadata.stepdown if spec.metadata else None, _Ours).settings
    return None


def _members(path: Path, archive: ZipFile) -> Samples:
    """Return the members of each sample, its epochs in order. Raises `UsageError` for what is beyond a limit."""
    found: dict[str, dict[int, Members]] = {}
    infos = archive.infolist()
    if sum(one.file_size for one in infos) > LARGEST_LOG or len(infos) > _MOST:
        raise UsageError(f"`{path}` unpacks to more than {LARGEST_LOG >> 30} GiB or {_MOST:,} members", _HINT)
    for info in infos:
        if match := _SAMPLE.fullmatch(info.filename):
            parts = found.setdefault(match["id"], {}).setdefault(int(match["epoch"]), {})
            part = match["part"] or "sample", int(match["start"] or 0)
            if part in parts:
                raise UsageError(f"`{path}` has a sample twice: `{info.filename[:80]}`", _HINT)
            parts[part] = info
        elif info.filename.startswith("samples/") and not info.is_dir() and not _ASIDE.fullmatch(info.filename):
            raise UsageError(f"`{path}` has a member that is not known, `{info.filename[:80]}`", _HINT)
    if not found:
        raise UsageError(f"`{path}` is a zip without samples of Inspect", _HINT)
    # Members stand in the order in which samples ended.
    return [[found[one][epoch] for epoch in sorted(found[one])] for one in sorted(found, key=_place)]


def _place(name: str) -> tuple[str, int]:
    """Return what samples are sorted by: `9` before `10`, `sums/9` before `sums/10`."""
    match = re.fullmatch(r"(.*?)([0-9]{1,18})", name, re.DOTALL)
    return (match[1], int(match[2])) if match else (name, -1)


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
        return decode_log(_unpacked(archive, info), kind)


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


def _traces(path: Path, members: Samples, settings: Settings, ours: bool) -> Iterator[ImportedTrace]:
    number, left = 0, LARGEST_LOG
    with reading(f"cannot read `{path}` as a log of Inspect", _HINT), ZipFile(path) as archive:
        for ordinal, epochs in enumerate(members):
            for place, parts in enumerate(epochs):
                number += 1
                sample = _whole(path, archive, parts, number)
                texts = SampleTexts(sample, path, number, min(LARGEST, left))
                yield _imported(path, number, (ordinal, place), texts, settings, ours=ours)
                left -= texts.spent


def _whole(path: Path, archive: ZipFile, parts: Members, number: int) -> InspectSample:
    """Return a sample, put together where it is kept in parts."""
    first = next(iter(parts.values()))
    if sum(one.file_size for one in parts.values()) > LARGEST:
        raise BadRow(path, number, first.filename[:80], f"at most {LARGEST >> 20} MiB unpacked", _HINT)
    if ("sample", 0) not in parts:
        raise BadRow(path, number, first.filename[:80], "a member `sample.json` beside it", _HINT)
    sample: InspectSample = _decoded(path, archive, parts["sample", 0], number, InspectSample)
    if len(parts) == 1:
        return sample

    def every(part: str, kind: Any) -> list[Any]:
        chunks = sorted((start, info) for (name, start), info in parts.items() if name == part)
        return [one for _, info in chunks for one in _decoded(path, archive, info, number, list[kind])]

    kept = parts.get(("metadata", 0))
    return msgspec.structs.replace(
        sample,
        events=every("events", InspectEvent),
        events_data=InspectPool(every("messages", InspectTurn)),
        attachments={str(place): text for place, text in enumerate(every("attachments", str))},
        metadata=_decoded(path, archive, kept, number, dict[str, Any]) if kept else sample.metadata,
    )


def _imported(
    path: Path, number: int, at: tuple[int, int], texts: SampleTexts, settings: Settings, *, ours: bool
) -> ImportedTrace:
    ordinal, place = at
    sample, prompt, text = texts.sample, prompt_of(texts), answer_of(texts)
    if not prompt[0]:
        raise BadRow(path, number, "input", "a question, found none", _HINT)
    problem = problem_of_sample(sample, prompt[0], str(path), number, ours=ours)
    if not problem.id:
        problem = msgspec.structs.replace(problem, id=f"{settings.dataset}/{ordinal}")
    error = None
    if text is None:
        error = (sample.error.message[:300] if sample.error else "") or "the log has no reply"
    calls, plan = calls_of(texts, settings, place, prompt, text), plan_of(sample) if ours else None
    trace = Trace(problem, settings.method, plan, calls=calls, solution=text, error=error, sample=place)
    grades = tuple(
        their_grade(f"inspect/{name}", score.value, found=score.answer, why=score.explanation or "")
        for name, score in {plain_name(name): score for name, score in (sample.scores or {}).items()}.items()
    )
    return ImportedTrace(ordinal, trace, grades=grades, remarks=_more_targets(sample.target))


def _more_targets(target: str | list[str]) -> tuple[Annotation, ...]:
    """Return a remark where a sample has several targets, of which the first is the gold."""
    if isinstance(target, str) or len(target) < 2:
        return ()
    more = ", ".join(f"`{one}`" for one in target[1:])
    return (Annotation("", f"The log has further targets: {more[:_SHOWN]}", author="file"),)
