"""From a corpus and a base to student folders: checks, training, the choice of a checkpoint, the student's card."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus import Corpus
from stepdown.errors import UsageError
from stepdown.models.weights import CARD, StudentCard, StudentScore, file_hash, read_card
from stepdown.prompts import load_prompts
from stepdown.training.bases import Base, Found, check_libraries, find_base, load_base, quiet
from stepdown.training.checkpoints import Row, Work, best_step
from stepdown.training.checks import check_labels
from stepdown.training.contamination import refuse_tests
from stepdown.training.datasets import (
    INCIDENTAL,
    Lesson,
    Progress,
    Progressed,
    dataset_of,
    prepare_lessons,
    problems_of,
)
from stepdown.training.evaluation import Dev, score_dev
from stepdown.training.examples import Asking, Examples, dev_rank
from stepdown.training.packing import Passes, count_passes, keep_rows_apart, rows_are_apart, shared_start
from stepdown.training.sampling_order import Numbers, order_visits
from stepdown.training.settings import Training
from stepdown.training.students.folder import check_place, write_student
from stepdown.training.world import ALONE, World, check_launcher, join_world, launched
from stepdown.types import Chain, Problem, fingerprint
from stepdown.version import __version__

_TOKENS = {".json", ".jinja", ".model", ".txt"}


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
    the same command is left as it is. Several processes (`torchrun`) share the rows of each step and train the same
    student as one. Method: Li et al., ACL 2023, section 2. Raises `UsageError` before the first step where corpus,
    base, settings, launcher and `out` do not fit, `MissingExtra`, `EndpointRefused`.
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
    if isinstance(corpus, Iterator) and seeds > 1 and settings.target == "shuffled":
        raise UsageError("each seed shuffles the chains anew, and a stream can be read only once", "give a list")
    chosen = None if dev is None else tuple(sorted(dev, key=dev_rank)[: settings.dev])
    # Before a base is fetched or loaded; a stream of chains can be read only once.
    read = "" if isinstance(corpus, Iterator) else check_labels(corpus, settings)
    if not isinstance(corpus, Iterator):
        refuse_tests(dataset_of(corpus), problems_of(corpus), allow=settings.allow)
    if chosen:
        refuse_tests(chosen[0].id.rpartition("/")[0], chosen, allow=settings.allow)
    check_libraries()
    check_launcher()
    tell = progress or _say_nothing
    found = find_base(base, progress=lambda words, done, all_: tell(Progressed(seed=settings.seed, words=words)))
    seeded = {number: msgspec.structs.replace(settings, seed=number) for number in numbers}
    commands = {number: _command(read, found, one, chosen) for number, one in seeded.items()}
    # Alone nothing has to be agreed on, and what is there already takes no second of loading libraries.
    world = join_world(settings.precision) if launched() > 1 else ALONE
    there = not force and all(_is_there(places[number], commands[number]) for number in numbers)
    if world.agree(there):
        return [_say_there(place, tell) for place in places.values()]
    _check_scaling()
    first = load_base(found)
    lessons = prepare_lessons(corpus, msgspec.structs.replace(first, model=None), settings, chosen, (tell, force))
    bases = _bases(first)
    del first
    each = zip(numbers, lessons, strict=False)
    return [_train_one(lesson, bases, places[number], commands[number]) for number, lesson in each]


def _command(read: str, found: Found, training: Training, dev: Sequence[Problem] | None) -> str:
    """Return what stands for a training before its base is loaded; nothing for a stream, which nobody has read.

    It is this version's: another may read the same chains otherwise.
    """
    settings = msgspec.structs.replace(training, **INCIDENTAL)
    asked = None if dev is None else [problem.id for problem in dev]
    words = load_prompts(training.prompts).fingerprint
    base = [found.name, found.source, _said_beside(found.folder) if found.folder else []]
    return fingerprint([__version__, settings, words, base, read, asked]) if read else ""


def _said_beside(folder: Path) -> list[str]:
    """Return the hashes of what a base's folder says of tokens and templates: its source is its weights'."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _TOKENS and path.name != CARD)
    return [file_hash(path) for path in files if path.is_file()]


def _is_there(out: Path, command: str) -> bool:
    """Tell whether the student that lies there was trained by the same command."""
    card = read_card(out) if command and out.exists() else None
    return card is not None and card.training.get("command") == command


def _say_there(out: Path, tell: Progress) -> Path:
    # A process on another machine may not see the folder that the first one wrote.
    if (card := read_card(out) if out.exists() else None) is not None:
        tell(Progressed(seed=card.seed, step=card.steps, steps=card.steps, words=f"`{out}` is there already"))
    return out


