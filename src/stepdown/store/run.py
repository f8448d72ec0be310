"""The store and its runs: what was solved, how it was graded, which plans a person edited."""

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from stepdown.errors import StoreError, UnknownName
from stepdown.frames import Convertible, Dicts
from stepdown.identity import digest, ways
from stepdown.shards import Part
from stepdown.store.connection import MEND
from stepdown.store.database import Database
from stepdown.store.grade_blocks import GradeBlock
from stepdown.store.records import (
    Edit,
    StoredCall,
    StoredTrace,
    Summary,
    call_key,
    decode_call_entries,
    decode_plan,
    decode_settings,
    encode,
    grade_of,
    problem_key,
    trace_of,
)
from stepdown.store.run_names import id_called
from stepdown.store.schema import PAGE, impossible, usage_sums
from stepdown.store.summaries import OpenBlocks, Tally, columns_of, refresh, tally
from stepdown.store.trace_blocks import TraceBlock
from stepdown.store.trace_lines import flat_rows
from stepdown.store.trace_rows import put_trace_rows
from stepdown.text import counted, fragment, html_facts, plans_of
from stepdown.types import Grade, Plan, Pricing, Problem, Role, Settings, Trace, Usage
from stepdown.usual_stops import unstopped_run

# Indexes lead from the id to the ordinal and from there to the trace, however long the run is.
_OF_PROBLEM = """and traces.ordinal in (select ordinal from traces as named where named.run = ? and named.problem in
                 (select key from problems where id = ?))"""


