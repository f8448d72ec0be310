"""`stepdown teachers`: which teacher's chains suit a student."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepdown.cli.console.passes import telling
from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.options import CHOICE, Json
from stepdown.corpus import open_corpus
from stepdown.errors import UsageError
from stepdown.measuring import By, SuitabilityTable, TeacherSuitability, suitability
from stepdown.text import between, clipped, percent


def teachers(
    *corpora: Path,
    student: Annotated[str, Parameter(group=CHOICE)],
    chains: Annotated[int, Parameter(group=CHOICE)] = 100,
    by: Annotated[By, Parameter(group=CHOICE)] = "teacher",
    seed: Annotated[int, Parameter(group=CHOICE)] = 0,
    json: Json = False,
) -> int:
    """Compare teachers by how their chains suit a student.

    Parameters
    ----------
    corpora
        Corpora of chains, best over the same problems: each teacher of each is a row.
    student
        Who is to learn: `smollm2-135m`, another base of the catalogue, or a student's folder.
    chains
        How many chains of each are read, one a problem.
    by
        What a row is: a teacher, a variant of its chains as a pool names them, or a corpus.
    seed
        The seed of the chains that are drawn.
    """
    if not corpora:
        raise UsageError("no corpus is given", "stepdown teachers CORPUS... --student smollm2-135m")
    if chains < 2:
        raise UsageError(f"`{chains}` chains say nothing of how far others would differ", "give 2 or more")
    opened = [open_corpus(corpus) for corpus in corpora]
    found = suitability(opened, student, chains=chains, by=by, seed=seed, progress=telling("read", "chains"))
    if json:
        show_json(found)
        return 0
    show_suitability(found)
    return 0


def show_suitability(found: SuitabilityTable) -> None:
    """Write the table of teachers, best suited first."""
    header = ("chains by", "problems", "right %", "tokens", "ratio", "interval", "best %", "log p", "interval")
    note = (
        f"ratio: mean rank of the tokens over their mean surprisal under {found.student}, lower suits it better; best:"
        " how often it is the lowest; log p: mean of a token, in nats. Intervals: 95 %, over problems;"
        f" {found.shared} of them have a chain in every row."
    )
    show_table("Teachers", header, map(_cells, found.teachers), words=1, note=note)
    if found.shared < max(one.problems for one in found.teachers):
        say("the rows are not over the same problems, of which some are harder to read than others")


def _cells(one: TeacherSuitability) -> tuple[str, ...]:
    name = " · ".join(part for part in (one.corpus, one.teacher, one.variant) if part)
    intervals = [
        between(f"{low:.2f}", f"{high:.2f}").strip().replace("inf", "∞")
        for low, high in ((one.low, one.high), (one.logprob_low, one.logprob_high))
    ]
    return (
        clipped(name, 60), str(one.problems), percent(one.right), f"{one.tokens:.0f}", f"{one.ratio:.2f}",
        intervals[0], percent(one.best), f"{one.logprob:.2f}", intervals[1],
    )  # fmt: skip
