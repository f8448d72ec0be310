"""Where the rows of a corpus come from, kept beside it: a mended chain's attempt, a plan's value to a student."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from stepdown.errors import UsageError
from stepdown.untrusted import reading

LINEAGES, PLAN_VALUES = "lineages.jsonl", "plan_values.jsonl"
L = TypeVar("L", bound="Lineage | PlanLineage")
# Half a million attempts of five hundred characters: more are of no corpus that was mended.
MOST_BYTES = 1 << 28


class Lineage(msgspec.Struct, frozen=True):
    """What a chain was made of: its problem's id and its sample; a student's attempt in a run, by its sample there.

    The chain's first `kept` characters are the attempt's own, what follows is the teacher's.
    """

    problem: str
    sample: int
    run: str
    student: str
    attempt_sample: int
    attempt: str
    kept: int


class PlanLineage(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan was worth: its problem's id and its sample in the corpus; a run, and which draw of its plans it is.

    Of the `student`, `right` of `graded` solutions with it, and without it `right_without` of `graded_without` in the
    run `without`. `value` is the difference, a share of 1, `low` and `high` its 95 % interval.
    """

    problem: str
    sample: int
    run: str
    draw: int
    student: str
    right: int
    graded: int
    without: str
    right_without: int
    graded_without: int
    value: float
    low: float
    high: float


def write_lineages(folder: Path, lineages: Iterable[Lineage]) -> None:
    """Write lineages into the folder of a corpus, a JSON object a line; none make no file."""
    _write(folder / LINEAGES, lineages)


def write_plan_lineages(folder: Path, lineages: Iterable[PlanLineage]) -> None:
    """Write what plans are worth into the folder of a corpus, a JSON object a line; none make no file."""
    _write(folder / PLAN_VALUES, lineages)


def _write(path: Path, rows: Iterable[Lineage | PlanLineage]) -> None:
    lines = [msgspec.json.encode(one) + b"\n" for one in rows]
    if lines:
        path.write_bytes(b"".join(lines))


def read_lineages(folder: Path) -> dict[tuple[str, int], Lineage]:
    """Return the lineages of a corpus by problem id and sample; none where its chains have none."""
    return _read(folder / LINEAGES, Lineage)


def read_plan_lineages(folder: Path) -> dict[tuple[str, int], PlanLineage]:
    """Return what the plans of a corpus are worth by problem id and sample; none where nobody valued them."""
    return _read(folder / PLAN_VALUES, PlanLineage)


def _read(path: Path, kind: type[L]) -> dict[tuple[str, int], L]:
    if not path.is_file():
        return {}
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"`{path}` is larger than {MOST_BYTES >> 20} MB", "keep fewer chains in one corpus")
    with reading(f"cannot read the lineages `{path}`", "copy the folder again from where it came"):
        found = [msgspec.json.decode(line, type=kind) for line in path.read_bytes().splitlines() if line.strip()]
    return {(one.problem, one.sample): one for one in found}


def carry_lineages(sources: Sequence[Path], folder: Path) -> None:
    """Put the lineages of some corpora, those that have any, into the folder of one that holds chains of theirs."""
    write_lineages(folder, (one for source in sources for one in read_lineages(source).values()))
    write_plan_lineages(folder, (one for source in sources for one in read_plan_lineages(source).values()))
