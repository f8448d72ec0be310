"""A run as pages of lines: filtered, searched, counted and walked through, without loading its traces."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

from stepdown.store.records import encode, tokens_of
from stepdown.store.run import Run
from stepdown.store.trace_tests import EDITED, IS_EDITED, TraceTests, teach
from stepdown.types import Verdict

Where = Literal["", "right", "wrong", "ungraded", "truncated", "edited", "error"]
TraceKey = tuple[int, int]
WHERE: tuple[Where, ...] = get_args(Where)
MOST = 1_500  # found traces beyond these are not counted: nobody pages there
_WALKED = 10_000  # a run up to this long is searched in its own order, a longer one through the problems
_QUOTED = 300  # characters of a question that a line shows

_GRADED = "from grades where run = :run and grader = :grader and verdict"
_SOURCES: dict[Where, str] = {
    "": "select ordinal, sample from traces where run = :run",
    "right": f"select ordinal, sample {_GRADED} = 'right'",
    "wrong": f"select ordinal, sample {_GRADED} = 'wrong'",
    "ungraded": f"select ordinal, sample {_GRADED} = 'ungraded'",
    "truncated": "select ordinal, sample from traces indexed by traces_cut where run = :run and truncated = 1",
    "edited": f"""select ordinal, sample from traces indexed by traces_edited where run = :run and {EDITED}
                  union select ordinal, sample from traces where run = :run and problem in
                  (select key from problems where id in (select problem from edits where run = :run))""",
    "error": "select ordinal, sample from traces indexed by traces_failed where run = :run and error is not null",
}
_NOT_RIGHT_OR_WRONG = f"""select ordinal, sample from traces indexed by traces_cut where run = :run
                          except select ordinal, sample {_GRADED} in ('right', 'wrong')"""
_GRADE = """(select verdict from grades where grades.run = traces.run and grades.ordinal = traces.ordinal
             and grades.sample = traces.sample and grader = :grader)"""
_TESTS: dict[Where, str] = {
    "": "true",
    "right": f"{_GRADE} = 'right'",
    "wrong": f"{_GRADE} = 'wrong'",
    "ungraded": f"coalesce({_GRADE}, 'ungraded') = 'ungraded'",
    "truncated": "truncated = 1",
    "edited": IS_EDITED,
    "error": "error is not null",
}
# The first test reads no JSON and lets few pass.
_MATCH = """cast(body as text) like :like escape '\\'
            and instr(lowered(problems.id || char(10) || json_extract(body, '$.question')), :words)"""


class TraceFilter(TraceTests, frozen=True):
    """Which traces: those that are so by the run's current grader, whose question or problem id holds the words.

    They must pass the tests, too.
    """

    where: Where = ""
    words: str = ""

    @property
    def looks_inside(self) -> bool:
        """Whether traces themselves must be looked at, beyond what indexes tell."""
        return bool(self.words or self.tests)


EVERY = TraceFilter()


class TraceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A trace in a list; `question` is its beginning, `tokens` those of all its calls, None where any is unknown."""

    ordinal: int
    sample: int
    problem: str
    question: str
    gold: str
    verdict: Verdict
    found: str | None
    truncated: bool
    edited: bool
    error: str | None
    tokens: int | None
    plan: bool


class TracePage(msgspec.Struct, frozen=True):
    """Some lines in the run's order, and how many there are in all; `more` says that counting stopped at `MOST`."""

    lines: tuple[TraceSummary, ...]
    total: int
    more: bool = False


def search_traces(run: Run, chosen: TraceFilter = EVERY, *, offset: int = 0, count: int = 50) -> TracePage:
    """Return `count` lines from `offset` on. Case counts nowhere. Raises `UsageError` for a test's value."""
    if not chosen.looks_inside:
        source, total = _source(run, chosen.where), count_where(run, chosen.where)
        places = _rows(run, chosen, f"{source} order by 1, 2 limit {count:d} offset {offset:d}")
        return TracePage(_lines(run, places), total)
    found = _searched(run, chosen)
    if found is None:
        places = _rows(run, chosen, _walk(chosen, f"order by 1, 2 limit {count:d} offset {offset:d}"))
        return TracePage(_lines(run, places), MOST, more=True)
    return TracePage(_lines(run, found[offset : offset + count]), len(found))


def trace_places(run: Run, chosen: TraceFilter, grader: str = "") -> list[TraceKey]:
    """Return (ordinal, sample) of every trace that is so, by this grader, the run's current one if empty.

    Raises `UsageError` for a test's value.
    """
    return _rows(run, chosen, _walk(chosen, "order by 1, 2"), grader)


def counts(run: Run) -> dict[Where, int]:
    """Return how many traces each filter lets through."""
    found: dict[Where, int] = {where: count_where(run, where) for where in WHERE if where != "ungraded"}
    found["ungraded"] = found[""] - found["right"] - found["wrong"]
    return found


def count_where(run: Run, where: Where) -> int:
    """Return how many traces a filter lets through."""
    if where == "ungraded":
        return count_where(run, "") - count_where(run, "right") - count_where(run, "wrong")
    source = _SOURCES[where] if where else "select ordinal from traces indexed by traces_cut where run = :run"
    return int(_rows(run, EVERY, f"select count(*) from ({source})")[0][0])


