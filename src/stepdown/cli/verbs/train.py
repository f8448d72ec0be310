"""`stepdown train`: a student from a corpus."""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import monotonic
from typing import Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.console.terminal import say, show, show_json
from stepdown.cli.options import CHOICE, SETTINGS, Flag, Json
from stepdown.cli.problem_choice import load_chosen
from stepdown.cli.tracked import Track, track_students, tracked_by
from stepdown.cli.training_options import Allow, Full, MaxLength, Precision, Rank, Rate, TrainingPrompts
from stepdown.cli.unused_options import given, refuse
from stepdown.corpus import Corpus, open_corpus
from stepdown.errors import UsageError
from stepdown.models.weights import GGUF, StudentCard, read_card
from stepdown.problems import Problems, datasets
from stepdown.settings import ProblemSettings
from stepdown.text import duration, percent
from stepdown.tracking import Tracking, open_tracking
from stepdown.training import USUAL_BETAS, Training, TrainingProgress, find_base, student_folders, with_teacher
from stepdown.training import train as train_students

VERSION = 1
_EVERY_SECONDS = 10.0
DEFAULTS = Training()


@Parameter(name="*", group=SETTINGS)
@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How it is trained.

    Parameters
    ----------
    objective
        `sft`: write what the corpus holds; `dpo`: prefer one text of a pair, from a corpus that `prefer --out` or
        `plan-values --pairs` wrote; `dpo-norm`: the same per token of each text, so that length is no gain;
        `on-policy`: write what --teacher finds likely, token by token, on texts of the student's own.
    teacher
        With `on-policy`: the model that reads the student's texts, of the same vocabulary and chat template: a base,
        a student folder, or a model that vLLM serves (`vllm/NAME`).
    teacher_share
        With `on-policy`: the teacher's part in the mix with the student that is learned from; 1 is the plain reverse
        KL, which a token that the teacher rules out can blow up.
    beta
        With `dpo` and `dpo-norm`: how strongly the student is held to its base; smaller lets it move further. Where not
        given, 0.1, and 5 with `dpo-norm`, whose beta is per token.
    visits
        `balanced`: one random chain (or pair) of a problem per visit, as SCoTD; `concatenate`: every one once in turn.
    steps
        Gradient steps. The number of chains varies at equal steps.
    batch
        Chains, or pairs, per step.
    warmup
        Steps until the rate is at its highest, or their share of all; then it falls to 0.
    tokens_per_pass
        Tokens computed at once; the default stands on a GPU for as many as fit its free memory. Changes no result.
    checkpointing
        Keep a tenth of the memory of a pass and compute it twice; changes no result.
    compile
        Compile the model first: minutes at the start, faster steps.
    evaluations
        How many times dev problems are solved, or held-out pairs compared; the best checkpoint becomes the student.
    dev_count
        How many dev problems are held out of the corpus, or taken of --dev.
    checkpoints
        How many times the state is saved; a killed training goes on from the last.
    """

    objective: Literal["sft", "dpo", "dpo-norm", "on-policy"] = "sft"
    teacher: str | None = None
    teacher_share: float = DEFAULTS.teacher_share
    beta: float | None = None
    visits: Literal["balanced", "concatenate"] = DEFAULTS.visits
    steps: int = DEFAULTS.steps
    batch: int = DEFAULTS.batch
    learning_rate: Rate = None
    warmup: float = DEFAULTS.warmup
    rank: Rank = DEFAULTS.rank
    full: Full = False
    max_length: MaxLength = DEFAULTS.max_length
    tokens_per_pass: int = DEFAULTS.tokens_per_pass
    checkpointing: Flag = False
    precision: Precision = DEFAULTS.precision
    compile: Flag = False
    evaluations: int = DEFAULTS.evaluations
    dev_count: int = DEFAULTS.dev
    checkpoints: int = DEFAULTS.checkpoints
    prompts: TrainingPrompts = DEFAULTS.prompts
    allow: Allow = ()

    def training(self, target: str, *, seed: int = 0, goes_on: bool = False) -> Training:
        """Return the settings of one student; where it `goes_on` to a second stage, the teacher is that one's."""
        if self.full:
            refuse(given(self, "rank"), "with `--full` there is no LoRA", "leave one of them out")
        if self.objective not in USUAL_BETAS:
            refuse(given(self, "beta"), f"`{self.objective}` has no beta", "leave it out, or give `--objective dpo`")
        if self.objective != "on-policy" and not goes_on:
            unused = given(self, "teacher", "teacher_share")
            refuse(unused, f"`{self.objective}` learns from no teacher", "give `--objective on-policy`")
        if not self.evaluations:
            refuse(given(self, "dev_count"), "with `--evaluations 0` no dev problem is solved", "leave one of them out")
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "dev_count"}
        named["teacher"] = self.teacher or ""
        if goes_on:
            named |= {"teacher": "", "teacher_share": DEFAULTS.teacher_share}
        return Training(**named, target=target, seed=seed, dev=self.dev_count)


