"""From a corpus and a base to student folders: checks, training, the choice of a checkpoint, the student's card."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus import Corpus
from stepdown.distill.folders import check_place, write_student
from stepdown.distill.training.bases import Base, Found, check_libraries, find_base, load_base, quiet
from stepdown.distill.training.checkpoints import Row, Work, best_step
from stepdown.distill.training.checks import check_corpus, check_labels
from stepdown.distill.training.examples import Asking, Examples, dev_rank
from stepdown.distill.training.passes import Passes, count_passes, keep_rows_apart, rows_are_apart, shared_start
from stepdown.distill.training.scores import Dev, score_dev
from stepdown.distill.training.settings import Training
from stepdown.distill.training.visits import Numbers, order_visits
from stepdown.errors import UsageError
from stepdown.models.students import CARD, Lessons, Score, StudentCard, read_card
from stepdown.types import Chain, Problem, fingerprint

# What may differ between a command and its repetition without making it another training.
_INCIDENTAL = {"allow": (), "checkpoints": 1}


class Progressed(msgspec.Struct, frozen=True, kw_only=True):
    """How far a training has come: `words` where there is something to say, else the figures of a step.

    `loss` is in nats per trained token, `tokens_per_second` counts the tokens of all rows, none of them padding;
    `dev` is the share of dev problems right, None at most steps.
    """

    seed: int
    step: int = 0
    steps: int = 0
    loss: float | None = None
    tokens_per_second: float | None = None
    dev: float | None = None
    words: str = ""


Progress = Callable[[Progressed], None]


class _Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """All that the students of one command share: what they learn, what they are asked, and what is said of it."""

    found: Found
    training: Training
    examples: Examples
    kept: Numbers
    dev: tuple[Problem, ...]
    lessons: Lessons
    notes: tuple[str, ...]
    progress: Progress
    force: bool

    def identity(self, training: Training) -> str:
        """Return what stands for this training with these settings: the same command has the same."""
        settings = msgspec.structs.replace(training, **_INCIDENTAL)
        asked = [problem.id for problem in self.dev]
        return fingerprint([settings, self.found.name, self.found.source, self.examples.fingerprint, asked])


def train(
    corpus: Corpus | Iterable[Chain],
    *,
    base: str | Path,
    out: str | Path,
    training: Training | None = None,
    dev: Iterable[Problem] | None = None,
    seeds: int = 1,
    progress: Progress | None = None,
    force: bool = False,
) -> list[Path]:
    """Train students on a corpus and return their folders: `out`, or `out/seed-0`, `out/seed-1`... for several seeds.

    `base` is a hub name, a model folder, a GGUF file or an embedded name; seeds count from `training.seed`. `dev`
    problems choose the checkpoint (most right, the earlier of equals); without them a share of the corpus's problems is
    held out, which is then never trained on. The same command goes on after a kill, and a student that is there from
    the same command is left as it is. Method: Li et al., ACL 2023, section 2. Raises `UsageError` before the first
    step where corpus, base, settings and `out` do not fit, `MissingExtra`, `EndpointRefused`.
    """
    settings = training or Training()
    settings.check()
    if seeds < 1:
        raise UsageError(f"`{seeds}` seeds train nothing", "give 1 or more")
    numbers = range(settings.seed, settings.seed + seeds)
    places = {number: Path(out) / f"seed-{number}" if seeds > 1 else Path(out) for number in numbers}
    if seeds > 1 and (Path(out) / CARD).is_file():
        raise UsageError(f"`{out}` is one student, and several would lie in it", "name another folder")
    for place in places.values():
        check_place(place)
    # Before a base is fetched or loaded; a stream of chains can be read only once.
    if not isinstance(corpus, Iterator):
        check_labels(corpus, settings)
    check_libraries()
    tell = progress or _say_nothing
    found = find_base(base, progress=lambda words, done, all_: tell(Progressed(seed=settings.seed, words=words)))
    first = load_base(found)
    lesson = _prepare(corpus, first, settings, dev, (tell, force))
    bases = _bases(first)
    del first
    return [_train_one(lesson, bases, seed, place) for seed, place in places.items()]


def _bases(first: Base) -> Iterator[Base]:
    """Give the base once for each student, whose training spends it."""
    found = first.found
    yield first
    del first
    while True:
        yield load_base(found)


def _say_nothing(progressed: Progressed) -> None:
    return None


def _prepare(
    corpus: Iterable[Chain],
    base: Base,
    training: Training,
    dev: Iterable[Problem] | None,
    given: tuple[Progress, bool],
) -> _Lesson:
    """Read and check the corpus, and set the dev problems apart."""
    examples = Examples(base.tokenizer, training).read(corpus)
    words = check_corpus(examples.survey, len(examples.prompts), training)
    held_out, problems = _set_apart(examples, training, dev)
    kept = examples.kept(held_out)
    if not len(kept):
        raise UsageError("all problems of the corpus are dev problems", "give other dev problems, or more chains")
    words += f"; {len(problems):,} dev problems, {len(held_out):,} of them taken out of the corpus"
    given[0](Progressed(seed=training.seed, words=words))
    return _Lesson(
        found=base.found,
        training=training,
        examples=examples,
        kept=kept,
        dev=problems,
        lessons=_lessons(corpus, examples, training),
        notes=(*base.notes, words),
        progress=given[0],
        force=given[1],
    )


def _set_apart(
    examples: Examples, training: Training, dev: Iterable[Problem] | None
) -> tuple[set[int], tuple[Problem, ...]]:
    """Return the places of the corpus's problems that are not trained on, and the dev problems."""
    # A plan is no answer: no grader could choose between checkpoints, so the last one is kept.
    if training.target == "plan" or not (training.evaluations and training.dev):
        return set(), ()
    if dev is None:
        held_out = examples.hold_out()
        return set(held_out), tuple(held_out.values())
    problems = tuple(sorted(dev, key=dev_rank)[: training.dev])
    if not problems:
        raise UsageError("there are no dev problems", "give some, or leave `dev` out to hold some of the corpus out")
    return {examples.places[one.id] for one in problems if one.id in examples.places}, problems


