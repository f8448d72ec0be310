"""From a corpus and a base to student folders: check, find the base, prepare the data, train each seed, write it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from stepdown.cells import CellLine, in_notebook
from stepdown.corpus import Corpus
from stepdown.errors import UsageError
from stepdown.full_disks import explained_full_disk
from stepdown.models.local import (
    Base,
    BaseLocation,
    check_libraries,
    find_base,
    give_memory_back,
    load_base,
    quiet,
)
from stepdown.models.weights import StudentCard, StudentScore
from stepdown.training.checkpoints import Checkpoints, LogRow, best_step
from stepdown.training.checks import check_chains, check_content
from stepdown.training.contamination import refuse_tests
from stepdown.training.datasets import (
    OnProgress,
    PreparedDataset,
    TrainingProgress,
    dataset_of,
    prepare_datasets,
    problems_of,
)
from stepdown.training.evaluation import DevSet, grade_dev, score_dev
from stepdown.training.examples import dev_rank
from stepdown.training.jobs import Job, command_identity, is_same_student, is_there, report_there, student_folders
from stepdown.training.memory import explained_shortage
from stepdown.training.model_setup import (
    ReadyModel,
    add_adapter,
    begin_objective,
    make_ready,
)
from stepdown.training.objectives import learning_rate, load_objective
from stepdown.training.precision import computing, freezes_in_bf16, runs_in_bf16
from stepdown.training.prompt_encoder import PromptEncoder
from stepdown.training.scoring_teachers import USUAL_ANSWER
from stepdown.training.settings import Training
from stepdown.training.sharding import load_weights
from stepdown.training.students.folder import write_student
from stepdown.training.teacher_checks import ON_POLICY, no_dev, with_teacher
from stepdown.training.world import ALONE, World, check_launcher, join_world, launched
from stepdown.types import Chain, Problem


def train(
    corpus: Corpus | Iterable[Chain],
    *,
    base: str | Path,
    out: str | Path,
    training: Training | None = None,
    dev: Iterable[Problem] | None = None,
    seeds: int = 1,
    progress: OnProgress | None = None,
    force: bool = False,
) -> list[Path]:
    """Train students on a corpus and return their folders: `out`, or `out/seed-0`, `out/seed-1`... for several seeds.

    `base` is a hub name, a model folder, a GGUF file or an embedded name; seeds count from `training.seed`. Dev
    problems choose the checkpoint (most right, the earlier of equals): `dev`, which are solved, or a share of the
    corpus's, which is then never trained on. The same command resumes after a kill, and a student that is there from
    the same command is left as it is. Several processes (`torchrun`) share the rows of each step and train the same
    student as one. Method: Li et al., ACL 2023, section 2; with the objective `dpo` Rafailov et al., NeurIPS 2023, with
    `on-policy` Agarwal et al., ICLR 2024, of a teacher that reads the same tokens, in one process.
    Raises `UsageError` before the first step where corpus, base, settings, launcher and `out` do not fit,
    `MissingExtra`, `EndpointRefused`.
    """
    settings = training or Training()
    settings.check()
    report = progress or _reporter()
    folders = student_folders(Path(out), settings, seeds)
    dev_problems = None if dev is None else tuple(sorted(dev, key=dev_rank)[: settings.dev])
    chains_hash = _check_corpus(corpus, settings, dev_problems, seeds)
    check_libraries()
    check_launcher()
    location = find_base(base, progress=lambda words, *_: report(TrainingProgress(seed=settings.seed, words=words)))
    if settings.objective == ON_POLICY:
        settings = with_teacher(settings, location, corpus)
    jobs = [
        Job(one, folders[one.seed], command_identity(chains_hash, location, one, dev_problems), force, report)
        for one in (msgspec.structs.replace(settings, seed=seed) for seed in folders)
    ]
    # Alone nothing has to be agreed on, and what is there already takes no second of loading libraries.
    world = join_world(settings.precision) if launched() > 1 else ALONE
    if world.agree(not force and all(is_there(job) for job in jobs)):
        return [report_there(job) for job in jobs]
    _check_scaling()
    bases = _Bases(location, bf16=freezes_in_bf16(settings))
    datasets = prepare_datasets(corpus, bases.without_model(), settings, dev_problems, report)
    if any(job.out.exists() and not is_there(job) for job in jobs[1:]):
        datasets = _checked(jobs, datasets)
    with explained_full_disk(out):
        return [_train_one(job, dataset, bases) for job, dataset in zip(jobs, datasets, strict=False)]


def _check_corpus(corpus: Iterable[Chain], training: Training, dev: Sequence[Problem] | None, seeds: int) -> str:
    """Check what needs no base, and return the hash of the chains; '' of a stream, which can be read only once."""
    load_objective(training)
    if isinstance(corpus, Iterator) and seeds > 1 and training.target == "shuffled":
        raise UsageError("each seed shuffles the chains anew, and a stream can be read only once", "give a list")
    if isinstance(corpus, Corpus):
        check_content(corpus, training)
    digest = "" if isinstance(corpus, Iterator) else check_chains(corpus, training)
    if not isinstance(corpus, Iterator):
        refuse_tests(dataset_of(corpus), problems_of(corpus), allow=training.allow)
    if dev:
        refuse_tests(dev[0].id.rpartition("/")[0], dev, allow=training.allow)
    return digest


def _checked(jobs: Sequence[Job], datasets: Iterator[PreparedDataset]) -> Iterator[PreparedDataset]:
    """Prepare all seeds at once, and refuse another student in a later one's place before the first is trained."""
    prepared = [one for _, one in zip(jobs, datasets, strict=False)]
    for job, dataset in zip(jobs, prepared, strict=True):
        is_same_student(job, dataset)
    return iter(prepared)


