"""Files into runs: checked whole, then written in one transaction, so that a bad file leaves nothing behind."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import msgspec

from stepdown.errors import BadRow, UsageError
from stepdown.exchange import inspect_log_in, jsonl_runs, lm_eval_samples, trace_of_thought_csv
from stepdown.exchange.imported import ForeignLog, ImportedTrace
from stepdown.exchange.json_streams import decode_log
from stepdown.exchange.source import digest_of
from stepdown.models import Prices
from stepdown.problems import Fingerprint
from stepdown.runner import grade, open_store
from stepdown.store import Annotation, Run, Store, annotate, put_review
from stepdown.tabular import decoded_lines
from stepdown.types import Settings

_FORMS = (
    "give a traces CSV of the authors, a .jsonl that `stepdown export --to jsonl` wrote, samples that lm_eval logged, "
    "or a log of Inspect"
)
_FIRST = 1 << 26  # bytes of a first line that are looked at


def import_traces(path: str | Path, *, store: Store | None = None) -> Run:
    """Return the run a file tells of: the authors' traces CSV, a run exported as jsonl, samples of lm_eval,
    a log of Inspect.

    A file that was imported before gives the same run again, whatever its name is now. Traces the file does not
    grade, and those of other harnesses, are graded by the default grader; the verdicts of theirs are kept beside.
    Raises `UsageError` for a file that is none of these and `BadRow` for the first bad row of one that is; then
    nothing is written.
    """
    path, store = _find(path), store or open_store()
    origin = f"{path.name}:{digest_of(path)}"
    run = _earlier(store, origin) or _import(path, origin, store)
    return run if run.grader else grade(run)


def _import(path: Path, origin: str, store: Store) -> Run:
    read = _foreign_reader(path)
    if read is not None:
        return _import_log(read(path), origin, store)
    return (_import_lines if _is_jsonl(path) else _import_authors)(path, origin, store)


def _foreign_reader(path: Path) -> Callable[[Path], ForeignLog] | None:
    """Return the reader of another harness's log, None for a file of ours or of the authors'."""
    if inspect_log_in.fits(path):
        return inspect_log_in.read
    with path.open("rb") as file:
        start = file.readline(_FIRST)
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        if lm_eval_samples.fits(decode_log(start, dict[str, msgspec.Raw])):
            return lm_eval_samples.read
    return None


def _import_log(log: ForeignLog, origin: str, store: Store) -> Run:
    fingerprint, count, last = Fingerprint(), 0, -1
    for item in log.traces():
        if item.ordinal != last:
            fingerprint.add(item.trace.problem)
            count, last = count + 1, item.ordinal
    settings = msgspec.structs.replace(log.settings, problems=fingerprint.digits, count=count, origin=origin)
    return _write(store, settings, log.traces())


def _find(path: str | Path) -> Path:
    file = Path(path).expanduser()
    if file.is_dir():
        raise UsageError(f"`{path}` is a directory", f"name files in it, such as {path}/*.csv")
    if not file.is_file():
        raise UsageError(f"there is no file `{path}`", _FORMS)
    if not file.stat().st_size:
        raise UsageError(f"`{path}` is empty", "fetch the file again, or name another")
    return file


def _earlier(store: Store, origin: str) -> Run | None:
    digest = origin.rpartition(":")[2]
    files = ((run, run.settings.origin.partition("/")[0]) for run in store.runs())
    return next((run for run, file in files if file.endswith(f":{digest}")), None)


def _is_jsonl(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(20)
    if start.startswith((b"run,problem,", b"PAR1")):
        raise UsageError(f"`{path}` is a flat export, which leaves out the calls", _FORMS)
    if start.startswith(b"SQLite format 3"):
        raise UsageError(f"`{path}` is a database and no trace file", f"read a store with --store {path}, or {_FORMS}")
    return next(decoded_lines(path), "").lstrip().startswith("{")


def _import_authors(path: Path, origin: str, store: Store) -> Run:
    digest, count, first = blake2b(digest_size=16), 0, None
    for item in csv_traces(path):
        # The same bytes as `Problems.check` digests, so that equal problems show as equal in every run.
        digest.update(msgspec.json.encode(item.trace.problem) + b"\n")
        count, first = count + 1, first or item.trace
    if first is None:
        raise UsageError(f"`{path}` has no rows", "give a traces CSV of the authors")
    settings = trace_of_thought_csv.settings_of(first, problems=digest.hexdigest(), count=count, origin=origin)
    return _write(store, settings, csv_traces(path))


def csv_traces(path: Path) -> Iterator[ImportedTrace]:
    """Stream the traces of an authors' file in its order; ids count its rows from 0."""
    names, prices, dataset = trace_of_thought_csv.names_of(path), Prices(), None
    with closing(trace_of_thought_csv.read_rows(path)) as rows:
        for index, (line, row) in enumerate(rows):
            dataset = dataset or trace_of_thought_csv.dataset_of(row)
            problem = trace_of_thought_csv.read_problem(path, line, row, dataset)
            problem = msgspec.structs.replace(problem, id=f"{dataset}/test/{index}")
            trace = trace_of_thought_csv.read_trace(row, problem, names)
            # What a trace cannot say (an annotation, a blank at an end) is kept, so that an export gives it back.
            same = trace_of_thought_csv.row_of(trace, prices) == row
            yield ImportedTrace(index, trace, extra=None if same else msgspec.json.encode(row), remarks=_remarks(row))


