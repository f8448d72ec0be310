"""`stepdown init`: a study file to begin with, which `stepdown run` or `stepdown study` takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from shlex import quote
from typing import Annotated, TypeVar

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli import study_questions as questions
from stepdown.cli.console.terminal import say, show_json
from stepdown.cli.endpoint_checks import reach
from stepdown.cli.grid import methods_of
from stepdown.cli.options import CHOICE, Flag, Json, Limit
from stepdown.cli.study_text import StudyText, study_text
from stepdown.cli.unused_options import given, refuse
from stepdown.cli.verbs.ask import STUDENT, TEACHER
from stepdown.cli.verbs.doctor import ENGINES
from stepdown.cli.verbs.study import OPTIONS as STUDIED
from stepdown.cli.verbs.train import TRAINING as TRAINED
from stepdown.errors import Interrupted, UsageError
from stepdown.extras import has
from stepdown.files import replacing
from stepdown.models.weights import CATALOGUE, fetched
from stepdown.training import TrainingStudyText, training_study_text

Value = TypeVar("Value")
FILE, TRAINING_FILE = Path("study.toml"), Path("training.toml")
DATASET, LIMIT, BUDGET = "wordsums", 20, 1.0
CORPUS, BASE, TESTED = "corpus", "smollm2-135m", 100


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
        Take this many problems; with --training, to test on.
    budget
        Stop before spending more US dollars than this; 0 where nothing may be paid.
    """

    dataset: str = ""
    method: tuple[str, ...] = ()
    student: tuple[str, ...] = ()
    teacher: tuple[str, ...] = ()
    limit: Limit = None
    budget: Annotated[float | None, Parameter(validator=Number(gte=0))] = None


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class InitTraining:
    """What a file for `stepdown study` says.

    Parameters
    ----------
    training
        Write a file for `stepdown study`: students that are trained on a corpus.
    corpus
        With --training: the corpus, which may still be to be made.
    base
        With --training: the model that every student begins as.
    test
        With --training: the data set, or file, that students are tested on.
    chains
        With --training: chains per problem; 0 means all there are; may be given several times.
    targets
        With --training: what is learned: `chain`, `label`, `answer-first`, `shuffled`, `filler`.
    seeds
        With --training: students per place of the grid.
    """

    training: Flag = False
    corpus: str = ""
    base: str = ""
    test: str = ""
    chains: tuple[Annotated[int, Parameter(validator=Number(gte=0))], ...] = ()
    targets: tuple[str, ...] = ()
    seeds: Annotated[int | None, Parameter(validator=Number(gte=1))] = None


DEFAULTS, TRAINING = InitOptions(), InitTraining()


def init(
    file: Path | None = None,
    /,
    *,
    options: InitOptions = DEFAULTS,
    training: InitTraining = TRAINING,
    force: Annotated[Flag, Parameter(group=CHOICE)] = False,
    json: Json = False,
) -> int:
    """Write a study file.

    Parameters
    ----------
    file
        The file to write (`study.toml`, with --training `training.toml`); `stepdown run` or `stepdown study` takes it.
    force
        Replace a file that is there.
    """
    _check(options, training)
    try:
        learns = training.training or (options == DEFAULTS and _trains())
        target = file or (TRAINING_FILE if learns else FILE)
        if target.suffix != ".toml":
            hint = f"name it `{target.stem or 'study'}.toml`"
            raise UsageError(f"`{target}` would not be known for a study file", hint, option="FILE")
        with replacing(target, force) as part:
            study = _training(target, options, training) if learns else chosen(target, options)
            text = training_study_text(study) if isinstance(study, TrainingStudyText) else study_text(study)
            part.write_text(text, encoding="utf-8")
    except (KeyboardInterrupt, Interrupted):
        say("", "interrupted: nothing was written")
        return Interrupted.exit_code
    if json:
        show_json(study)
    say(f"wrote {target}", *_leads(target, study))
    return 0