class _Bases:
    """Gives the base once for each student, whose training spends it; the first load serves the tokenizer too."""

    def __init__(self, location: BaseLocation, *, bf16: bool) -> None:
        self._location, self._bf16, self._loaded = location, bf16, list[Base]()

    def without_model(self) -> Base:
        """Return the base with its tokenizer and notes alone."""
        self._loaded.append(self.take())
        return msgspec.structs.replace(self._loaded[0], model=None)

    def take(self) -> Base:
        """Return a base that nothing else holds."""
        return self._loaded.pop() if self._loaded else load_base(self._location, bf16=self._bf16)


def _reporter() -> OnProgress:
    """Return what says how far a training is where nobody asked: a line under a notebook's cell, else nothing."""
    if not in_notebook():
        return lambda progress: None
    line = CellLine()
    return lambda progress: line.say(str(progress), last=progress.step == progress.steps)


def _train_one(job: Job, dataset: PreparedDataset, bases: _Bases) -> Path:
    """Train and write the student of one seed, or resume its training."""
    world, checkpoints = join_world(job.training.precision), Checkpoints(job.out)
    if world.agree(is_same_student(job, dataset)):
        return report_there(job)
    with checkpoints.held() if world.is_first else nullcontext():
        _train_held(job, dataset, bases, checkpoints, world)
    give_memory_back()  # a next student needs it, or the engine that tests this one
    return job.out


def _train_held(job: Job, dataset: PreparedDataset, bases: _Bases, checkpoints: Checkpoints, world: World) -> None:
    """Train and write a student in a folder that no other process trains in."""

    def tell(words: str) -> None:
        if world.is_first:
            job.report(TrainingProgress(seed=job.training.seed, words=words))

    if world.is_first:
        checkpoints.begin(dataset.identity, also=dataset.identities, force=job.force)
    for words in _device_notes(world, job.training):
        tell(words)
    base = bases.take()
    with explained_shortage():
        ready = make_ready(base, dataset, job.training, world)
        tell(ready.words)
        begin_objective(ready, dataset, tell)
        world.wait()
        trainer = _trainer(job, dataset, base, ready, checkpoints, world)
        if job.training.objective == ON_POLICY and not checkpoints.steps():
            _compare_with_teacher(job, dataset, base.tokenizer, trainer)
        trainer.resume()
    dataset.examples.objective.end()
    if world.is_first:
        card = _card(dataset, base, ready.training, checkpoints.rows())
        known = {**card.training, "identity": dataset.identity, "command": job.command}
        card = msgspec.structs.replace(card, notes=card.notes + ready.notes, training=known)
        _write(job, trainer, base, card, dataset)
    world.wait()


