"""What an id of the store belongs to, where it is not a run's: a call's key, a problem, a fingerprint of settings."""

from collections.abc import Iterator

import msgspec

from stepdown.store.run import Run, Store

_HEX = frozenset("0123456789abcdef")
_KEY_DIGITS = 32
MOST_FOUND = 20


class FoundCall(msgspec.Struct, frozen=True):
    """An answered call: its key in hexadecimal digits, who was asked, and the id of the run that paid for it."""

    key: str
    model: str
    run: str
    created: float


def calls_called(store: Store, digits: str) -> list[FoundCall]:
    """Return the first calls whose keys begin with these hexadecimal digits, at most `MOST_FOUND`; none for others."""
    if not digits or set(digits) - _HEX or len(digits) > _KEY_DIGITS:
        return []
    least, most = (bytes.fromhex(digits.ljust(_KEY_DIGITS, fill)) for fill in "0f")
    rows = store.db.execute(
        "select key, model, run, created from calls where key between ? and ? order by key limit ?",
        (least, most, MOST_FOUND),
    )
    return [FoundCall(bytes(key).hex(), model, run, created) for key, model, run, created in rows]


def traces_of_problem(store: Store, problem: str) -> list[tuple[str, int]]:
    """Return (run id, sample) of the traces of a problem by its id, by run; at most `MOST_FOUND`."""
    if not problem.isprintable():
        return []
    rows = store.db.execute(
        """select run, sample from traces join runs on id = run
           where problem in (select key from problems where id = ?) order by created, run, sample limit ?""",
        (problem, MOST_FOUND),
    )
    return [(str(run), int(sample)) for run, sample in rows]


def traces_with_call(store: Store, key: str, runs: list[str]) -> Iterator[tuple[str, str, int]]:
    """Stream (run id, problem id, sample) of the traces of these runs that name a call."""
    marks = ",".join("?" * len(runs))
    rows = store.db.execute(
        f"""select run, id, sample from traces join problems on key = problem
            where run in ({marks}) and instr(cast(calls as text), ?) order by run, ordinal, sample""",
        (*runs, key),
    )
    return ((str(run), str(problem), int(sample)) for run, problem, sample in rows)


def runs_with_fingerprint(store: Store, digits: str) -> dict[tuple[str, str], list[Run]]:
    """Return the runs whose problems, prompts or plans have a fingerprint that begins so, by what it is of."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in store.runs() if digits and not set(digits) - _HEX else ():
        settings = run.settings
        marks = {
            "problem set": settings.problems,
            "prompts": settings.prompts,
            "plans": settings.plans.rpartition(":")[2],
        }
        for what, mark in marks.items():
            if mark.startswith(digits):
                found.setdefault((what, mark), []).append(run)
    return found