def _bases(first: Base) -> Iterator[Base]:
    """Give the base once for each student, whose training spends it."""
    found = first.found
    yield first
    del first
    while True:
        yield load_base(found)


def _say_nothing(progressed: Progressed) -> None:
    return None


def _train_one(lesson: Lesson, bases: Iterator[Base], out: Path, command: str) -> Path:
    """Train and write the student of one seed, or go on with it."""
    training, work = lesson.training, Work(out)
    identity = lesson.identity
    world = join_world(training.precision)
    card = read_card(out) if out.exists() else None
    same = {identity, *([lesson.earlier_identity] if card is not None and card.stepdown == "0.1.0" else [])}
    if card is not None and not lesson.force and card.training.get("identity") not in same:
        raise UsageError(f"`{out}` is a student of another training", "choose another folder, or `--force`")
    if world.agree(card is not None and not lesson.force):
        return _say_there(out, lesson.progress)
    if world.is_first:
        work.begin(identity, force=lesson.force)
        for words in _about(world):
            lesson.progress(Progressed(seed=training.seed, words=words))
    base = next(bases)
    order = order_of(lesson.examples, lesson.kept, training)
    passes, notes = _passes(base.model, lesson.examples, order, training, world)
    world.wait()
    trainer = _trainer(lesson, base, passes, training, work, world)
    trainer.go_on()
    if world.is_first:
        card = _card(lesson, base, training, work.rows())
        known = {**card.training, "identity": identity, "command": command}
        card = msgspec.structs.replace(card, notes=card.notes + notes, training=known)
        _write(out, trainer, base, card, lesson)
    world.wait()
    del trainer, base, passes
    _free()
    return out


def _check_scaling() -> None:
    from stepdown.training.trainer import check_scaling

    check_scaling()


def _about(world: World) -> list[str]:
    """Return what is to be said of the processes and devices of a training, nothing where there is nothing odd."""
    import torch

    visible = 0 if world.cpu else torch.cuda.device_count()
    if world.size > 1:
        return [f"{world.size} processes share the rows of each step"]
    if visible > 1:
        return [f"one of {visible} GPUs trains; `torchrun --nproc_per_node {visible} -m stepdown train ...` uses all"]
    return []


def _free() -> None:
    """Free a trainer, its model and its optimiser: they hold one another, and a next student needs their memory."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def order_of(examples: Examples, kept: Numbers, training: Training) -> Numbers:
    """Return the completions of each step: the order of a training, a function of corpus, settings and seed."""
    owners = [examples.problem_of[place] for place in kept.tolist()]
    order = order_visits(owners, visits=training.visits, steps=training.steps, batch=training.batch, seed=training.seed)
    return kept[order]


def _passes(
    model: Any, examples: Examples, order: Numbers, training: Training, world: World
) -> tuple[Passes, tuple[str, ...]]:
    """Split the steps into passes; a model that cannot keep rows apart gets one row a pass."""
    if training.batch % world.size:
        raise UsageError(
            f"a batch of `{training.batch}` rows cannot be shared by {world.size} processes", "give a multiple of them"
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
    passes.passes = count_passes(passes, tokens=tokens, world=world.size)
    return passes, notes


def _trainer(lesson: Lesson, base: Base, passes: Passes, training: Training, work: Work, world: World) -> Any:
    """Return the trainer of one student, with its adapter on the base."""
    import torch

    from stepdown.training.trainer import StudentTrainer, Told

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
    return StudentTrainer(model, base.tokenizer, passes, training, work=work, told=told, world=world)


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


def _dev(lesson: Lesson, base: Base, training: Training) -> Dev | None:
    if not lesson.dev:
        return None
    asking = Asking(base.tokenizer, training)
    completions = lesson.examples.completions
    longest = max(completions.length(place) for place in range(len(completions)))
    return Dev(lesson.dev, tuple(asking.evaluated(problem) for problem in lesson.dev), longest)


def _tell(lesson: Lesson, training: Training, work: Work, row: Row) -> None:
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


def _card(lesson: Lesson, base: Base, training: Training, rows: Sequence[Row]) -> StudentCard:
    """Return the card of a student that has been trained, from its log."""
    done = [row for row in rows if "tokens" in row][-1]
    dev = tuple(
        StudentScore(dataset="dev", **{name: row[name] for name in ("step", "right", "graded", "total")})
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


def _write(out: Path, trainer: Any, base: Base, card: StudentCard, lesson: Lesson) -> None:
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
            force=lesson.force,
            met=lesson.met.keys,
        )
    trainer.work.end()