def _check_scaling() -> None:
    from stepdown.training.trainer import check_scaling

    check_scaling()


def _device_notes(world: World, training: Training) -> list[str]:
    """Return what is to be said of the processes and devices of a training, nothing where there is nothing odd."""
    import torch

    visible, notes = 0 if world.cpu else torch.cuda.device_count(), list[str]()
    if visible and training.precision == "auto" and not runs_in_bf16("auto"):
        notes.append("this GPU has no instructions for bf16: fp32 is computed in")
    if world.size > 1:
        notes.append(f"{world.size} processes share the rows of each step")
    elif visible > 1:
        way = f"`torchrun --nproc_per_node {visible} -m stepdown train ...`"
        notes.append(f"one of {visible} GPUs trains; {way} uses all")
    return notes


def _trainer(
    job: Job, dataset: PreparedDataset, base: Base, ready: ReadyModel, checkpoints: Checkpoints, world: World
) -> Any:
    """Return the trainer of one student."""
    from stepdown.training.trainer import StudentTrainer, TrainerCallbacks

    if ready.training.compile:
        for name, module in ready.model.named_modules():
            if name.endswith(".mlp"):
                module.compile(dynamic=True)
    calls = TrainerCallbacks(
        log=lambda row: _log(job, checkpoints, row),
        score=_scorer(dataset, base.tokenizer, ready, world),
        say=lambda words: job.report(TrainingProgress(seed=job.training.seed, words=words)),
    )
    return StudentTrainer(
        ready.model, base.tokenizer, ready.packed, ready.training, checkpoints=checkpoints, calls=calls, world=world
    )


def _scorer(dataset: PreparedDataset, tokenizer: Any, ready: ReadyModel, world: World) -> Any:
    """Return what gives this process's part of the dev scores of a model under training; None without dev problems."""
    if not dataset.dev:
        return None
    objective, training = dataset.examples.objective, ready.training
    if dataset.compares_dev and (evaluate := objective.evaluate):
        held_out = dataset.held_out.tolist()

        def compare() -> dict[str, Any]:
            batches = ready.packed.batches(held_out, tokens=training.tokens_per_pass)
            with computing(ready.model, training):
                alone = world.is_first or world.sharded
                return evaluate(ready.model, map(objective.collate, batches)) if alone else {}

        return compare
    dev = _dev_set(dataset, tokenizer)

    def solve() -> dict[str, Any]:
        own = dev if world.sharded else dev.share(world.rank, world.size)
        with computing(ready.model, training):
            found = score_dev(own, ready.model, tokenizer, fit=world.least if world.sharded else None)
        return found if world.sharded else {name: int(world.total(count)) for name, count in found.items()}

    return solve


def _dev_set(dataset: PreparedDataset, tokenizer: Any) -> DevSet:
    """Return the dev problems as they are asked; answers may be as long as the longest chain."""
    encoder = PromptEncoder(tokenizer, dataset.training)
    completions = dataset.examples.completions
    longest = max(completions.length(index) for index in range(len(completions)))
    return DevSet(dataset.dev, tuple(encoder.evaluated(problem) for problem in dataset.dev), longest)