def _source(run: Run, where: Where) -> str:
    """What selects the places a filter lets through; a trace without any grade is ungraded too."""
    if where != "ungraded":
        return _SOURCES[where]
    grades = run.store.value("select count(*) from grades where run = ? and grader = ?", run.id, run.grader)
    return _SOURCES[where] if grades == len(run) else _NOT_RIGHT_OR_WRONG


def neighbours(run: Run, chosen: TraceFilter, trace_key: TraceKey) -> tuple[TraceSummary | None, TraceSummary | None]:
    """Return the lines before and after a trace's place among those chosen; None at either end."""
    found = _searched(run, chosen) if chosen.looks_inside else None
    if found is not None:
        at, after = bisect_left(found, trace_key), bisect_right(found, trace_key)
        sides = [found[at - 1 : at] if at else [], found[after : after + 1]]
    else:
        sides = [_beside(run, chosen, trace_key, "<", "desc"), _beside(run, chosen, trace_key, ">", "asc")]
    before, behind = (next(iter(_lines(run, side)), None) for side in sides)
    return before, behind


def places_with(run: Run, words: str) -> list[TraceKey]:
    """Return (ordinal, sample) of all traces whose question or problem id holds words, in order."""
    return _rows(run, TraceFilter("", words), _walk(TraceFilter("", words), "order by 1, 2"))


def summaries_at(run: Run, places: Sequence[TraceKey]) -> tuple[TraceSummary, ...]:
    """Return the lines of traces at (ordinal, sample), in the run's order; a place without a trace has none."""
    return _lines(run, list(places))


def _beside(run: Run, chosen: TraceFilter, trace_key: TraceKey, side: str, order: str) -> list[Any]:
    inner = _walk(chosen, "") if chosen.looks_inside else _source(run, chosen.where)
    statement = f"""select ordinal, sample from ({inner})
                    where (ordinal, sample) {side} ({trace_key[0]:d}, {trace_key[1]:d})
                    order by ordinal {order}, sample {order} limit 1"""
    return _rows(run, chosen, statement)


def _searched(run: Run, chosen: TraceFilter) -> list[TraceKey] | None:
    """The places of all traces found, in order; None where they are too many to be counted."""
    if len(run) <= _WALKED:
        return _rows(run, chosen, _walk(chosen, "order by 1, 2"))
    if not chosen.words:
        found = _rows(run, chosen, _walk(chosen, f"order by 1, 2 limit {MOST + 1}"))
        return found if len(found) <= MOST else None
    found = _rows(
        run,
        chosen,
        f"""select traces.ordinal, traces.sample
            from problems cross join traces on traces.problem = problems.key and traces.run = :run
            where {_MATCH} and {_TESTS[chosen.where]} and {chosen.condition} limit {MOST + 1}""",
    )
    return sorted(found) if len(found) <= MOST else None


def _walk(chosen: TraceFilter, end: str) -> str:
    return f"""select traces.ordinal, traces.sample
               from traces cross join problems on problems.key = traces.problem
               where traces.run = :run and {_MATCH if chosen.words else "true"} and {_TESTS[chosen.where]}
               and {chosen.condition} {end}"""


def _rows(run: Run, chosen: TraceFilter, statement: str, grader: str = "") -> list[Any]:
    words = chosen.words.lower()
    values = {"run": run.id, "grader": grader or run.grader, "words": words, "like": _pattern(words)} | chosen.values
    teach(run.store.db)
    return run.store.db.execute(statement, values).fetchall()


def _pattern(words: str) -> str:
    """What LIKE looks for in a problem's JSON: any letter stands for one whose two cases SQLite does not know."""
    written = encode(words)[1:-1].decode()
    escaped = written.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return "%" + "".join(letter if letter.isascii() else "_" for letter in escaped) + "%"


def _lines(run: Run, indices: list[TraceKey]) -> tuple[TraceSummary, ...]:
    if not indices:
        return ()
    marks = ",".join(f"({ordinal:d},{sample:d})" for ordinal, sample in indices)
    rows = _rows(
        run,
        EVERY,
        f"""select traces.ordinal, traces.sample, problems.id, substr(json_extract(body, '$.question'), 1, {_QUOTED}),
                   json_extract(body, '$.answer'), verdict, found, truncated,
                   {_TESTS["edited"]}, error, usage, traces.plan is not null
            from traces join problems on problems.key = traces.problem
            left join grades on grades.run = traces.run and grades.ordinal = traces.ordinal
                 and grades.sample = traces.sample and grader = :grader
            where traces.run = :run and (traces.ordinal, traces.sample) in (values {marks}) order by 1, 2""",
    )
    return tuple(_line(*row) for row in rows)


def _line(
    ordinal: int, sample: int, problem: str, question: str, gold: str, verdict: Verdict | None, *rest: Any
) -> TraceSummary:
    found, truncated, edited, error, usage, plan = rest
    return TraceSummary(
        ordinal=ordinal,
        sample=sample,
        problem=problem,
        question=question,
        gold=gold,
        verdict=verdict or "ungraded",
        found=found,
        truncated=bool(truncated),
        edited=bool(edited),
        error=error,
        tokens=tokens_of(usage),
        plan=bool(plan),
    )
