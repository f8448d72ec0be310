"""`stepdown init`: a study file to begin with, which `stepdown run` takes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.endpoint_checks import reach
from stepdown.cli.grid import methods_of
from stepdown.cli.options import CHOICE, Flag, Json, Limit
from stepdown.cli.study_text import StudyText, study_text
from stepdown.cli.verbs.ask import STUDENT, TEACHER
from stepdown.cli.verbs.doctor import ENGINES
from stepdown.errors import Interrupted, UnknownName, UsageError
from stepdown.extras import has
from stepdown.files import replacing
from stepdown.models.weights import CATALOGUE, fetched
from stepdown.problems import datasets

FILE, DATASET, LIMIT, BUDGET = Path("study.toml"), "wordsums", 20, 1.0


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """What the file says; what is not given is asked in a terminal, and chosen from what is here elsewhere.

    Parameters
    ----------
    dataset
        A data set, or a file of problems.
    method
        A way of solving, as for `run`; may be given several times.
    student
        The model that solves; may be given several times.
    teacher
        The model that writes plans; may be given several times.
    limit
        Take this many problems.
    budget
        Stop before spending more US dollars than this; 0 where nothing may be paid.
    """

    dataset: str = ""
    method: tuple[str, ...] = ()
    student: tuple[str, ...] = ()
    teacher: tuple[str, ...] = ()
    limit: Limit = None
    budget: Annotated[float | None, Parameter(validator=Number(gte=0))] = None


DEFAULTS = InitOptions()


def init(
    file: Path = FILE,
    /,
    *,
    options: InitOptions = DEFAULTS,
    force: Annotated[Flag, Parameter(group=CHOICE)] = False,
    json: Json = False,
) -> int:
    """Write a study file.

    Parameters
    ----------
    file
        The file to write; `stepdown run` takes it.
    force
        Replace a file that is there.
    json
        Write JSON to stdout, as docs/cli.md promises.
    """
    if file.suffix != ".toml":
        raise UsageError(f"`{file}` would not be known for a study file", f"name it `{file.stem}.toml`", option="FILE")
    with replacing(file, force) as part:
        study = chosen(file, options)
        part.write_text(study_text(study), encoding="utf-8")
    if json:
        show_json(study)
    say(
        f"wrote {file}",
        f"next: `stepdown run {file} --estimate` says what it would take, `stepdown run {file}` runs it",
    )
    return 0


def chosen(file: Path, options: InitOptions) -> StudyText:
    """Return what the file is to say: what was given, else asked for in a terminal, else chosen from what is here."""
    here = models_here()
    asking = sys.stdin.isatty() and sys.stderr.isatty()
    if asking and here:
        say("models here: " + ", ".join(f"`{name}`" for name in here[:12]), "")
    dataset = options.dataset or (_ask("data set, or a file of problems", DATASET) if asking else DATASET)
    methods = options.method or _several("methods", ("all",), asking=asking)
    student, teacher = defaults(here)
    students = options.student or _several("student, who solves", (student,), asking=asking)
    plans = any(one.plan is not None or one.asks_teacher for one in methods_of(methods))
    teachers = options.teacher or (_several("teacher, who writes plans", (teacher,), asking=asking) if plans else ())
    if options.limit is not None or not asking:
        limit = options.limit or LIMIT
    else:
        limit = int(_ask("problems", str(LIMIT), number=True))
    paid = any(not name.startswith(_FREE) for name in (*students, *teachers))
    budget = options.budget
    if budget is None and paid:
        budget = float(_ask("budget in US dollars", str(BUDGET), number=True)) if asking else BUDGET
    _check(dataset)
    return StudyText(
        file=file.name,
        dataset=dataset,
        methods=methods,
        students=students,
        teachers=teachers,
        limit=limit,
        budget=budget,
    )


_FREE = ("embedded/", "ollama/", "recorded/", "./", "../", "/")


def _check(dataset: str) -> None:
    names = [one.name for one in datasets()]
    if dataset not in names and not Path(dataset).exists():
        raise UnknownName("data set", dataset, names, more="or name a file of problems")


def models_here() -> list[str]:
    """Return the model strings that can be used here: weights on this machine, then what endpoints offer."""
    engine = any(has(module) for module in ENGINES)
    local = [f"embedded/{one.name}" for one in CATALOGUE if engine and fetched(one.name)]
    return local + [f"{one.name}/{model}" for one in reach() for model in sorted(one.models or ())]


def defaults(here: Sequence[str]) -> tuple[str, str]:
    """Return who solves and who writes plans where nobody says: the demo's models, else the first that are here."""
    if STUDENT in here or not here or any(has(module) for module in ENGINES):
        return STUDENT, TEACHER
    return here[0], here[min(1, len(here) - 1)]


def _several(what: str, default: tuple[str, ...], *, asking: bool) -> tuple[str, ...]:
    if not asking:
        return default
    return tuple(
        one.strip() for one in _ask(f"{what}; several with commas", ", ".join(default)).split(",") if one.strip()
    )


def _ask(what: str, default: str, *, number: bool = False) -> str:
    """Return what a person types at a question, the default where that is nothing. Raises `Interrupted`."""
    while True:
        sys.stderr.write(f"{what} [{default}]: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise Interrupted
        text = line.strip() or default
        if not number or text.replace(".", "", 1).isdecimal():
            return text
        say("give a number")