def _compare_with_teacher(job: Job, dataset: PreparedDataset, tokenizer: Any, trainer: Any) -> None:
    """Raise `UsageError` where the teacher solves no more dev problems than the student, which it cannot help then."""
    if "weak-teacher" in job.training.allow:
        return
    if not dataset.dev:
        raise no_dev(job.training.teacher, "give some (`--dev FILE`) or more chains, or ")
    dev = _dev_set(dataset, tokenizer)
    # A model that is not trained on the chains writes more than they do, and would be cut before its answer.
    dev = msgspec.structs.replace(dev, longest=max(dev.longest, USUAL_ANSWER))
    written = trainer.objective.teacher.write(dev.prompts, longest=dev.longest, end=tokenizer.eos_token_id)
    with computing(trainer.model, job.training):
        teacher, student = grade_dev(dev, written, tokenizer), score_dev(dev, trainer.model, tokenizer)
    words = f"dev before: the student {student['right']}, its teacher {teacher['right']} of {teacher['total']}"
    job.report(TrainingProgress(seed=job.training.seed, words=words))
    if teacher["right"] <= student["right"]:
        raise UsageError(
            f"`{job.training.teacher}` solves {teacher['right']} of {teacher['total']} dev problems, and the student "
            f"{student['right']} before it is trained",
            "take a stronger teacher or more dev problems (`--dev-count`), or train although: `--allow weak-teacher`",
        )


def _log(job: Job, checkpoints: Checkpoints, row: LogRow) -> None:
    checkpoints.append(row)
    job.report(
        TrainingProgress(
            seed=job.training.seed,
            step=row["step"],
            steps=job.training.steps,
            loss=row.get("loss"),
            margin=row.get("margin", row.get("dev_margin")),
            divergence=row.get("reverse_kl"),
            tokens_per_second=row.get("tokens_per_second"),
            dev=row.get("dev"),
        )
    )


def _card(dataset: PreparedDataset, base: Base, training: Training, rows: Sequence[LogRow]) -> StudentCard:
    """Return the card of a student that has been trained, from its log."""
    done = [row for row in rows if "tokens" in row][-1]
    dev = tuple(
        StudentScore(dataset="dev", **{name: row[name] for name in ("step", "right", "graded", "total")})
        for row in rows
        if "dev" in row
    )
    return StudentCard(
        base=dataset.base.name,
        base_source=base.source,
        lessons=dataset.lessons,
        training={**msgspec.to_builtins(training), "learning_rate": learning_rate(training)},
        prompts=training.prompts,
        method=training.method,
        seed=training.seed,
        steps=training.steps,
        step=best_step(list(rows)) or training.steps,
        dev=dev,
        tokens=done["tokens"],
        seconds=done["seconds"],
        licence=dataset.base.licence,
        notes=dataset.notes,
        dtype=base.dtype if base.dtype != "float16" else "",
    )


def _write(job: Job, trainer: Any, base: Base, card: StudentCard, dataset: PreparedDataset) -> None:
    """Write the student with the weights of the chosen step; what was kept to resume from is no longer needed."""
    model = _whole(trainer, card.step, base.location, job.training)
    model.set_attn_implementation("sdpa")
    with quiet():
        write_student(
            job.out,
            model,
            tokenizer=base.tokenizer,
            card=card,
            base=base.location.gguf,
            log=trainer.checkpoints.log,
            force=job.force,
            met=dataset.met.keys,
        )
    trainer.checkpoints.end()


def _whole(trainer: Any, step: int, location: BaseLocation, training: Training) -> Any:
    """Return the student of a step as it is written.

    It is put on a fresh base in fp32 where the trained one was in bf16, for the adapter to be merged in fp32, and where
    its weights were split.
    """
    if not trainer.world.sharded and (training.full or not runs_in_bf16(training.precision)):
        trainer.take(step)
        return trainer.model
    if not trainer.world.sharded:
        trainer.model.to("meta")  # frees its weights: the checkpoints have what was learned
    fresh = load_base(location).model
    model = fresh if training.full else add_adapter(fresh, training)
    load_weights(model, trainer.checkpoints.checkpoint(step))
    return model