def _remarks(row: trace_of_thought_csv.CsvTrace) -> tuple[Annotation, ...]:
    given = row.annotations
    return (Annotation(given.delegation, given.answer, author="file"),) if given.delegation or given.answer else ()


def _import_lines(path: Path, origin: str, store: Store) -> Run:
    settings, places = None, set()
    with closing(jsonl_runs.read_lines(path)) as lines:
        for number, line in lines:
            settings = line.settings
            index = (line.ordinal, line.sample)
            if index in places:
                raise BadRow(path, number, "ordinal", f"a place of its own, but {index} came before")
            places.add(index)
    if settings is None:
        raise UsageError(f"`{path}` has no lines", "give a .jsonl that `stepdown export --to jsonl` wrote")
    settings = msgspec.structs.replace(settings, origin=jsonl_runs.origin_of(origin, settings))
    return _write(store, settings, jsonl_traces(path))


def jsonl_traces(path: Path) -> Iterator[ImportedTrace]:
    """Stream the traces of an exported run in its order."""
    for _, line in jsonl_runs.read_lines(path):
        yield ImportedTrace(
            ordinal=line.ordinal,
            trace=jsonl_runs.trace_of(line),
            grader=line.grader,
            grades=jsonl_runs.grades_in(line),
            extra=jsonl_runs.extra_of(line),
            remarks=line.remarks,
            edits=line.edits,
            review=line.review,
        )


def _add(run: Run, item: ImportedTrace) -> None:
    problem = item.trace.problem
    for remark in item.remarks:
        annotate(run, problem.id, annotation=remark, sample=item.trace.sample)
    for edit in item.edits:
        run.put_edit(problem.id, edit.plan, seconds=edit.seconds, created=edit.created)
    if item.review is not None:
        put_review(run, problem, item.review)


def _write(store: Store, settings: Settings, items: Iterator[ImportedTrace]) -> Run:
    with store.writing():
        run = store.open_run(settings)
        graders = set()
        while page := list(islice(items, 256)):
            for item in page:
                # A source of its own for each trace: a file may hold two answers to one question.
                index = f"{settings.origin}#{item.ordinal}/{item.trace.sample}"
                run.put_trace(item.ordinal, item.trace, source=index, extra=item.extra)
                _add(run, item)
            run.put_grades((i.ordinal, i.trace.sample, grade) for i in page for grade in i.grades)
            graders |= {item.grader for item in page}
        if len(graders) == 1:
            run.grader = graders.pop()
    return run
