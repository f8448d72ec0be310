"""The story that `stepdown tour` tells at the terminal: each stop in words, with the table or the trace it is about."""

import difflib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from stepdown.cli.verbs.traces import block
from stepdown.corpus import Card, read_card
from stepdown.reports import Report, ReportRow, report
from stepdown.store import Run, Store
from stepdown.text import DASH, Table, as_text, count, method_of, percent, plans_of, short, wrapped
from stepdown.tour import CORPUS, Study
from stepdown.types import Grade, Trace

_BAR = 24
_TITLES = ("Right answers", "Against the baseline", "Tokens and money")


class Story:
    """What is shown at each stop of a copied study, as text."""

    def __init__(self, store: Store, study: Study, folder: Path, width: int) -> None:
        self.store, self.study, self.folder, self.width = store, study, folder, width
        runs = study.runs
        self.methods = [store.run(run) for run in (runs.direct, runs.thought, runs.planned, runs.traced, runs.gold)]
        self.traced, self.mended = store.run(runs.traced), store.run(runs.mended)
        self.trained = [store.run(runs.distilled)] if runs.distilled else []

    def head(self) -> str:
        """What the study is, in a sentence or two."""
        settings = self.traced.settings
        return (
            f"A real study, recorded on {self.study.recorded} and kept in this package: nothing is asked or fetched. "
            f"{settings.count} word sums ({settings.dataset}), generated here, by {short(settings.student)}; plans by "
            f"{short(settings.teacher)}."
        )

    def parts(self) -> list[Iterator[str]]:
        """Return what is shown at each stop, in the order of the way; made when it is asked for."""
        return [self.runs(), self.compared(), self.wrong(), self.edit(), self.flip(), self.costs(), self.corpus()]

    def everything(self) -> Report:
        """Return the report of all runs but the mended one, against the student's direct run."""
        return report(*self.methods, *self.trained, baseline=self.methods[0])

    def runs(self) -> Iterator[str]:
        """The runs, with what came out right."""
        rows = report(*self.methods, self.mended, *self.trained).rows
        cells = [
            (method_of(row), short(row.student), plans_of(row, row.planner), f"{row.right}/{row.graded}", _tokens(row))
            for row in rows
        ]
        yield self._table(Table("", ("method", "student", "plans", "right/graded", "tokens"), tuple(cells), 3))

    def compared(self) -> Iterator[str]:
        """The five ways of the untrained student, against its direct answers."""
        yield from self._tables(report(*self.methods, baseline=self.methods[0]), *_TITLES[:2])

    def wrong(self) -> Iterator[str]:
        """The trace that the story follows."""
        yield block(*self._attempt(self.traced))

    def edit(self) -> Iterator[str]:
        """What was changed in its plan, why, and the solution by the new plan."""
        trace, grade = self._attempt(self.mended)
        plan = trace.plan
        assert plan is not None, "the mended run is solved by plans"
        before, after = (plan.edited_from or "").splitlines(), plan.text.splitlines()
        changed = list(difflib.unified_diff(before, after, lineterm="", n=9))[3:]
        yield "\n".join([f"{plan.author}: {plan.why}", "", *changed])
        yield block(trace, grade).partition("\n\nsolution:\n")[2]

    def flip(self) -> Iterator[str]:
        """The pair of verdicts, as Compare lists it."""
        before, after = (self._attempt(run)[1] for run in (self.traced, self.mended))
        row = (self.study.problem, f"{before.verdict} ({before.found or DASH})", f"{after.verdict} ({after.found})")
        yield self._table(Table("", ("problem", "before", "now"), (row,), 3))

    def costs(self) -> Iterator[str]:
        """Right answers against tokens, drawn, and the table of tokens."""
        made = self.everything()
        yield self._table(drawn(made))
        yield from self._tables(made, _TITLES[2])

    def corpus(self) -> Iterator[str]:
        """What the corpus holds, one of its chains, and the trained student beside its base."""
        card = read_card(self.folder / CORPUS)
        yield "\n".join(wrapped(self._of(card), self.width))
        example = self.study.example
        yield f"{example.question}\n\n{example.chain.strip()}\n\n{example.verdict}"
        if self.trained:
            yield f"{self.study.base} before and after {self.study.steps} steps of training on such chains:"
            yield from self._tables(report(self.methods[1], *self.trained, baseline=self.methods[1]), *_TITLES[:2])

    def _of(self, card: Card) -> str:
        teachers = ", ".join(short(name) for name in card.teachers)
        of = f"{card.problems} problems of {card.dataset}"
        return f"{card.chains} chains ({teachers}) for {of}, {card.right} right. One of them:"

    def _attempt(self, run: Run) -> tuple[Trace, Grade]:
        return next((trace, grade) for trace, grade in run.graded() if trace.problem.id == self.study.problem)

    def _tables(self, made: Report, *titles: str) -> Iterator[str]:
        yield from (self._table(table) for table in made.tables if table.title in titles)

    def _table(self, table: Table) -> str:
        """A table whose first column is flush left, too."""
        first = max(len(cells[0]) for cells in (table.header, *table.rows))
        header, *rows = ((cells[0].ljust(first), *cells[1:]) for cells in (table.header, *table.rows))
        even = msgspec.structs.replace(table, header=header, rows=tuple(rows))
        return "\n".join(line.rstrip() for line in as_text(even, self.width).strip("\n").splitlines())


def drawn(made: Report) -> Table:
    """Return right answers against tokens for each run of a report, a bar each: most right first."""
    most = max(map(_spent, made.rows), default=0) or 1
    rows = sorted(made.rows, key=lambda row: (-(row.accuracy or 0), _spent(row)))
    cells = tuple(
        (method_of(row), short(row.student), plans_of(row, row.planner), percent(row.accuracy),
         ("█" * max(1, round(_BAR * _spent(row) / most))).ljust(_BAR), _tokens(row))
        for row in rows
    )  # fmt: skip
    return Table("", ("method", "student", "plans", "% right", "".ljust(_BAR), "tokens"), cells, 3)


def _spent(row: ReportRow) -> int:
    return sum(filter(None, row.tokens.values()))


def _tokens(row: ReportRow) -> str:
    return count(_spent(row))
