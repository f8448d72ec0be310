"""Rows of tabular files (jsonl, json, csv, tsv, parquet), each with the file and line it came from."""

import csv
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from stepdown.errors import BadRow, UsageError
from stepdown.extras import load_polars
from stepdown.files import no_such_file
from stepdown.untrusted import reading

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
_HOLDERS = ("examples", "data", "rows", "instances", "questions", "problems", "test", "train", "dev")
_NO_JSON = re.compile(r"[:\[,]\s*-?(?:NaN|Infinity)\b")
Fields = dict[str, Any]


class Row(msgspec.Struct, frozen=True):
    """One row of a file: `line` counts lines from 1, or rows where the format has no lines."""

    file: str
    line: int
    fields: Fields

    def bad(self, column: str, expected: str, hint: str = "") -> BadRow:
        """Return the error that names this row, the column and what was expected there."""
        return BadRow(self.file, self.line, column, expected, hint)

    def value(self, column: str) -> Any:
        """Return what a column holds; raise `BadRow`, naming the columns there are, where it is missing."""
        if column not in self.fields:
            there = ", ".join(f"`{name}`" for name in self.fields) or "none"
            raise self.bad(column, "this column in the row", f"columns in the row: {there}")
        return self.fields[column]

    def text(self, column: str, what: str = "a text") -> str:
        """Return a column as text without outer blanks; raise `BadRow` where it holds none."""
        value = plain(self.value(column))
        if value is None:
            raise self.bad(column, f"{what}, found {clip_value(self.fields[column])}")
        if not value:
            raise self.bad(column, f"{what}, found nothing")
        return value

    def optional(self, column: str) -> str:
        """Return a column as text, empty where the row has none."""
        return plain(self.fields.get(column)) or ""


# Whoever may raise between two rows closes this, so that no file is left open in a traceback.
Rows = Generator[Row, None, None]


def plain(value: object) -> str | None:
    """Return text or a number as stripped text (145.0 as `145`), nothing as ``, anything else as None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float) else None


def clip_value(value: object, width: int = 60) -> str:
    """Return a value in backticks, cut to a width that fits a message."""
    text = repr(value)
    return f"`{text if len(text) <= width else text[: width - 3] + '...'}`"


def find_file(path: str | Path) -> Path:
    """Return the path of a data file that is there; raise `UsageError` where it cannot be read as one."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise UsageError(f"`{path}` is a directory", "name one file in it, such as `--data DIR/test.jsonl`")
    if not file.is_file():
        raise no_such_file(path, "check the path; it counts from the current directory")
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"`{path}` is not of a known kind", f"known kinds: {', '.join(SUFFIXES)}")
    if not file.stat().st_size:
        raise UsageError(f"`{path}` is empty", "fetch the file again, or name another")
    return file


def read_rows(path: Path) -> Rows:
    """Stream the rows of a file of a known kind; raise `BadRow` at the first that cannot be read."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return csv_rows(path, "\t" if suffix == ".tsv" else ",")
    if suffix == ".parquet":
        return parquet_rows(path)
    return json_rows(path)


def decoded_lines(path: Path) -> Generator[str, None, None]:
    """Stream the lines of a UTF-8 file (a byte order mark is accepted); raise `BadRow` at any other encoding."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            body = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            try:
                yield body.decode("utf-8")
            except UnicodeDecodeError as error:
                refuse_encoding(path, number, body, error)


def refuse_encoding(path: Path, line: int, body: bytes, error: UnicodeDecodeError) -> NoReturn:
    """Raise the `BadRow` of a line that is not UTF-8."""
    at = error.start
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as found:  # a reader of JSON says where in a text of the line it is
        at = found.start
    utf16 = line == 1 and body[:2] in (b"\xff\xfe", b"\xfe\xff")
    what = "a UTF-16 file" if utf16 else f"byte 0x{body[at]:02x} at position {at + 1}"
    raise BadRow(path, line, "encoding", f"UTF-8, found {what}", "save the file as UTF-8") from error


def json_rows(path: Path) -> Rows:
    """Stream JSON lines; a file that is one list, or one object of rows keyed `0`, `1`..., is read whole."""
    with closing(decoded_lines(path)) as texts:
        lines = ((number, line) for number, line in enumerate(texts, 1) if line.strip())
        yield from whole_or_lines(path, lines)


