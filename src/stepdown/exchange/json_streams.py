"""Files of JSON objects as streams: one object on a line or all in one array, plain or gzip, or rows of parquet."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import msgspec

from stepdown.errors import BadRow, UsageError
from stepdown.files import no_such_file
from stepdown.tabular import Row, clip_value, parquet_rows, refuse_encoding

# Told the bytes of the file that are read, and all there are.
Progress = Callable[[int, int], None]
_REPORTED_EVERY = 1_000
_BLOCK = 1 << 20
# No object of an array is larger (characters): beyond it the array is taken for broken.
_LARGEST = 1 << 26
_GZIP, _BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
Piece = TypeVar("Piece")
_GAP = re.compile(r"[\s,]*")
# A text, which is left as it is, or a number that is none.
_ODD_NUMBER = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|NaN|-?Infinity', re.S)
_CUT = "fetch the file again: it ends too early or was changed on the way"


def find_objects(path: str | Path) -> Path:
    """Return the path of a file that is there and holds something; raise `UsageError` otherwise."""
    found = Path(path).expanduser()
    if found.is_dir():
        raise UsageError(f"`{path}` is a directory", f"name one file in it, such as {path}/train.jsonl")
    if not found.is_file():
        raise no_such_file(path, "check the path; it counts from the current directory")
    if not found.stat().st_size:
        raise UsageError(f"`{path}` is empty", "fetch the file again, or name another")
    return found


def read_objects(path: Path, *, progress: Progress | None = None) -> Iterator[Row]:
    """Stream the objects of a file; `line` counts lines, or objects where they stand in an array or in parquet.

    Raises `BadRow` at the first that is no JSON object, and where a gzip file is cut off. Memory: one line, or one
    object of an array.
    """
    with path.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start == b"PAR1":
            yield from parquet_rows(path)
            return
        rows = _zipped_rows(path, raw) if start[:2] == _GZIP else _rows(path, raw)
        yield from rows if progress is None else _with_progress(rows, raw, path.stat().st_size, progress)


def is_lines(path: Path) -> bool:
    """Whether a file, plain or gzip, has an object on each line: neither an array nor parquet."""
    with path.open("rb") as raw:
        start = raw.read(4)
        if start == b"PAR1":
            return False
        raw.seek(0)
        body = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if start[:2] == _GZIP else raw
        with suppress(EOFError, gzip.BadGzipFile, zlib.error):
            while block := body.read(_BLOCK):
                if found := block.removeprefix(_BOM).lstrip():
                    return found.startswith(b"{")
    return False


def read_lines(path: Path, *, progress: Progress | None = None) -> Iterator[tuple[int, bytes]]:
    """Stream the lines of a file that `is_lines`, numbered from 1, without blank ones; raises as `read_objects`."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == _GZIP
        raw.seek(0)
        lines = _unzipped_lines(path, raw) if zipped else _lines(raw)
        yield from lines if progress is None else _with_progress(lines, raw, path.stat().st_size, progress)


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, 1):
        body = line.removeprefix(_BOM) if number == 1 else line
        if not body.isspace() and body:
            yield number, body


def _unzipped_lines(path: Path, raw: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with gzip.GzipFile(fileobj=raw) as body:
            for number, line in _lines(cast(IO[bytes], body)):
                yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadRow(path, number + 1, "the file", f"a whole gzip file ({error})", _CUT) from error


def _with_progress(rows: Iterator[Piece], raw: IO[bytes], size: int, progress: Progress) -> Iterator[Piece]:
    for count, row in enumerate(rows, 1):
        yield row
        if count % _REPORTED_EVERY == 0:
            progress(raw.tell(), size)
    progress(size, size)


def _zipped_rows(path: Path, raw: IO[bytes]) -> Iterator[Row]:
    row = None
    try:
        with gzip.GzipFile(fileobj=raw) as body:
            for row in _rows(path, cast(IO[bytes], body)):
                yield row
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        line = row.line + 1 if row else 1
        raise BadRow(path, line, "the file", f"a whole gzip file ({error})", _CUT) from error


def _rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    blanks = 0
    for line in file:
        body = line.removeprefix(b"\xef\xbb\xbf").lstrip()
        if body.startswith(b"["):
            with _text(path, body, file) as text:
                yield from _array_rows(path, text)
            return
        if body:
            yield row_of_line(path, blanks + 1, body)
            break
        blanks += 1
    for number, line in enumerate(file, blanks + 2):
        if line.strip():
            yield row_of_line(path, number, line)


def decode_log(raw: bytes, kind: Any) -> Any:
    """Return a JSON value of a type; numbers that JSON has no words for, as Python writes them, are null.

    Raises as msgspec does.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in raw and b"Infinity" not in raw:
            raise
        return msgspec.json.decode(_ODD_NUMBER.sub(_nulled, raw), type=kind)


def _nulled(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].startswith(b'"') else b"null"


def row_of_line(path: Path, number: int, line: bytes) -> Row:
    """Return a line as a row; raise `BadRow` where it is no JSON object."""
    try:
        found: object = msgspec.json.decode(line)
    except UnicodeDecodeError as error:
        refuse_encoding(path, number, line, error)
    except (msgspec.DecodeError, RecursionError) as error:
        found = _lenient(line)
        if found is None:
            whole = "" if line.rstrip().endswith(b"}") else "; the line is cut off"
            raise BadRow(path, number, "the row", f"one JSON object on the line ({error}{whole})", _CUT) from error
    return _checked(path, number, found)


def _lenient(line: bytes) -> object:
    """Return what Python's own reader takes and JSON forbids, which is NaN; None where it refuses too."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _checked(path: Path, number: int, found: object) -> Row:
    if not isinstance(found, dict):
        raise BadRow(path, number, "the row", f"a JSON object, found {clip_value(found)}", _CUT)
    return Row(str(path), number, found)


@contextmanager
def _text(path: Path, first: bytes, file: IO[bytes]) -> Iterator[Callable[[int], str]]:
    """Give a reader of the characters of a file whose first line was read already."""
    rest = TextIOWrapper(cast(Any, file), encoding="utf-8", errors="strict")
    ahead = [first]

    def read(size: int) -> str:
        return ahead.pop().decode() if ahead else rest.read(size)

    try:
        yield read
    except UnicodeDecodeError as error:
        refuse_encoding(path, 1, error.object[: error.end], error)
    finally:
        rest.detach()


def _array_rows(path: Path, read: Callable[[int], str]) -> Iterator[Row]:
    decode, number = json.JSONDecoder().raw_decode, 1
    buffer, at = read(_BLOCK), 1
    while True:
        at = _after_gap(buffer, at)
        if buffer.startswith("]", at):
            return
        try:
            found, at = decode(buffer, at)
        except (json.JSONDecodeError, RecursionError) as error:
            more = read(max(_BLOCK, len(buffer) - at))
            if not more or len(buffer) - at > _LARGEST:
                expected = f"a JSON object and the end of the array ({error})"
                raise BadRow(path, number, "the row", expected, _CUT) from error
            buffer, at = buffer[at:] + more, 0
            continue
        yield _checked(path, number, found)
        number += 1


def _after_gap(buffer: str, at: int) -> int:
    gap = _GAP.match(buffer, at)
    return gap.end() if gap else at
