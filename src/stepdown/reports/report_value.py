"""The report of some runs as one value, without the store; as text, Markdown and JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import msgspec

from stepdown.audits import Adherence
from stepdown.frames import Convertible, Dicts
from stepdown.measuring import Consistency, RunMarks, Sensitivity
from stepdown.reports.adherence_table import adherence_table
from stepdown.reports.counts import Flip
from stepdown.reports.failed_tries import LeftOut, words_of
from stepdown.reports.lost_costs import LostCosts, lost_table
from stepdown.reports.mark_tables import marks_table
from stepdown.reports.measures import contrast_tables, sensitivity_table
from stepdown.reports.next_dollar import NextDollar, next_dollar_table
from stepdown.reports.plan_sharing import Sharing
from stepdown.reports.report_rows import ReportRow
from stepdown.reports.server_tables import server_tables
from stepdown.reports.tables import tables_of
from stepdown.store import ROLES, ServerFigures
from stepdown.text import Measure, Table, as_markdown, as_text, counted, fragment, html_table, html_text, wrapped
from stepdown.types import Settings, StudyFile

VERSION = 1


class Profile(msgspec.Struct, frozen=True):
    """Graded problems of a run by (plan steps, right) and by (tokens rounded up to a power of two, right)."""

    steps: dict[tuple[int, bool], int]
    sizes: dict[tuple[int, bool], int]


class Report(msgspec.Struct, Convertible, frozen=True, kw_only=True):
    """Some runs, compared; iterating gives its rows.

    `baseline` is the id of the run that every other row is compared with, None where each student
    has its own (a row's `baseline` says which). `settings`, `profiles` and `flips` are by run id.
    `servers` has the servers of runs that asked more than one, by run id, `lost` what calls without a reply may cost.
    `consistencies` are of the rows that were compared with a run on their contrast set, `sensitivities` of the rows
    whose solutions were also read by other graders. `left_out` are runs that were chosen with them and are no rows.
    `adherences` say how the plans of runs were followed, where that was asked.
    `next_dollars` say what it takes for differences to be as precise as was asked.
    `studies` are the study files that runs came from, by run id. `marks` are of runs that were marked by criteria, or
    by people.
    """

    rows: tuple[ReportRow, ...]
    baseline: str | None
    grader: str
    caption: str
    sharing: tuple[Sharing, ...]
    settings: dict[str, Settings]
    profiles: dict[str, Profile]
    flips: dict[str, tuple[Flip, ...]]
    consistencies: tuple[Consistency, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()
    servers: dict[str, tuple[ServerFigures, ...]] = {}
    lost: tuple[LostCosts, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    next_dollars: tuple[NextDollar, ...] = ()
    adherences: tuple[Adherence, ...] = ()
    studies: dict[str, tuple[StudyFile, ...]] = {}
    marks: tuple[RunMarks, ...] = ()

    def without(self, left_out: Sequence[LeftOut]) -> Self:
        """Return the same report, which says that these runs are left out of it."""
        caption = " ".join(filter(None, (self.caption, words_of(left_out))))
        return msgspec.structs.replace(self, left_out=tuple(left_out), caption=caption)

    @property
    def tables(self) -> list[Table]:
        """The tables that say something about these runs."""
        row_number = {row.run: number for number, row in enumerate(self.rows, 1)}
        read = [sensitivity_table(self.sensitivities, row_number)] if self.sensitivities else []
        read += [marks_table(self.marks, row_number)] if self.marks else []
        asked = server_tables(self.servers, row_number)
        lost = [*lost_table(self.lost, row_number), *next_dollar_table(self.next_dollars, row_number)]
        followed = adherence_table(self.adherences, row_number)
        return [
            *tables_of(self.rows),
            *followed,
            *contrast_tables(self.consistencies, row_number),
            *read,
            *asked,
            *lost,
        ]

    def __str__(self) -> str:
        """Aligned tables for a terminal of 100 columns."""
        return self.to_text()

    def to_text(self, width: int = 100, *, measure: Measure | None = None) -> str:
        """Return tables of at most `width` columns, or records; `measure` as for `as_text`."""
        tables = (as_text(table, width, measure=measure) for table in self.tables)
        parts = ["\n".join(wrapped(self.caption, width, measure or len)), *tables]
        if self.sharing:
            paragraphs = (line for one in self.sharing for line in wrapped(str(one), width, measure or len))
            parts.append("\n".join(["When shared plans pay off", *paragraphs]))
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return f"Report({counted(len(self), 'run')} on {', '.join(sorted({row.dataset for row in self.rows}))})"

    def __iter__(self) -> Iterator[ReportRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        shared = html_text("\n".join(map(str, self.sharing)), "When shared plans pay off") if self.sharing else ""
        return fragment(self.caption, *map(html_table, self.tables), shared)

    def to_dicts(self) -> Dicts:
        """Return a dict for each run: its row, with a column for each role's tokens and costs, `differs` as text."""
        return [_flat(row) for row in self.rows]

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` promises, with `version`."""
        return {
            "rows": msgspec.to_builtins(self.rows),
            "baseline": self.baseline,
            "consistencies": msgspec.to_builtins(self.consistencies),
            "sensitivities": msgspec.to_builtins(self.sensitivities),
            "servers": [
                {"run": run, **msgspec.to_builtins(one)} for run, servers in self.servers.items() for one in servers
            ],
            "lost": [msgspec.to_builtins(one) for one in self.lost],
            "left_out": [msgspec.to_builtins(one) for one in self.left_out],
            "studies": msgspec.to_builtins(self.studies),
            "adherences": [msgspec.to_builtins(one) for one in self.adherences],
            "marks": [one.to_json() for one in self.marks],
            "next_dollars": [msgspec.to_builtins(one) for one in self.next_dollars],
            "version": VERSION,
        }

    def to_markdown(self) -> str:
        """Return the tables as markdown."""
        parts = [self.caption, *(as_markdown(table) for table in self.tables)]
        if self.sharing:
            parts.append("\n\n".join(["**When shared plans pay off**", *map(str, self.sharing)]))
        return "\n\n".join(parts) + "\n"


def _flat(row: ReportRow) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(row))
    tokens, costs = fields.pop("tokens"), fields.pop("costs")
    fields["differs"] = ", ".join(f"{name} {value}" for name, value in row.differs.items())
    by_role = {f"{role}_tokens": tokens.get(role) for role in ROLES}
    return fields | by_role | {f"{role}_cost": costs.get(role) for role in ROLES}
