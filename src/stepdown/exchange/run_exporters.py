"""Runs into files: streamed, written beside their place and moved there whole."""

import csv
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import cast

import msgspec

from stepdown.errors import MissingExtra, UnknownName
from stepdown.exchange import dspy_rows, inspect_log_out, jsonl_runs, lm_eval_results, trace_of_thought_csv
from stepdown.files import folder_beside, replacing
from stepdown.models import Prices
from stepdown.plugins import Found, find, names
from stepdown.store import ROLES, Run, TraceLine, annotations_by_trace, flat_rows

PART = 4_096
Exporter = Callable[[Run, Path, Prices], int]


def export_run(
    run: Run, to: str, out: str | Path, *, force: bool = False, prices: Prices | None = None, code: bool = False
) -> int:
    """Write a run to a file and return the number of rows.

    `to` is `csv-traces` (the authors' format), `jsonl` (everything; `import_traces` reads it back), `csv` or `parquet`
    (one flat row for each trace, without the calls), `lm-eval` or `lm-eval-samples` (the results file and the samples
    of lm-evaluation-harness), `inspect` (a log of Inspect), `dspy` (lines for `dspy.Example`). A file that is there is
    replaced with `force` only, and only by a whole one. With `code` it may also be a plugin's name or one in a file
    (`my.py:write`), a function of the run, the path and prices that returns the number of rows. Raises `UnknownName`,
    `UsageError`, `MissingExtra`.
    """
    found = find("exporters", to) if code and to not in FORMATS else None
    if to not in FORMATS and found is None:
        raise UnknownName("form of a run", to, [*FORMATS, *(names("exporters") if code else ())])
    write = as_exporter(found) if found else FORMATS[to]
    with replacing(Path(out), force) as path:
        return write(run, path, prices or Prices())


def as_exporter(found: Found) -> Exporter:
    """Return a user's function as an exporter."""
    if isinstance(found.value, type) or not callable(found.value):
        raise found.refused("a function of a run, a path and prices that returns the number of rows")
    return cast(Exporter, found.value)


def _write_authors(run: Run, path: Path, prices: Prices) -> int:
    count, remarks = 0, annotations_by_trace(run)
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for ordinal, trace, _ in run.rows():
            extra = run.extra(ordinal, trace.sample)
            row = (
                msgspec.json.decode(extra, type=trace_of_thought_csv.CsvTrace)
                if extra
                else trace_of_thought_csv.row_of(trace, prices)
            )
            own = remarks.get((trace.problem.id, trace.sample), ())
            writer.writerow(trace_of_thought_csv.write_cells(trace_of_thought_csv.annotated(row, own)))
            count += 1
    return count


def _write_lines(run: Run, path: Path, prices: Prices) -> int:
    count = 0
    with path.open("xb") as file:
        for line in jsonl_runs.run_lines(run, prices):
            file.write(line)
            count += 1
    return count


def _write_csv(run: Run, path: Path, prices: Prices) -> int:
    count = 0
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(_columns()))
        writer.writeheader()
        for row in flat_rows(run.id, run.graded(), prices):
            writer.writerow(row | {"truncated": "true" if row["truncated"] else "false"})
            count += 1
    return count


def _columns() -> dict[str, type]:
    texts = dict.fromkeys(TraceLine.__struct_fields__, str)
    del texts["tokens"], texts["cost"]
    numbers = dict.fromkeys((f"{role}_tokens" for role in ROLES), int)
    return texts | {"sample": int, "truncated": bool} | numbers | {"cost": float}


def _write_parquet(run: Run, path: Path, prices: Prices) -> int:
    try:
        import polars
    except ImportError as error:
        raise MissingExtra("polars", "data", "parquet") from error
    rows, count = flat_rows(run.id, run.graded(), prices), 0
    # Parts on disk, then one file streamed from them: polars writes no file a piece at a time.
    with folder_beside(path) as folder:
        polars.DataFrame(schema=_columns()).write_parquet(folder / "empty.parquet")
        for part in iter(lambda: list(islice(rows, PART)), []):
            polars.DataFrame(part, schema=_columns()).write_parquet(folder / f"part-{count:012}.parquet")
            count += len(part)
        polars.scan_parquet(folder / "*.parquet").sink_parquet(path)
    return count


FORMATS: dict[str, Exporter] = {
    "csv-traces": _write_authors,
    "jsonl": _write_lines,
    "csv": _write_csv,
    "parquet": _write_parquet,
    "inspect": inspect_log_out.write_log,
    "dspy": dspy_rows.write_examples,
    "lm-eval": lm_eval_results.write_results,
    "lm-eval-samples": lm_eval_results.write_samples,
}
