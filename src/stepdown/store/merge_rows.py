"""The rows of one store put into another: what both have is kept once, what was paid twice is in the books twice."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby, islice
from typing import Any

import msgspec

from stepdown.store.corrections import BY_PERSON
from stepdown.store.records import call_keys, decode_call_entries, decode_request, encode
from stepdown.store.run import Store

Row = tuple[Any, ...]
PAGE_ROWS = 1_000
# How the keys begin of payments whose call the other store answers otherwise: nobody finds a call by such a key.
_LATER = b"\xffSDm"
_CALL = "key, model, source, request, sample, reply, run, created, server"
_TRACE = "run, ordinal, sample, problem, plan, calls, solution, error, truncated, usage, extra"
_FAULT = "run, server, reason, count"
_GRADE = "run, ordinal, sample, grader, verdict, found, why"


class _Ending(msgspec.Struct):
    finish: str = ""


_decode_ending = msgspec.json.Decoder(_Ending).decode


class RowMerge:
    """Puts the calls, traces and grades of `source` into `target`, inside one transaction of it.

    What is there stays where the two differ, but for a failure, which a solution replaces. `added` counts new rows by
    table, `twice` calls that both stores paid for, and `conflict` is told of what differs: (run, problem, what).
    `advance` is told how many rows were read.
    """

    def __init__(
        self,
        source: Store,
        target: Store,
        conflict: Callable[[str, str, str], None],
        advance: Callable[[int], None],
    ) -> None:
        self.source, self.target, self.conflict, self.advance = source, target, conflict, advance
        self.names: dict[str, str] = {}  # of the runs here that have another id there
        self.open: set[str] = set()  # runs whose problems come as they come, so that a place means nothing
        self.added: Counter[str] = Counter()
        self.twice = 0
        self._ordinals: dict[tuple[str, int], int] = {}
        self._taken: set[tuple[str, int]] = set()
        self._put("create temp table if not exists moved (old blob primary key, new blob) without rowid")
        self._put(
            """create temp table if not exists others (run text, ordinal integer, sample integer,
               primary key (run, ordinal, sample)) without rowid"""
        )
        self._put("delete from moved")
        self._put("delete from others")
        self._moved = self._others = False

    def _put(self, statement: str, values: Any = ()) -> int:
        return self.target.db.execute(statement, values).rowcount

    def _insert(self, table: str, columns: str, rows: Sequence[Row]) -> int:
        marks = ", ".join("?" * len(columns.split(", ")))
        new = self.target.db.executemany(f"insert or ignore into {table} ({columns}) values ({marks})", rows).rowcount
        self.added[table] += new
        return new

    def _pages(self, table: str, columns: str, order: str) -> Iterator[list[Row]]:
        rows = iter(self.source.db.execute(f"select {columns} from {table} order by {order}"))
        while page := list(islice(rows, PAGE_ROWS)):
            yield page
            self.advance(len(page))

    def _run(self, name: str) -> str:
        return self.names.get(name, name)

    # -- problems and calls

    def problems(self) -> None:
        """Join the problems, which are known by their content."""
        for page in self._pages("problems", "key, id, body", "key"):
            self._insert("problems", "key, id, body", page)

    def calls(self) -> None:
        """Join the calls. One that both stores paid for answers as `target` has it, and the other payment is kept."""
        for page in self._pages("calls", _CALL, "rowid"):
            rows = [(*row[:6], self._run(row[6]), *row[7:]) for row in page]
            rows = [row for row in rows if not (row[0].startswith(_LATER) and self._is_there(row))]
            if self._insert("calls", _CALL, rows) < len(rows):
                self._keep_later(rows)

    def server_faults(self) -> None:
        """Join what failed at servers: of shards that are new here the sum, else the larger of two counts.

        So merging again counts nothing twice. The notes of which shards are here must be joined later than this.
        """
        ours, theirs = (
            {(name, number) for name, number in store.db.execute("select run, number from shards where work = ''")}
            for store in (self.target, self.source)
        )
        new = {name for run, number in theirs if ((name := self._run(run)), number) not in ours}
        for run, *row in self.source.db.execute(f"select {_FAULT} from server_faults").fetchall():
            both = "count + excluded.count" if self._run(run) in new else "max(count, excluded.count)"
            self._put(
                f"""insert into server_faults ({_FAULT}) values (?, ?, ?, ?)
                    on conflict (run, server, reason) do update set count = {both}""",
                (self._run(run), *row),
            )

    def _is_there(self, row: Row) -> bool:
        """Whether `target` has a later payment under the call's own key."""
        key, model, source, request, sample, *payment = row[:8]
        for usual in call_keys(model, source, *decode_request(request), sample):
            found = self.target.db.execute("select reply, run, created from calls where key = ?", (usual,)).fetchone()
            if found == tuple(payment):
                self._move(key, usual)
                return True
        return False

    def _keep_later(self, rows: Sequence[Row]) -> None:
        found = {
            key: tuple(payment)
            for key, *payment in self.target.calls("key, reply, run, created", [row[0] for row in rows])
        }
        for row in rows:
            key, payment = row[0], row[5:8]
            # What was left has a key of its own: it is the same payment, whenever it was booked.
            if found[key] == payment or _decode_ending(payment[0]).finish == "left":
                continue
            later = _LATER + blake2b(encode((key.hex(), *map(_plain_value, payment))), digest_size=12).digest()
            self.twice += 1
            self._insert("calls", _CALL, [(later, *row[1:])])
            self._move(key, later)

    def _move(self, old: bytes, new: bytes) -> None:
        self._moved = True
        self._put("insert or replace into moved (old, new) values (?, ?)", (old, new))

    # -- traces

    def traces(self) -> None:
        """Join the traces, each at its place; those of runs whose problems come as they come find a place."""
        for page in self._pages("traces", _TRACE, "run, ordinal, sample"):
            rows = [(self._run(row[0]), *row[1:5], self._calls(row[5]), *row[6:]) for row in page]
            fixed = [row for row in rows if row[0] not in self.open]
            if self._insert("traces", _TRACE, fixed) < len(fixed):
                for row in fixed:
                    self._compare(row)
            if len(fixed) < len(rows):
                loose = (row for row in rows if row[0] in self.open)
                for (run, ordinal), some in groupby(loose, key=lambda row: row[:2]):
                    self._place(run, ordinal, list(some))

    def _calls(self, body: bytes) -> bytes:
        """Return a trace's calls as they are known in `target`."""
        if not self._moved:
            return body
        entries = decode_call_entries(body)
        keys = [bytes.fromhex(entry[2]) for entry in entries]
        moved = {
            old: new
            for key in keys
            for old, new in self.target.db.execute("select old, new from moved where old = ?", (key,))
        }
        return encode(
            [
                (role, sample, moved.get(key, key).hex(), fresh)
                for (role, sample, _, fresh), key in zip(entries, keys, strict=True)
            ]
        )

    def _compare(self, row: Row) -> None:
        """Decide about a trace whose place is taken, perhaps by itself."""
        place = row[:3]
        problem, plan, solution, error = self.target.db.execute(
            "select problem, plan, solution, error from traces where run = ? and ordinal = ? and sample = ?", place
        ).fetchone()
        if (problem, plan, solution, error) == (row[3], row[4], row[6], row[7]):
            return
        if problem == row[3] and error is not None and row[7] is None:
            self._put("delete from grades where run = ? and ordinal = ? and sample = ?", place)
            self._put("delete from traces where run = ? and ordinal = ? and sample = ?", place)
            self._insert("traces", _TRACE, [row])
            return
        self._others = True
        self._put("insert or ignore into others (run, ordinal, sample) values (?, ?, ?)", place)
        if problem != row[3]:
            self.conflict(row[0], self._id_of(problem), f"another problem is at place {row[1]}")
        elif row[7] is None:
            self.conflict(row[0], self._id_of(problem), "solved differently")

    def _id_of(self, problem: bytes) -> str:
        found = self.target.db.execute("select id from problems where key = ?", (problem,)).fetchone()
        return str(found[0]) if found else ""

    def _place(self, run: str, ordinal: int, rows: Sequence[Row]) -> None:
        """Put the samples of one problem at the place that has them already, or at the end."""
        there = self.target.db.execute(
            "select distinct ordinal from traces where run = ? and problem = ? order by ordinal", (run, rows[0][3])
        ).fetchall()
        for (found,) in there:
            if (run, found) not in self._taken and self._has(run, found, rows):
                break
        else:
            found = self.target.value("select coalesce(max(ordinal), -1) + 1 from traces where run = ?", run)
        self._ordinals[run, ordinal] = found
        self._taken.add((run, found))
        self._insert("traces", _TRACE, [(run, found, *row[2:]) for row in rows])

    def _has(self, run: str, ordinal: int, rows: Sequence[Row]) -> bool:
        """Whether `target` has at this place at least one of these samples, and no other one in its stead."""
        kept = {
            sample: (plan, calls, solution, error)
            for sample, plan, calls, solution, error in self.target.db.execute(
                "select sample, plan, calls, solution, error from traces where run = ? and ordinal = ?", (run, ordinal)
            )
        }
        both = [row for row in rows if row[2] in kept]
        return bool(both) and all(kept[row[2]] == row[4:8] for row in both)

    # -- grades

    def grades(self) -> None:
        """Join the grades of traces that are the same in both."""
        for page in self._pages("grades", _GRADE, "run, ordinal, sample, grader"):
            rows = [(self._run(row[0]), *row[1:]) for row in page]
            rows = [(row[0], self._ordinals.get(row[:2], row[1]), *row[2:]) for row in rows]
            if self._others:
                rows = [row for row in rows if not self._is_other(row[:3])]
            if self._insert("grades", _GRADE, rows) < len(rows):
                for row in rows:
                    self._compare_grade(row)

    def _is_other(self, place: Row) -> bool:
        return bool(
            self.target.db.execute(
                "select 1 from others where run = ? and ordinal = ? and sample = ?", place
            ).fetchone()
        )

    def _grade(self, key: Iterable[Any]) -> Row | None:
        found = self.target.db.execute(
            "select verdict, found, why from grades where run = ? and ordinal = ? and sample = ? and grader = ?",
            tuple(key),
        ).fetchone()
        return tuple(found) if found else None

    def _compare_grade(self, row: Row) -> None:
        key, new = row[:4], row[4:]
        old = self._grade(key)
        if old == new or old is None:
            return
        unsaid: tuple[Row | None, ...] = ()
        if key[3].endswith(BY_PERSON):  # a copy of its first grader's grades but for what a person ruled
            unsaid = (self._grade((*key[:3], key[3].removesuffix(BY_PERSON))),)
        if new in unsaid or new[0] == "ungraded":
            return
        if old in unsaid or old[0] == "ungraded":
            self._put(f"insert or replace into grades ({_GRADE}) values (?, ?, ?, ?, ?, ?, ?)", row)
            return
        problem = self.target.db.execute(
            "select problem from traces where run = ? and ordinal = ? and sample = ?", key[:3]
        ).fetchone()
        self.conflict(key[0], self._id_of(problem[0]) if problem else "", f"graded differently by {key[3]}")


def _plain_value(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
