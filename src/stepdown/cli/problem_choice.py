"""The problems that a command line chooses."""

from stepdown.cli.console.terminal import say
from stepdown.problems import Columns, Dataset, Problems, datasets, load_problems
from stepdown.settings import ProblemSettings


def load_chosen(chosen: ProblemSettings, name: str, *, preferred: str = "") -> Problems:
    """Return what `read_chosen` does, and say how many problems of each kind a file has."""
    problems_found = read_chosen(chosen, name, preferred=preferred)
    if not _named(chosen, name):
        # This command reads them as they are now: if they change under way, its runs say so at their end.
        problems_found.known = problems_found.check()
        say(_count_kinds(problems_found))
    return problems_found


def read_chosen(chosen: ProblemSettings, name: str, *, preferred: str = "") -> Problems:
    """Return the chosen problems of a data set, of its `preferred` split unless one is named."""
    known = any(preferred in one.splits for one in _named(chosen, name))
    return load_problems(
        name,
        split=preferred if known and chosen.split is None else chosen.split,
        limit=chosen.limit,
        offset=chosen.offset,
        data=chosen.data,
        columns=_columns(chosen),
        seed=chosen.problems_seed,
        code=True,
    )


def _named(chosen: ProblemSettings, name: str) -> list[Dataset]:
    return [one for one in datasets() if one.name == name and chosen.data is None]


def _columns(chosen: ProblemSettings) -> Columns | None:
    given = (chosen.question, chosen.answer, chosen.choices, chosen.id, chosen.kind)
    return None if all(one is None for one in given) else Columns(*given)


def _count_kinds(problems: Problems) -> str:
    """Read a file's problems once and return how many there are of each kind. Raises `BadRow` at the first bad row."""
    kinds = sorted((problems.known or problems.check()).kinds.items(), key=lambda kind: -kind[1])
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    return f"{problems.dataset}: {listed}" + ("; --kind takes all for one" if len(kinds) > 1 else "")