@Parameter(name="*", group=CHOICE)
@dataclass(frozen=True, kw_only=True)
class StudentOptions:
    """What becomes what.

    Parameters
    ----------
    base
        The model to train: a hub name, a folder, a .gguf file, or `smollm2-135m`, `qwen2.5-coder-0.5b`.
    out
        The student folder to write; several seeds lie in it as `seed-0`, `seed-1`...
    target
        What is learned: `chain` (SCoTD), `label`, `answer-first`, `shuffled`, `filler`; of plans always `plan`.
    seeds
        How many students, each from its own seed.
    seed
        The seed of the first one.
    dev
        Problems to choose the checkpoint by, such as `wordsums/dev` or a file; otherwise some of the corpus's are
        held out. A test split is refused.
    data
        The file of --dev, in its benchmark's published format.
    force
        Replace a student that is there.
    then
        A second stage: `on-policy` goes on with the student, which lies in OUT-first, by --teacher. What the teacher
        reads is compared before the first stage begins.
    then_steps
        With --then: the steps of the second stage.
    then_learning_rate
        With --then: its highest rate; where not given, 1e-4 for LoRA and 2e-6 for --full.
    """

    base: str
    out: Path
    target: str = DEFAULTS.target
    seeds: int = 1
    seed: int = 0
    dev: str | None = None
    data: Path | None = None
    force: Flag = False
    then: Literal["on-policy"] | None = None
    then_steps: int = 50
    then_learning_rate: float | None = None

    def problems(self, count: int) -> Problems | None:
        """Return the dev problems, None where they are to be held out. Raises `UsageError` for a test split."""
        if self.dev is None:
            if self.data is not None:
                raise UsageError("`--data` needs --dev", "--dev NAME --data FILE")
            return None
        is_file = Path(self.dev).suffix or Path(self.dev).exists()
        name, _, split = (self.dev, "", "") if is_file else self.dev.partition("/")
        chosen = ProblemSettings(limit=count or None, split=split or None, data=self.data)
        dev = load_chosen(chosen, name, preferred="dev")
        if self.data is None and dev.dataset.split("/")[1:2] == ["test"]:
            splits = next(one.splits for one in datasets() if one.name == name)
            others = ", ".join(f"`--dev {name}/{one}`" for one in splits if one != "test")
            raise UsageError(
                f"`{dev.dataset}` would choose the checkpoint, but it is a test split",
                f"{others or 'leave out --dev'}{', or leave out --dev' if others else ''}: problems are held out then",
            )
        dev.check()
        return dev


TRAINING = TrainingOptions()


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A student: the object of `train --json`, one per seed; `card` is the folder's own."""

    student: str
    card: StudentCard | None
    version: int = VERSION


def train(
    corpus: Path,
    /,
    *,
    options: StudentOptions,
    settings: TrainingOptions = TRAINING,
    track: Track = None,
    json: Json = False,
) -> int:
    """Train a student on a corpus.

    Parameters
    ----------
    corpus
        A corpus, as `sample`, `keep`, `plan-values` or `prefer --out` wrote it.
    track
        Tell a tracker of each student's settings, curve and files: `trackio` (the usual), `mlflow` or `wandb`
        (docs/integrations.md).
    """
    tracking = open_tracking(track if is_first() else None, say)
    source = open_corpus(corpus)
    target = target_of(source, options.target)
    if options.then:
        folders = _train_twice(source, options, settings, target, tracking)
    else:
        refuse(
            given(options, "then_steps", "then_learning_rate"), "there is no second stage", "give `--then on-policy`"
        )
        training = settings.training(target, seed=options.seed)
        folders = _train_once(source, options, training, seeds=options.seeds, tracking=tracking)
    track_students(tracking, folders)
    if is_first():
        show_students(folders, as_json=json)
    return 0


def _train_once(
    source: Corpus, options: StudentOptions, training: Training, *, seeds: int, tracking: Tracking
) -> list[Path]:
    """Train the students of one stage."""
    training.check()
    return train_students(
        source,
        base=options.base,
        out=options.out,
        training=training,
        dev=options.problems(training.dev),
        seeds=seeds,
        progress=tracked_by(tracking, options.out, training, following()),
        force=options.force,
    )