def whole_or_lines(path: Path, lines: Iterator[tuple[int, str]]) -> Rows:
    """Stream numbered lines as rows, or the rows of the whole file where its first line does not stand for itself."""
    first = next(lines, None)
    if first is None:
        return
    number, line = first
    if line.lstrip().startswith("["):
        yield from whole_rows(path)
        return
    try:
        row: object = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        # A .json file may spread one object over many lines; in a .jsonl file the same is a cut line.
        if path.suffix.lower() == ".json":
            yield from whole_rows(path)
            return
        row = json_row(path, number, line).fields
    if is_keyed(row) or (path.suffix.lower() == ".json" and held(row) != [row]):
        yield from whole_rows(path)
        return
    yield json_row(path, number, line)
    for number, line in lines:
        yield json_row(path, number, line)


def json_row(path: Path, number: int, line: str) -> Row:
    """Return one JSON line as a row; raise `BadRow` where it is cut off or no object."""
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        whole = "" if line.rstrip().endswith("}") else "; the line is cut off"
        hint = "NaN and Infinity are no JSON: leave out rows without a value" if _NO_JSON.search(line) else ""
        raise BadRow(path, number, "the row", f"one JSON object on the line ({error}{whole})", hint) from error
    if not isinstance(fields, dict):
        raise BadRow(path, number, "the row", f"a JSON object, found {clip_value(fields)}")
    return Row(str(path), number, fields)


def is_keyed(value: object) -> bool:
    """Whether this is one object of rows keyed `0`, `1`..., as INK-USC's files are."""
    return isinstance(value, dict) and isinstance(value.get("0"), dict)


def held(found: object) -> list[Any]:
    """Return the rows that an object holds under a name such as `examples`, as BIG-Bench Hard's files do; else it."""
    lists = [found[name] for name in _HOLDERS if isinstance(found.get(name), list)] if isinstance(found, dict) else []
    return lists[0] if len(lists) == 1 and lists[0] else [found]


def whole_rows(path: Path) -> Rows:
    """Read a file that is one JSON list of rows, or one object of them, and stream its rows."""
    try:
        value = msgspec.json.decode("".join(decoded_lines(path)))
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRow(path, 1, "the file", f"one whole JSON value ({error})", "fetch the file again") from error
    rows = list(value.values()) if is_keyed(value) else value if isinstance(value, list) else held(value)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise BadRow(path, number, "the row", f"a JSON object, found {clip_value(row)}")
        yield Row(str(path), number, row)


def csv_rows(path: Path, delimiter: str = ",") -> Rows:
    """Stream the rows of a CSV or TSV file with a header; quoted fields may hold newlines and be of any length."""
    # The limit is the process's, not the reader's; the csv module has no other way to it.
    csv.field_size_limit(2**31 - 1)
    with closing(decoded_lines(path)) as lines:
        yield from headed_rows(path, csv.reader(lines, delimiter=delimiter, strict=True))


def headed_rows(path: Path, reader: Any) -> Rows:
    """Stream a CSV reader's records as rows named by the first of them."""
    header = next_cells(path, reader)
    if header is None:
        return
    names = [name.strip() for name in header]
    if len(set(names)) < len(names):
        raise BadRow(path, 1, "the header", f"a name of its own for each column, found {clip_value(names)}")
    line = reader.line_num + 1
    while (cells := next_cells(path, reader)) is not None:
        if cells and len(cells) != len(names):
            hint = "quote a field that holds a comma (in .tsv a tab), a quote or a newline"
            raise BadRow(path, line, "the row", f"{len(names)} fields, found {len(cells)}", hint)
        if cells:
            yield Row(str(path), line, dict(zip(names, cells, strict=True)))
        line = reader.line_num + 1


def next_cells(path: Path, reader: Any) -> list[str] | None:
    """Return the next record's cells, None at the end; raise `BadRow` at broken quoting."""
    line = reader.line_num + 1
    try:
        cells: list[str] | None = next(reader, None)
    except csv.Error as error:
        hint = "a quoted field must be closed, and a quote inside it doubled"
        raise BadRow(path, line, "the row", f"well-quoted CSV ({error})", hint) from error
    return cells


def parquet_rows(path: Path, batch: int = 10_000) -> Rows:
    """Stream the rows of a parquet file, `batch` at a time; `line` is the row's number from 1."""
    polars = load_polars()

    def broken(text: str) -> BadRow:
        return BadRow(path, 1, "the file", f"a parquet file ({clip_value(text, 120)})", "fetch the file again")

    with reading("", "", make=broken):
        frame = polars.scan_parquet(path, glob=False)
        total = frame.select(polars.len()).collect().item()
    for start in range(0, total, batch):
        with reading("", "", make=broken):
            rows = list(frame.slice(start, batch).collect().iter_rows(named=True))
        for number, fields in enumerate(rows, start + 1):
            yield Row(str(path), number, fields)
