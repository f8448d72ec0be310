"""From a corpus and a base to student folders: check, find the base, prepare the data, train each seed, write it."""

import gc
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from stepdown.corpus import Corpus
from stepdown.errors import UsageError
from stepdown.models.weights import StudentCard, StudentScore
from stepdown.training.attention import rows_are_independent, use_block_diagonal_attention
from stepdown.training.bases import Base, BaseLocation, check_libraries, find_base, load_base, quiet
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
from stepdown.training.evaluation import DevSet, score_dev
from stepdown.training.examples import Examples, dev_rank
from stepdown.training.jobs import Job, command_identity, is_same_student, is_there, report_there, student_folders
from stepdown.training.objectives import learning_rate, load_objective
from stepdown.training.packing import PackedDataset, count_micro_batches, shared_start
from stepdown.training.prompt_encoder import PromptEncoder
from stepdown.training.sampling_order import IntArray, sampling_order
from stepdown.training.settings import Training
from stepdown.training.students.folder import write_student
from stepdown.training.world import ALONE, World, check_launcher, device_of, join_world, launched
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
    student as one. Method: Li et al., ACL 2023, section 2; with the objective `dpo` Rafailov et al., NeurIPS 2023.
    Raises `UsageError` before the first step where corpus, base, settings, launcher and `out` do not fit,
    `MissingExtra`, `EndpointRefused`.
    """
    settings = training or Training()
    settings.check()
    report = progress or _ignore
    folders = student_folders(Path(out), settings, seeds)
    dev_problems = None if dev is None else tuple(sorted(dev, key=dev_rank)[: settings.dev])
    chains_hash = _check_corpus(corpus, settings, dev_problems, seeds)
    check_libraries()
    check_launcher()
    location = find_base(base, progress=lambda words, *_: report(TrainingProgress(seed=settings.seed, words=words)))
    jobs = [
        Job(one, folders[one.seed], command_identity(chains_hash, location, one, dev_problems), force, report)
        for one in (msgspec.structs.replace(settings, seed=seed) for seed in folders)
    ]
    # Alone nothing has to be agreed on, and what is there already takes no second of loading libraries.
    world = join_world(settings.precision) if launched() > 1 else ALONE
    if world.agree(not force and all(is_there(job) for job in jobs)):
        return [report_there(job) for job in jobs]
    _check_scaling()
    bases = _Bases(location)
    datasets = prepare_datasets(corpus, bases.without_model(), settings, dev_problems, report)
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


class _Bases:
    """Gives the base once for each student, whose training spends it; the first load serves the tokenizer too."""

    def __init__(self, location: BaseLocation) -> None:
        self._location, self._loaded = location, list[Base]()

    def without_model(self) -> Base:
        """Return the base with its tokenizer and notes alone."""
        self._loaded.append(load_base(self._location))
        return msgspec.structs.replace(self._loaded[0], model=None)

    def take(self) -> Base:
        """Return a base that nothing else holds."""
        return self._loaded.pop() if self._loaded else load_base(self._location)


def _ignore(progress: TrainingProgress) -> None:
    return None


def _train_one(job: Job, dataset: PreparedDataset, bases: _Bases) -> Path:
    """Train and write the student of one seed, or resume its training."""
    world, checkpoints = join_world(job.training.precision), Checkpoints(job.out)
    if world.agree(is_same_student(job, dataset)):
        return report_there(job)
    if world.is_first:
        checkpoints.begin(dataset.identity, force=job.force)
        for words in _device_notes(world):
            job.report(TrainingProgress(seed=job.training.seed, words=words))
    base = bases.take()
    packed, notes = _pack(base.model, dataset, job.training, world)
    _begin(base.model, packed, dataset, job.training, world)
    world.wait()
    trainer = _trainer(job, dataset, base, packed, checkpoints, world)
    trainer.resume()
    if world.is_first:
        card = _card(dataset, base, job.training, checkpoints.rows())
        known = {**card.training, "identity": dataset.identity, "command": job.command}
        _write(job, trainer, base, msgspec.structs.replace(card, notes=card.notes + notes, training=known), dataset)
    world.wait()
    del trainer, base, packed
    _free()
    return job.out


def _check_scaling() -> None:
    from stepdown.training.trainer import check_scaling

    check_scaling()


def _device_notes(world: World) -> list[str]:
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


def order_of(examples: Examples, trained: IntArray, training: Training) -> IntArray:
    """Return the examples of each step: the order of a training, a function of corpus, settings and seed."""
    owners = examples.owners[trained].tolist()
    order = sampling_order(
        owners, visits=training.visits, steps=training.steps, batch=training.batch, seed=training.seed
    )
    return trained[order]


def _pack(
    model: Any, dataset: PreparedDataset, training: Training, world: World
) -> tuple[PackedDataset, tuple[str, ...]]:
    """Split the steps into micro-batches; a model that cannot keep rows apart gets one row in each."""
    if training.batch % world.size:
        raise UsageError(
            f"a batch of `{training.batch}` rows cannot be shared by {world.size} processes", "give a multiple of them"
        )
    examples, order = dataset.examples, order_of(dataset.examples, dataset.trained, training)
    tokens, notes = training.tokens_per_pass, tuple[str, ...]()
    use_block_diagonal_attention(model)
    # A window is counted from each token: what stands before all rows could lie outside of it.
    windowed = getattr(model.config.get_text_config(), "sliding_window", None)
    packed = PackedDataset(examples, order, 1, shared=0 if windowed else shared_start(examples))
    if not rows_are_independent(model, packed):
        packed = PackedDataset(examples, order, 1)
        if not rows_are_independent(model, packed):
            if examples.objective.width > 1:
                raise UsageError(
                    f"`{dataset.base.name}` does not keep packed rows apart, as `{training.objective}` needs it to",
                    "use another base",
                )
            tokens, notes = 0, ("this architecture does not keep packed rows apart: each row was a pass of its own",)
    packed.micro_batches = count_micro_batches(packed, tokens=tokens, world=world.size)
    return packed, notes


def _begin(model: Any, packed: PackedDataset, dataset: PreparedDataset, training: Training, world: World) -> None:
    """Let the objective see the untrained base, computed as in the training to come."""
    import torch

    from stepdown.training.trainer import runs_in_bf16

    device = device_of(world)
    chosen = sorted({*packed.order.ravel().tolist(), *dataset.held_out.tolist()})
    with torch.autocast(device.type, torch.bfloat16, enabled=runs_in_bf16(training.precision)):
        batches = packed.batches(chosen, tokens=training.tokens_per_pass)
        dataset.examples.objective.begin(model.to(device), batches)


def _trainer(
    job: Job, dataset: PreparedDataset, base: Base, packed: PackedDataset, checkpoints: Checkpoints, world: World
) -> Any:
    """Return the trainer of one student, with its adapter on the base."""
    import torch

    from stepdown.training.trainer import StudentTrainer, TrainerCallbacks

    training = job.training
    torch.manual_seed(training.seed)
    model = base.model if training.full else add_adapter(base.model, training)
    if training.compile:
        for name, module in model.named_modules():
            if name.endswith(".mlp"):
                module.compile(dynamic=True)
    calls = TrainerCallbacks(
        log=lambda row: _log(job, checkpoints, row),
        score=_scorer(dataset, model, base.tokenizer, packed, training),
    )
    return StudentTrainer(model, base.tokenizer, packed, training, checkpoints=checkpoints, calls=calls, world=world)


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


def _scorer(dataset: PreparedDataset, model: Any, tokenizer: Any, packed: PackedDataset, training: Training) -> Any:
    """Return what gives the dev scores of a model under training; None without dev problems."""
    if not dataset.dev:
        return None
    objective = dataset.examples.objective
    if dataset.compares_dev and (evaluate := objective.evaluate):
        held_out = dataset.held_out.tolist()

        def compare() -> dict[str, Any]:
            batches = packed.batches(held_out, tokens=training.tokens_per_pass)
            return evaluate(model, map(objective.collate, batches))

        return compare
    encoder = PromptEncoder(tokenizer, training)
    completions = dataset.examples.completions
    longest = max(completions.length(index) for index in range(len(completions)))
    dev = DevSet(dataset.dev, tuple(encoder.evaluated(problem) for problem in dataset.dev), longest)
    return partial(score_dev, dev, model, tokenizer)


def _log(job: Job, checkpoints: Checkpoints, row: LogRow) -> None:
    checkpoints.append(row)
    job.report(
        TrainingProgress(
            seed=job.training.seed,
            step=row["step"],
            steps=job.training.steps,
            loss=row.get("loss"),
            margin=row.get("margin", row.get("dev_margin")),
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
    )


def _write(job: Job, trainer: Any, base: Base, card: StudentCard, dataset: PreparedDataset) -> None:
    """Write the student with the weights of the chosen step; what was kept to resume from is no longer needed."""
    trainer.take(card.step)
    base.model.set_attn_implementation("sdpa")
    with quiet():
        write_student(
            job.out,
            trainer.model,
            tokenizer=base.tokenizer,
            card=card,
            base=base.location.gguf,
            log=trainer.checkpoints.log,
            force=job.force,
            met=dataset.met.keys,
        )
    trainer.checkpoints.end()