def _train_twice(
    source: Corpus, options: StudentOptions, settings: TrainingOptions, target: str, tracking: Tracking
) -> list[Path]:
    """Train students on the corpus, then on texts of their own; the teacher is looked at before anything is trained."""
    if settings.objective != "sft":
        raise UsageError(f"`--then` comes after `sft`, not `{settings.objective}`", "leave `--objective` out")
    second = replace(
        settings, objective="on-policy", steps=options.then_steps, learning_rate=options.then_learning_rate
    )
    own = second.training(target, seed=options.seed)
    own.check()
    with_teacher(own, find_base(options.base), source)
    first = replace(options, out=options.out.with_name(f"{options.out.name}-first"))
    _refuse_others(options, first, own)
    bases = _train_once(
        source,
        first,
        settings.training(target, seed=options.seed, goes_on=True),
        seeds=options.seeds,
        tracking=tracking,
    )
    folders = list[Path]()
    for seed, base in enumerate(bases, options.seed):
        out = options.out if options.seeds == 1 else options.out / f"seed-{seed}"
        place = replace(options, base=str(base), out=out, seed=seed)
        folders += _train_once(source, place, second.training(target, seed=seed), seeds=1, tracking=tracking)
    return folders


def _refuse_others(options: StudentOptions, first: StudentOptions, own: Training) -> None:
    """Refuse what lies in the second stage's place, before the first is trained. Raises `UsageError`."""
    places, before = (student_folders(one.out, own, options.seeds) for one in (options, first))
    for seed, place in places.items():
        if not options.force and read_card(place) is not None and read_card(before[seed]) is None:
            raise UsageError(
                f"`{place}` is a student, and `{before[seed]}`, which its first stage would have left, is not there",
                "choose another folder, or `--force`",
            )


def target_of(corpus: Corpus, named: str) -> str:
    """Return what is learned of a corpus; plans and preferences among them are learned as plans.

    Raises `UsageError` for chains as plans.
    """
    if corpus.card.content == "plan" or (corpus.card.content == "preference" and corpus.card.texts == "plan"):
        return "plan"
    if named == "plan":
        raise UsageError(f"`{corpus.path}` holds chains, not plans", "`stepdown export RUN --to plans` writes plans")
    return named


def is_first() -> bool:
    """Whether this is the only process of a training, or the first of several (`accelerate launch`)."""
    return os.environ.get("RANK", "0") == "0"


def show_students(folders: Sequence[Path], *, as_json: bool) -> None:
    """Write what students are, and what to do with the first one."""
    for folder in folders:
        show_student(folder, as_json=as_json)
    card = read_card(folders[0])
    if card is not None and card.method == "delegate":
        say(f"next: `stepdown run DATASET --method trace-of-thought --teacher {folders[0]} --student MODEL`")
    elif card is not None:
        say(f"next: `stepdown run DATASET --method {card.method} --student {folders[0]}`")


def show_student(folder: Path, *, as_json: bool) -> None:
    """Write what a student is."""
    card = read_card(folder)
    if card is not None and card.gguf:
        gguf = shlex.quote(str(folder / GGUF))
        say(f"warning: `{folder}` is whole, and has no {GGUF} ({card.gguf}); transformers serves it. "
            f"`stepdown export {shlex.quote(str(folder))} --to gguf --out {gguf}` tries again")  # fmt: skip
    if as_json or card is None:
        show_json(Trained(student=str(folder), card=card))
        return
    best = next((one for one in card.dev if one.step == card.step), None)
    scored = f"; dev {best.right}/{best.graded}, {percent(best.right / best.graded)} %" if best and best.graded else ""
    show(f"{folder}: {card.base}, {card.lessons.target} of {card.lessons.problems} problems, "
         f"step {card.step} of {card.steps}{scored}; {duration(card.seconds)}")  # fmt: skip


def following() -> Callable[[TrainingProgress], None]:
    """Return what says on stderr how far a training is: every ten seconds, and at each evaluation."""
    began: dict[int, tuple[float, int]] = {}
    last_line = [0.0]

    def tell(now: TrainingProgress) -> None:
        if not is_first():
            return
        if now.words:
            say(now.words)
            return
        start, first = began.setdefault(now.seed, (monotonic(), now.step))
        if monotonic() - last_line[0] < _EVERY_SECONDS and now.dev is None and now.step != now.steps:
            return
        last_line[0] = monotonic()
        paid = (monotonic() - start) / max(1, now.step - first)
        left = duration(paid * (now.steps - now.step)) if now.step > first else ""
        say(str(now) + (left and f" · {left} left"))

    return tell