def _lessons(corpus: Iterable[Chain], examples: Examples, training: Training) -> Lessons:
    """Return what the student's card says of its corpus."""
    card = corpus.card if isinstance(corpus, Corpus) else None
    filters = corpus.filters if isinstance(corpus, Corpus) else ()
    return Lessons(
        dataset=card.dataset if card else "",
        content=card.content if card else "plan" if training.target == "plan" else "chain",
        target=training.target,
        teachers=dict(examples.survey.teachers),
        fingerprint=card.fingerprint if card and not filters else examples.fingerprint,
        problems=len(examples.prompts),
        chains=examples.survey.chains,
        selection=(*(one.filter for one in (card.selection if card else ())), *filters),
        licence=card.licence if card else "",
    )


def _train_one(lesson: _Lesson, bases: Iterator[Base], seed: int, out: Path) -> Path:
    """Train and write the student of one seed, or go on with it."""
    training = msgspec.structs.replace(lesson.training, seed=seed)
    identity, work = lesson.identity(training), Work(out)
    card = read_card(out) if out.exists() else None
    if card is not None and not lesson.force:
        if card.training.get("identity") != identity:
            raise UsageError(f"`{out}` is a student of another training", "choose another folder, or `--force`")
        lesson.progress(Progressed(seed=seed, step=card.steps, steps=card.steps, words=f"`{out}` is there already"))
        return out
    from accelerate import PartialState

    if PartialState().is_main_process:
        work.begin(identity, force=lesson.force)
    base = next(bases)
    order = order_of(lesson.examples, lesson.kept, training)
    passes, notes = _passes(base.model, lesson.examples, order, training)
    PartialState().wait_for_everyone()
    trainer = _trainer(lesson, base, passes, training, work)
    trainer.go_on()
    if PartialState().is_main_process:
        card = _card(lesson, base, training, work.rows())
        card = msgspec.structs.replace(card, notes=card.notes + notes, training={**card.training, "identity": identity})
        _write(out, trainer, base, card, lesson.force)
    PartialState().wait_for_everyone()
    return out


def order_of(examples: Examples, kept: Numbers, training: Training) -> Numbers:
    """Return the completions of each step: the order of a training, a function of corpus, settings and seed."""
    owners = [examples.problem_of[place] for place in kept.tolist()]
    order = order_visits(owners, visits=training.visits, steps=training.steps, batch=training.batch, seed=training.seed)
    return kept[order]