class Run(Convertible):
    """A run in its store: `settings`, `created` (unix seconds) and streaming views of its traces and grades."""

    def __init__(self, store: "Store", run: str, settings: Settings, created: float) -> None:
        self.store, self.id, self.settings, self.created = store, run, settings, created

    def __repr__(self) -> str:
        return f"Run({self.id}: {self.settings.method} on {self.settings.dataset} by {self.settings.student})"

    def __len__(self) -> int:
        return self.store.value("select count(*) from traces where run = ?", self.id)

    def __iter__(self) -> Iterator[Trace]:
        return self.traces()

    def to_dicts(self, prices: Pricing | None = None) -> Dicts:
        """Return a dict for each trace, as `traces --json` says it; `cost` only with prices (`stepdown.Prices()`)."""
        return list(flat_rows(self.id, self.graded(), prices))

    def _repr_html_(self) -> str:
        of, tally = self.settings, self.tally()
        right = f"{tally.rights} of {tally.rights + tally.wrongs} graded, {counted(tally.traces, 'trace')}"
        facts = {"problems": of.dataset, "method": of.method, "student": of.student, "plans by": plans_of(of)}
        return fragment(f"run {self.id}", html_facts({**facts, "right": right, "graded by": self.grader}))

    # -- writing

    def put_traces(self, rows: Sequence[StoredTrace]) -> None:
        """Keep traces at their places; one that is there is replaced, and its grades go unless it ends the same."""
        with self.store.writing():
            put_trace_rows(self.store, self.id, rows)
            self.store.open_blocks.touch(self.id, (row.ordinal for row in rows))

    def put_graded(self, graded: Sequence[tuple[StoredTrace, Grade]]) -> None:
        """Keep traces with their grades; a failure replaces no solution, which another process has found meanwhile."""
        with self.store.writing():
            graded = [one for one in graded if one[0].trace.error is None or not self._solved(one[0])]
            self.put_traces([row for row, _ in graded])
            self.put_grades((row.ordinal, row.trace.sample, grade) for row, grade in graded)

    def _solved(self, row: StoredTrace) -> bool:
        where = "run = ? and ordinal = ? and sample = ? and error is null"
        return bool(
            self.store.value(f"select count(*) from traces where {where}", self.id, row.ordinal, row.trace.sample)
        )

    def put_trace(self, ordinal: int, trace: Trace, *, source: str = "", extra: bytes | None = None) -> None:
        """Keep one trace together with its calls, as an import does; `source` keeps its calls apart from others'."""
        keys = tuple(call_key(c.model, source, c.messages, c.sampling, c.sample) for c in trace.calls)
        paid = [
            StoredCall(key, c.model, source, c.messages, c.sampling, c.sample, c.reply, self.id)
            for key, c in zip(keys, trace.calls, strict=True)
        ]
        with self.store.writing():
            self.store.put_calls(paid)
            self.put_traces([StoredTrace(ordinal, trace, keys, extra)])

    def append(self, trace: Trace, keys: Sequence[bytes]) -> int:
        """Keep a trace after all others and return its ordinal; a further sample goes to its problem's ordinal."""
        with self.store.writing() as db:
            shared = db.execute(
                """select max(ordinal) from traces as first where run = ?1 and problem = ?2 and ?3 > 0 and not exists (
                   select * from traces where run = ?1 and ordinal = first.ordinal and sample = ?3)""",
                (self.id, problem_key(trace.problem), trace.sample),
            ).fetchone()[0]
            free = self.store.value("select coalesce(max(ordinal), -1) + 1 from traces where run = ?", self.id)
            ordinal = free if shared is None else int(shared)
            self.put_traces([StoredTrace(ordinal, trace, tuple(keys))])
        return ordinal

    def put_grades(self, grades: Iterable[tuple[int, int, Grade]]) -> None:
        """Keep grades given as (ordinal, sample, grade), and their parts; other graders' of the same trace stay."""
        ordinals = set[int]()

        def rows() -> Iterator[tuple[object, ...]]:
            for ordinal, sample, grade in grades:
                ordinals.add(ordinal)
                for one in (grade, *grade.parts):
                    yield self.id, ordinal, sample, one.grader, one.verdict, one.found, one.why

        with self.store.writing() as db:
            db.executemany(
                """insert or replace into grades (run, ordinal, sample, grader, verdict, found, why)
                   values (?, ?, ?, ?, ?, ?, ?)""",
                rows(),
            )
            self.store.open_blocks.touch(self.id, ordinals)

    def put_edit(self, problem: str, plan: Plan, *, seconds: float | None = None, created: float | None = None) -> None:
        """Keep a person's plan for a problem of this run, and how long they took; earlier edits stay.

        `created` (unix seconds) is when, if it is not now.
        """
        with self.store.writing() as db:
            db.execute(
                "insert into edits (run, problem, plan, created, seconds) values (?, ?, ?, ?, ?)",
                (self.id, problem, encode(plan), time.time() if created is None else created, seconds),
            )

    # -- reading

    @property
    def grader(self) -> str:
        """The name of the grader whose grades this run's views show; empty before the first grade."""
        row = self.store.db.execute("select grader from runs where id = ?", (self.id,)).fetchone()
        return str(row[0])

    @grader.setter
    def grader(self, name: str) -> None:
        with self.store.writing() as db:
            db.execute("update runs set grader = ? where id = ?", (name, self.id))

    def graders(self) -> list[str]:
        """Return the names of all graders that ever graded a trace of this run, sorted."""
        rows = self.store.db.execute("select distinct grader from grades where run = ? order by 1", (self.id,))
        return [name for (name,) in rows]

    def newest_grader(self, name: str) -> str:
        """Return the full name of a grader that graded this run, of its newest version by default; "" for none."""
        return max((one for one in self.graders() if name in (one, one.rpartition("@")[0])), default="")

    def stored_grader(self, name: str) -> str:
        """Return the same, and "" for "". Raises `UnknownName` for one that never graded this run."""
        found = self.newest_grader(name)
        if name and not found:
            raise UnknownName(f"grade of run `{self.id}` by", name, self.graders())
        return found if name else ""

    def traces(self) -> Iterator[Trace]:
        """Stream the traces by problem, then sample. A call an earlier sample has counted is `cached`."""
        return (trace for _, trace, _ in self.rows())

    def graded(self, grader: str = "") -> Iterator[tuple[Trace, Grade]]:
        """Stream traces with their grade by this grader (the run's current one if empty)."""
        return ((trace, grade) for _, trace, grade in self.rows(grader))

    def by_problem(self, grader: str = "") -> Iterator[list[tuple[Trace, Grade]]]:
        """Stream the samples of each problem with their grades."""
        samples = groupby(self.graded(grader), key=lambda attempt: attempt[0].problem.id)
        return (list(some) for _, some in samples)

    def rows(self, grader: str = "", *, first: int = -1, page: int = PAGE) -> Iterator[tuple[int, Trace, Grade]]:
        """Stream (ordinal, trace, grade) from a `first` ordinal on, a `page` of rows in memory at a time."""
        name, after = grader or self.grader, (first, -1)
        where = "and (traces.ordinal, traces.sample) > (?, ?)"
        while rows := self._select(where, name, *after, most=page):
            calls = self._calls_of(rows)
            for row in rows:
                yield row[0], trace_of(row, calls, self.settings.method), grade_of(row, name)
            after = rows[-1][:2]

    def trace(self, problem: str, sample: int = 0) -> Trace:
        """Return the trace of one problem id. Raises `UnknownName`."""
        rows = self._select(f"{_OF_PROBLEM} and traces.sample = ?", self.grader, self.id, problem, sample)
        if not rows:
            some = self.store.db.execute(
                "select problems.id from traces join problems on key = problem where run = ? limit 20", (self.id,)
            )
            raise UnknownName("trace of problem", problem, [one for (one,) in some])
        return trace_of(rows[0], self._calls_of(rows), self.settings.method)

    def attempts(self, problem: str) -> list[tuple[int, Trace, Grade]]:
        """Return (ordinal, trace, grade) of every sample of one problem id, none where the run does not have it."""
        rows = self._select(_OF_PROBLEM, self.grader, self.id, problem)
        calls = self._calls_of(rows)
        return [(row[0], trace_of(row, calls, self.settings.method), grade_of(row, self.grader)) for row in rows]

    def plans(self) -> Iterator[tuple[Problem, Plan]]:
        """Stream each problem that has a plan, with the newest person's edit where there is one."""
        edited = {edit.problem: edit.plan for edit in self.edits()}
        for trace in self.traces():
            if trace.sample == 0 and trace.plan:
                yield trace.problem, edited.get(trace.problem.id, trace.plan)

    def edits(self) -> list[Edit]:
        """Return all plan edits of this run, those of one problem oldest first."""
        rows = self.store.db.execute(
            "select problem, plan, created, seconds from edits where run = ? order by id", (self.id,)
        )
        return [Edit(problem, decode_plan(plan), created, seconds) for problem, plan, created, seconds in rows]

    def extra(self, ordinal: int, sample: int = 0) -> bytes | None:
        """Return what an imported file holds beyond this trace."""
        row = self.store.db.execute(
            "select extra from traces where run = ? and ordinal = ? and sample = ?", (self.id, ordinal, sample)
        ).fetchone()
        return row[0] if row else None

    def done(self, samples: int = 1) -> Iterator[int]:
        """Stream the ordinals whose samples are all solved and graded by the current grader, in order."""
        grader, after = self.grader, -1
        while page := self.store.db.execute(
            """select ordinal from traces join grades using (run, ordinal, sample)
               where run = ? and error is null and grader = ? and ordinal > ?
               group by ordinal having count(*) >= ? order by ordinal limit ?""",
            (self.id, grader, after, samples, PAGE),
        ).fetchall():
            yield from (ordinal for (ordinal,) in page)
            after = page[-1][0]

    def failed(self) -> frozenset[int]:
        """Return the ordinals at which an attempt has failed."""
        found = self.store.db.execute("select ordinal from traces where run = ? and error is not null", (self.id,))
        return frozenset(ordinal for (ordinal,) in found)

    def finished(self, samples: int = 1, part: Part | None = None) -> Summary:
        """Count the traces at the places `done` streams, or those of a part; their tokens are not summed."""
        part = part or Part(0, 1)
        right, graded, total, truncated, calls = self.store.db.execute(
            """select coalesce(sum(right), 0), coalesce(sum(graded), 0), coalesce(sum(total), 0),
                      coalesce(sum(truncated), 0), coalesce(sum(calls), 0)
               from (select sum(verdict = 'right') as right, sum(verdict != 'ungraded') as graded, count(*) as total,
                            sum(truncated) as truncated, sum(json_array_length(calls)) as calls
                     from traces join grades using (run, ordinal, sample)
                     where run = ? and error is null and grader = ? and ordinal / ? % ? = ?
                     group by ordinal having count(*) >= ?)""",
            (self.id, self.grader, part.stripe, part.of, part.number, samples),
        ).fetchone()
        return Summary(right, graded, total, truncated, 0, calls, {})

    def found(self) -> Iterator[tuple[int, list[tuple[str | None, str]]]]:
        """Stream (ordinal, [(found, verdict) by sample]) of the current grader: what self-consistency votes on."""
        after, last = -1, self.store.value("select coalesce(max(ordinal), -1) from traces where run = ?", self.id)
        while after < last:
            rows = self.store.db.execute(
                """select ordinal, found, verdict from grades
                   where run = ? and grader = ? and ordinal > ? and ordinal <= ? order by ordinal, sample""",
                (self.id, self.grader, after, after + PAGE),
            ).fetchall()
            groups: dict[int, list[tuple[str | None, str]]] = {}
            for ordinal, found, verdict in rows:
                groups.setdefault(ordinal, []).append((found, verdict))
            yield from groups.items()
            after += PAGE

    def tally(self) -> Tally:
        """Count the run's traces by the current grader: what `summary` does, without what calls used."""
        return tally(self.store, self.id, self.grader)

    def columns(self, grader: str = "") -> Iterator[tuple[TraceBlock, GradeBlock]]:
        """Stream the traces as columns of numbers with a grader's verdicts (the current one's if empty), by blocks."""
        return columns_of(self.store, self.id, grader or self.grader)

    def refresh(self) -> int:
        """Keep a summary of each block of the run that has none, and return how many were made."""
        return refresh(self.store, self.id)

    def summary(self) -> Summary:
        """Count the run's traces by the current grader, without loading them."""
        db = self.store.db
        total, truncated, errors, calls = db.execute(
            """select count(*), coalesce(sum(truncated), 0), count(error), coalesce(sum(json_array_length(calls)), 0)
               from traces where run = ?""",
            (self.id,),
        ).fetchone()
        right, graded = db.execute(
            """select coalesce(sum(verdict = 'right'), 0), coalesce(sum(verdict != 'ungraded'), 0)
               from grades where run = ? and grader = ?""",
            (self.id, self.grader),
        ).fetchone()
        roles: tuple[Role, ...] = ("teacher", "student", "judge")
        tokens = {role: self._tokens(role) for role in roles}
        known = {role: usage for role, usage in tokens.items() if usage != Usage()}
        return Summary(right, graded, total, truncated, errors, calls, known)

    def _tokens(self, role: Role) -> Usage | None:
        *counts, unknown = self.store.db.execute(
            f"""select {usage_sums("usage", f"$.{role}")},
                       coalesce(sum(json_type(usage, '$.{role}') = 'null'), 0) + {impossible("usage", f"$.{role}")}
                from traces where run = ?""",
            (self.id,),
        ).fetchone()
        return None if unknown else Usage(*counts)

    def _select(self, where: str, grader: str, *values: object, most: int = PAGE) -> list[Any]:
        return self.store.db.execute(
            f"""select traces.ordinal, traces.sample, body, plan, calls, solution, error, verdict, found, why
                from traces join problems on problems.key = traces.problem
                left join grades on grades.run = traces.run and grades.ordinal = traces.ordinal
                     and grades.sample = traces.sample and grader = ?
                where traces.run = ? {where} order by traces.ordinal, traces.sample limit {most:d}""",
            (grader, self.id, *values),
        ).fetchall()

    def _calls_of(self, rows: list[Any]) -> dict[str, Any]:
        keys = {bytes.fromhex(entry[2]) for row in rows for entry in decode_call_entries(row[4])}
        found = self.store.calls("key, model, request, reply", list(keys))
        return {key.hex(): (model, request, reply) for key, model, request, reply in found}