def _leads(target: Path, study: StudyText | TrainingStudyText) -> list[str]:
    """Say what to do with a study file."""
    file = quote(str(target))
    if isinstance(study, StudyText):
        return [f"next: `stepdown run {file} --estimate` says what it would take, `stepdown run {file}` runs it"]
    train = f"`stepdown study {file}` trains and tests the students"
    if "://" in study.corpus or (target.parent / study.corpus).exists() or Path(study.corpus).exists():
        return [f"next: {train}"]
    return [f"next: `{study.corpus}` is not there yet: the file says how to make it; then {train}"]


def _check(options: InitOptions, training: InitTraining) -> None:
    """Refuse what would change nothing in the file. Raises `UsageError`."""
    if training.training:
        unused = given(options, *(one.name for one in fields(options) if one.name != "limit"))
        refuse(
            unused, "a study of training says nothing of it", "`stepdown study` has options of its own; leave it out"
        )
    else:
        refuse(given(training), "only a study of training has it", "add --training, or leave it out")
    if options.dataset:
        questions.dataset(options.dataset)
    if training.test:
        questions.dataset(training.test)
    if training.corpus:
        questions.corpus(training.corpus)
    if training.targets:
        questions.targets(",".join(training.targets))


def _trains() -> bool:
    """Ask which kind of study it is to be, where somebody is there who did not say."""
    if not questions.asking():
        return False
    kinds = {"run": False, "study": True}

    def read(text: str) -> bool:
        if text not in kinds:
            raise UsageError(f"`{text[:40]}` is neither", "run: models are prompted; study: students are trained")
        return kinds[text]

    return questions.ask("run (models are prompted) or study (students are trained)", "run", read)


def _asked(what: str, default: str, read: Callable[[str], Value]) -> Value:
    """Return what somebody says at the terminal, or the default where nobody is there."""
    return questions.ask(what, default, read) if questions.asking() else read(default)


def _training(file: Path, options: InitOptions, training: InitTraining) -> TrainingStudyText:
    """Return what the file for `stepdown study` is to say: what was given, else asked for, else the usual."""
    base = training.base or _asked("base, that students begin as", BASE, questions.named)
    chains, targets = (", ".join(map(str, usual)) for usual in (STUDIED.chains, STUDIED.targets))
    return TrainingStudyText(
        file=file.name,
        corpus=training.corpus or _asked("corpus, also one that is still to be made", CORPUS, questions.corpus),
        base=base,
        test=training.test or _asked("tested on, a data set or a file", DATASET, questions.dataset),
        limit=options.limit or _asked("problems to test on", str(TESTED), questions.whole),
        chains=training.chains or _asked("chains per problem; several with commas, 0: all", chains, questions.numbers),
        targets=training.targets or _asked("what is learned", targets, questions.targets),
        seeds=training.seeds or _asked("seeds, students for each of these", str(STUDIED.seeds), questions.whole),
        steps=TRAINED.steps,
        out=f"{file.stem}-students",
    )


def chosen(file: Path, options: InitOptions) -> StudyText:
    """Return what the file for `stepdown run` is to say: what was given, else asked for, else what is here."""
    here = models_here()
    if questions.asking():
        questions.offer("models here", here)
    dataset = options.dataset or _asked("data set, or a file of problems", DATASET, questions.dataset)
    methods = options.method or _asked("methods; several with commas", "all", questions.methods)
    student, teacher = defaults(here)
    students = options.student or _asked("student, who solves; several with commas", student, questions.several)
    plans = any(one.plan is not None or one.asks_teacher for one in methods_of(methods))
    teachers = options.teacher
    if plans and not teachers:
        teachers = _asked("teacher, who writes plans; several with commas", teacher, questions.several)
    limit = options.limit or _asked("problems", str(LIMIT), questions.whole)
    budget = options.budget
    if budget is None and any(not name.startswith(_FREE) for name in (*students, *teachers)):
        budget = _asked("budget in US dollars", str(BUDGET), questions.dollars)
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
