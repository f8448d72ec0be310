"""Where mended chains come from, kept beside a corpus: the student's attempt, and where the teacher took over."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from stepdown.errors import UsageError
from stepdown.untrusted import reading

LINEAGES = "lineages.jsonl"
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
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"`{path}` is larger than {MOST_BYTES >> 20} MB", "keep fewer chains in one corpus")
    with reading(f"cannot read the lineages `{path}`", "copy the folder again from where it came"):
        found = [msgspec.json.decode(line, type=Lineage) for line in path.read_bytes().splitlines() if line.strip()]
    return {(one.problem, one.sample): one for one in found}


def carry_lineages(sources: Sequence[Path], folder: Path) -> None:
    """Put the lineages of some corpora, those that have any, into the folder of one that holds chains of theirs."""
    write_lineages(folder, (one for source in sources for one in read_lineages(source).values()))
