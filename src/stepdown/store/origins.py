"""What the store knows of one trace beyond it: who graded it, who paid for its calls, and where else its problem is."""

import msgspec

from stepdown.store.rows import decode_places
from stepdown.store.run import Run
from stepdown.types import Grade, Verdict

ELSEWHERE = 20


class Sibling(msgspec.Struct, frozen=True):
    """The same problem in another run, with the verdict of that run's current grader."""

    run: str
    sample: int
    verdict: Verdict


def grades_of(run: Run, ordinal: int, sample: int) -> list[Grade]:
    """Return every grader's grade of a trace, the run's current one first."""
    rows = run.store.db.execute(
        """select verdict, found, why, grader from grades where run = ? and ordinal = ? and sample = ?
           order by grader != ?, grader""",
        (run.id, ordinal, sample, run.grader),
    )
    return [Grade(*row) for row in rows]


def payers(run: Run, ordinal: int, sample: int) -> list[str]:
    """Return the run that paid for each of a trace's calls, in their order; "" where none is kept."""
    (places,) = run.store.db.execute(
        "select calls from traces where run = ? and ordinal = ? and sample = ?", (run.id, ordinal, sample)
    ).fetchone()
    keys = [bytes.fromhex(place[2]) for place in decode_places(places)]
    found: dict[bytes, str] = dict(run.store.calls("key, run", keys))
    return [found.get(key, "") for key in keys]


def siblings(run: Run, ordinal: int, sample: int) -> list[Sibling]:
    """Return where else the store has this problem, newest run first, at most `ELSEWHERE`."""
    rows = run.store.db.execute(
        """select other.run, other.sample, coalesce(verdict, 'ungraded')
           from traces as mine cross join traces as other on other.problem = mine.problem and other.run != mine.run
           join runs on runs.id = other.run
           left join grades on grades.run = other.run and grades.ordinal = other.ordinal
                and grades.sample = other.sample and grades.grader = runs.grader
           where mine.run = ? and mine.ordinal = ? and mine.sample = ? and other.sample = 0
           order by runs.created desc limit ?""",
        (run.id, ordinal, sample, ELSEWHERE),
    )
    return [Sibling(*row) for row in rows]
