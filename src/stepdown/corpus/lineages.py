"""Where mended chains come from, kept beside a corpus: the student's attempt, and where the teacher took over."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from stepdown.errors import UsageError
from stepdown.untrusted import reading

LINEAGES = "lineages.jsonl"


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


def write_lineages(folder: Path, lineages: Iterable[Lineage]) -> None:
    """Write lineages into the folder of a corpus, a JSON object a line; none make no file."""
    lines = [msgspec.json.encode(one) + b"\n" for one in lineages]
    if lines:
        (folder / LINEAGES).write_bytes(b"".join(lines))


def read_lineages(folder: Path) -> dict[tuple[str, int], Lineage]:
    """Return the lineages of a corpus by problem id and sample; none where its chains have none."""
    path = folder / LINEAGES
    if not path.is_file():
        return {}
    with reading(f"cannot read the lineages `{path}`", "copy the folder again from where it came"):
        found = [msgspec.json.decode(line, type=Lineage) for line in path.read_bytes().splitlines() if line.strip()]
    return {(one.problem, one.sample): one for one in found}


def carry_lineages(source: Path, folder: Path) -> None:
    """Copy the lineages of one corpus, if there are any, to another that holds some of its chains."""
    try:
        if (source / LINEAGES).is_file():
            shutil.copyfile(source / LINEAGES, folder / LINEAGES)
    except OSError as error:
        raise UsageError(f"cannot copy `{source / LINEAGES}`: {error.strerror}", "make room, or see to it") from error
