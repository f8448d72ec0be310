"""What the tools answer: each reads the store anew, and has the fields that `--json` has for the same verb."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from stepdown.audits import audit as examine
from stepdown.cli.aligned_lines import aligned_line
from stepdown.cli.mcp.bounds import MOST_RUNS, Answer, bounded, check_count
from stepdown.cli.run_listing import listed
from stepdown.cli.stored_runs import one_run, runs_of
from stepdown.errors import UnknownName, UsageError
from stepdown.models import Prices
from stepdown.reports import Report, ReportRow, all_verdict_changes, report
from stepdown.store import ChangeKind, Run, Store, TraceFilter, Where, labels_of, search_traces
from stepdown.types import Grade, Trace

_EXCERPT, _WHOLE = 1_500, 12_000  # characters of a text among others, and of one that was asked for


class StoreReadings:
    """The answers over one store, which is opened to read for each and never written."""

    def __init__(self, path: Path, prices: Path | None = None) -> None:
        self.path, self.prices = path, Prices(prices)

    def open(self) -> Store:
        """Open the store to read it. Raises `UsageError` where there is none."""
        if not self.path.exists():
            raise UsageError(f"there is no store `{self.path}`", "`stepdown run` or `stepdown demo` makes one")
        return Store(self.path, reading=True)

    def runs(self, dataset: str, offset: int, limit: int) -> Answer:
        """Return the newest runs that are not hidden, of one data set where it is named."""
        with self.open() as store:
            labels = labels_of(store)
            found = [
                run
                for run in store.runs()[::-1]
                if f"{run.settings.dataset}/".startswith(f"{dataset}/" * bool(dataset))
            ]
            found = [run for run in found if not (run.id in labels and labels[run.id].hidden)]
            some = found[offset : offset + check_count(limit)]
            lines = [listed(run, labels=labels[run.id]) if run.id in labels else listed(run) for run in some]
            return bounded({"runs": lines, "total": len(found), "offset": offset}, text=_EXCERPT)

    def compare(self, runs: Sequence[str], baseline: str, turned: ChangeKind, offset: int, limit: int) -> Answer:
        """Return a report of runs, and of each pair some of the problems whose verdict turned."""
        with self.open() as store:
            made = self._report(store, runs, baseline)
            pairs = [_changes(store, row, turned, offset, check_count(limit)) for row in made.rows if row.baseline]
            return bounded({"caption": made.caption, **made.to_json(), "changes": pairs}, text=_EXCERPT)

    def _report(self, store: Store, runs: Sequence[str], baseline: str) -> Report:
        base = one_run(store, baseline) if baseline else None
        return report(*_named(store, runs), baseline=base, prices=self.prices)

    def failures(self, run: str, where: Where, words: str, offset: int, limit: int) -> Answer:
        """Return some traces of a run that are so, texts cut short, and how many there are."""
        with self.open() as store:
            stored = one_run(store, run)
            page = search_traces(stored, TraceFilter(where, words), offset=offset, count=check_count(limit))
            lines = [self._trace(stored, one.problem, one.sample) for one in page.lines]
            found = {"run": stored.id, "total": page.total, "more": page.more, "offset": offset, "traces": lines}
            return bounded(found, text=_EXCERPT)

    def trace(self, run: str, problem: str, sample: int) -> Answer:
        """Return one trace with its plan and solution lined up."""
        with self.open() as store:
            return bounded(self._trace(one_run(store, run), problem, sample, aligned=True), text=_WHOLE)

    def audit(self, runs: Sequence[str], limit: int) -> Answer:
        """Return what to know before trusting runs, with the first wrong traces and plans worth an edit."""
        check_count(limit)
        with self.open() as store:
            found = examine(*_named(store, runs))
            some = msgspec.structs.replace(found, cases=found.cases[:limit], edits=found.edits[:limit])
            return bounded(
                {**some.to_json(), "of_cases": len(found.cases), "of_edits": len(found.edits)}, text=_EXCERPT
            )

    def _trace(self, run: Run, problem: str, sample: int, *, aligned: bool = False) -> dict[str, Any]:
        trace, grade = _attempt(run, problem, sample)
        line: dict[str, Any] = msgspec.to_builtins(aligned_line(run.id, trace, grade, self.prices, aligned=aligned))
        return {**line, "why": grade.why, "plan_author": trace.plan.author if trace.plan else None}


def _named(store: Store, runs: Sequence[str]) -> list[Run]:
    found = runs_of(store, runs) if runs else []
    if not 0 < len(found) <= MOST_RUNS:
        raise UsageError(f"`{len(found)}` runs are named", f"name 1 to {MOST_RUNS}; the tool `runs` lists them")
    return found


def _changes(store: Store, row: ReportRow, turned: ChangeKind, offset: int, limit: int) -> dict[str, Any]:
    """Return what turned between a run and its baseline."""
    before, after = store.run(row.baseline), store.run(row.run)
    changes = all_verdict_changes(before, after)
    counted = {
        kind: changes.some(kind, before=before, after=after, offset=0, count=0).total for kind in ("won", "lost")
    }
    some = changes.some(turned, before=before, after=after, offset=offset, count=limit)
    pair = {"run": row.run, "baseline": row.baseline, "paired": changes.paired, **counted}
    return {**pair, "total": some.total, "offset": offset, "turned": some.turned}


def _attempt(run: Run, problem: str, sample: int) -> tuple[Trace, Grade]:
    attempts = run.attempts(problem)
    found = [(trace, grade) for _, trace, grade in attempts if trace.sample == sample]
    if attempts and not found:
        raise UnknownName("sample", str(sample), [str(trace.sample) for _, trace, _ in attempts])
    return found[0] if found else (run.trace(problem, sample), Grade("ungraded"))