class Store(Database):
    """An open store; use it in a `with`, or close it. Raises `StoreError` for a file it must not touch.

    `reading` opens one that is there, wherever it lies, and never changes it. `journal` is `wal`, or on a network file
    system, whose locks are not to be relied on, `delete`, with one process that writes at a time.
    """

    @cached_property
    def open_blocks(self) -> OpenBlocks:
        """The blocks of its runs that were written to here and wait to be summarized."""
        return OpenBlocks(self)

    def close(self) -> None:
        """Summarize what was written and close the file; everything committed stays."""
        if not self.reading and "open_blocks" in self.__dict__:
            self.open_blocks.close()
        super().close()

    def id_of(self, settings: Settings) -> str:
        """Return the id of these settings' run: that of one that is there, in whatever form its sampling was written.

        One from before there were usual stop sequences is the same run.
        """
        own, before = settings.id, unstopped_run(settings)
        if self.value("select count(*) from runs where id = ?", own):
            return own
        forms = [*ways(settings), *(ways(before) if before else ())]
        ids = [digest(form).hex()[: len(own)] for form in forms]
        marks = ",".join("?" * len(ids))
        rows = self.db.execute(f"select id from runs where id in ({marks}) order by created, id limit 1", ids)
        return next((str(name) for (name,) in rows), own)

    def open_run(self, settings: Settings) -> Run:
        """Return the run of these settings, made now if it is new."""
        with self.writing() as db:
            name = self.id_of(settings)
            self.begun.add(name)
            db.execute(
                "insert or ignore into runs (id, settings, created) values (?, ?, ?)",
                (name, encode(settings), time.time()),
            )
        return self.run(name)

    def runs(self) -> list[Run]:
        """Return every run, oldest first."""
        return self._runs("", ())

    def run(self, name: str) -> Run:
        """Return the run with this id, or the only one with this name or whose id begins so. Raises `UnknownName`."""
        return self._runs("where id = ?", (id_called(self, name),))[0]

    def _runs(self, where: str, values: tuple[str, ...]) -> list[Run]:
        rows = self.db.execute(f"select id, settings, created from runs {where} order by created, id", values)
        return [Run(self, run, decode_settings(body), self._moment(created)) for run, body, created in rows]

    def _moment(self, created: object) -> float:
        if isinstance(created, float):
            return created
        raise StoreError(f"the store `{self.path}` is damaged: `{created!r:.50}` is not a time", MEND)