def _passes(model: Any, examples: Examples, order: Numbers, training: Training) -> tuple[Passes, tuple[str, ...]]:
    """Split the steps into passes; a model that cannot keep rows apart gets one row a pass."""
    from accelerate import PartialState

    world = PartialState().num_processes
    if training.batch % world:
        raise UsageError(
            f"a batch of `{training.batch}` rows cannot be shared by {world} processes", "give a multiple of them"
        )
    tokens, notes = training.tokens_per_pass, tuple[str, ...]()
    keep_rows_apart(model)
    # A window is counted from each token: what stands before all rows could lie outside of it.
    windowed = getattr(model.config.get_text_config(), "sliding_window", None)
    passes = Passes(examples, order, 1, shared=0 if windowed else shared_start(examples))
    if not rows_are_apart(model, passes):
        passes = Passes(examples, order, 1)
        if not rows_are_apart(model, passes):
            tokens, notes = 0, ("this architecture does not keep packed rows apart: each row was a pass of its own",)
    passes.passes = count_passes(passes, tokens=tokens, world=world)
    return passes, notes


def _trainer(lesson: _Lesson, base: Base, passes: Passes, training: Training, work: Work) -> Any:
    """Return the trainer of one student, with its adapter on the base."""
    import torch

    from stepdown.distill.training.trainer import StudentTrainer, Told

    torch.manual_seed(training.seed)
    model = base.model if training.full else add_adapter(base.model, training)
    if training.compile:
        for name, module in model.named_modules():
            if name.endswith(".mlp"):
                module.compile(dynamic=True)
    dev = _dev(lesson, base, training)
    told = Told(
        row=lambda row: _tell(lesson, training, work, row),
        score=(lambda: score_dev(dev, model, base.tokenizer)) if dev else None,
    )
    return StudentTrainer(model, base.tokenizer, passes, training, work=work, told=told)


def add_adapter(model: Any, training: Training) -> Any:
    """Return a base with a fresh LoRA adapter on all linear layers but the head; only the adapter is trained."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quiet():
        return get_peft_model(model, config)


def _dev(lesson: _Lesson, base: Base, training: Training) -> Dev | None:
    if not lesson.dev:
        return None
    asking = Asking(base.tokenizer, training)
    completions = lesson.examples.completions
    longest = max(completions.length(place) for place in range(len(completions)))
    return Dev(lesson.dev, tuple(asking.evaluated(problem) for problem in lesson.dev), longest)


def _tell(lesson: _Lesson, training: Training, work: Work, row: Row) -> None:
    work.append(row)
    lesson.progress(
        Progressed(
            seed=training.seed,
            step=row["step"],
            steps=training.steps,
            loss=row.get("loss"),
            tokens_per_second=row.get("tokens_per_second"),
            dev=row.get("dev"),
        )
    )


def _card(lesson: _Lesson, base: Base, training: Training, rows: Sequence[Row]) -> StudentCard:
    """Return the card of a student that has been trained, from its log."""
    done = [row for row in rows if "tokens" in row][-1]
    dev = tuple(
        Score(dataset="dev", **{name: row[name] for name in ("step", "right", "graded", "total")})
        for row in rows
        if "dev" in row
    )
    return StudentCard(
        base=lesson.found.name,
        base_source=base.source,
        lessons=lesson.lessons,
        training={**msgspec.to_builtins(training), "learning_rate": training.rate},
        prompts=training.prompts,
        method=training.method,
        seed=training.seed,
        steps=training.steps,
        step=best_step(list(rows)) or training.steps,
        dev=dev,
        tokens=done["tokens"],
        seconds=done["seconds"],
        licence=lesson.found.licence,
        notes=lesson.notes,
    )


def _write(out: Path, trainer: Any, base: Base, card: StudentCard, force: bool) -> None:
    """Write the student with the weights of the chosen step; what was kept to go on from is no longer needed."""
    trainer.take(card.step)
    base.model.set_attn_implementation("sdpa")
    with quiet():
        write_student(
            out,
            trainer.model,
            tokenizer=base.tokenizer,
            card=card,
            base=base.found.gguf,
            log=trainer.work.log,
            force=force,
        )
    trainer.work.end()
