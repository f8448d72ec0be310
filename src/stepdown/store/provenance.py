"""What the store knows of one trace beyond it: who graded it, who paid for its calls, and where else its problem is."""

import msgspec

from stepdown.store.records import decode_call_entries, decode_settings, tokens_of
from stepdown.store.run import Run
from stepdown.types import Grade, Settings, Verdict

ELSEWHERE = 20


class Sibling(msgspec.Struct, frozen=True):
    """The same problem's first sample in another run, by that run's current grader; `tokens` as in a `browse.Line`."""

    run: str
    settings: Settings
    verdict: Verdict
    found: str | None
    tokens: int | None


class Siblings(msgspec.Struct, frozen=True):
    """Where else a problem is: the newest runs first, and how many older ones are left out."""

    shown: tuple[Sibling, ...]
    more: int


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
    keys = [bytes.fromhex(entry[2]) for entry in decode_call_entries(places)]
    found: dict[bytes, str] = dict(run.store.calls("key, run", keys))
    return [found.get(key, "") for key in keys]


def siblings(run: Run, ordinal: int, sample: int) -> Siblings:
    """Return where else the store has this problem, newest run first, at most `ELSEWHERE` of them."""
    others = """from traces as mine cross join traces as other on other.problem = mine.problem and other.run != mine.run
                join runs on runs.id = other.run
                where mine.run = ? and mine.ordinal = ? and mine.sample = ? and other.sample = 0"""
    entry = (run.id, ordinal, sample)
    rows = run.store.db.execute(
        f"""select run, settings, coalesce(verdict, 'ungraded'), found, usage
            from (select other.run, other.ordinal, 0 as sample, settings, runs.grader, created, runs.rowid as place
                  {others} order by created desc, place desc limit ?)
            join traces using (run, ordinal, sample) left join grades using (run, ordinal, sample, grader)
            order by created desc, place desc""",
        (*entry, ELSEWHERE),
    )
    shown = tuple(
        Sibling(name, decode_settings(body), verdict, found, tokens_of(usage))
        for name, body, verdict, found, usage in rows
    )
    return Siblings(shown, run.store.value(f"select count(*) {others}", *entry) - len(shown))


def has_all_problems(run: Run, other: Run) -> bool:
    """Whether a run has a trace of every problem that another one of the same store has any of."""
    return not run.store.value(
        """select exists (select 1 from traces as theirs where run = ? and not exists
                  (select 1 from traces as ours where ours.problem = theirs.problem and ours.run = ?))""",
        other.id,
        run.id,
    )
