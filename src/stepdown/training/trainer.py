"""TRL's trainer of a student: packed micro-batches, whole checkpoints, exact resumption after a kill."""

from collections.abc import Callable
from contextlib import nullcontext
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import torch
import transformers
import trl
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from stepdown.errors import UsageError
from stepdown.models.local import quiet
from stepdown.training.attention import ATTENTION, MASKED, use_block_diagonal_attention
from stepdown.training.checkpoints import Checkpoints, LogRow, best_step
from stepdown.training.memory import shortage
from stepdown.training.objectives import learning_rate
from stepdown.training.packing import PackedDataset
from stepdown.training.precision import computing, runs_in_bf16
from stepdown.training.settings import USUAL_TOKENS, Training, evenly_spread
from stepdown.training.sharding import OPTIMIZER, SCHEDULER, gathered, load_optimizer, load_weights, shard_on_cpu
from stepdown.training.world import ALONE, TIMEOUT, World


class TrainerCallbacks(msgspec.Struct, frozen=True):
    """What a trainer calls: `log` takes a row of the log, `score` gives the dev scores, None without a dev set.

    `say` takes what is to be said while it trains.
    """

    log: Callable[[LogRow], None]
    score: Callable[[], dict[str, Any]] | None = None
    say: Callable[[str], None] = lambda words: None


class StudentTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with the objective's loss: summed over a step's examples and divided by what they weigh."""

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        dataset: PackedDataset,
        training: Training,
        *,
        checkpoints: Checkpoints,
        calls: TrainerCallbacks,
        world: World = ALONE,
    ) -> None:
        self.checkpoints, self.training, self.calls, self.dataset = checkpoints, training, calls, dataset
        self.world, self.objective = world, dataset.examples.objective
        self.scored = frozenset(evenly_spread(training.evaluations if calls.score else 0, training.steps))
        self.saved = self.scored | {*evenly_spread(training.checkpoints, training.steps)}
        self.seen, self.spent, self.started = 0, 0.0, perf_counter()
        self.figures: dict[str, Any] = {}
        self.computed = 0
        self.parts, self.done = 1, 0
        if model.config._attn_implementation not in (ATTENTION, MASKED):
            use_block_diagonal_attention(model)
        with quiet():
            super().__init__(
                model=model,
                args=config_of(training, checkpoints, dataset, world),
                train_dataset=Dataset.from_dict({"place": range(len(dataset))}),
                data_collator=lambda items: dataset[items[0]["place"]],
                processing_class=tokenizer,
                callbacks=[_Steps(self)],
            )
        self.remove_callback(PrinterCallback)
        self._check_world()

    def _check_world(self) -> None:
        """Hold what the rows were shared by against what trains: a step that is counted otherwise learns wrongly."""
        share, left = divmod(self.dataset.micro_batches, self.world.size)
        counted = (self.args.world_size, self.accelerator.num_processes, self.args.gradient_accumulation_steps, left)
        assert counted == (self.world.size, self.world.size, share, 0), f"{counted} is not {self.world} with {share}"

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Return the loss of a micro-batch, its gradients added to those of its step.

        Where memory is short, the step's gradients are thrown away and computed anew in passes of half as many
        examples: the order of training and the loss do not depend on how a step is split.
        """
        if not self.done and self.objective.write is not None:
            self.objective.write(model, map(self.dataset.__getitem__, self._places(self.dataset.micro_batches)))
        self.done += 1
        short = False
        while True:
            try:
                if short:
                    self._compute_again(model)
                return self._in_parts(model, inputs, self.parts)
            except torch.OutOfMemoryError as error:
                self._split_further(inputs, error)
                short = True

    def _in_parts(self, model: Any, inputs: dict[str, Any], parts: int) -> Any:
        """Return the loss of a micro-batch, computed in some parts, with its figures."""
        figures, computed, total = dict(self.figures), self.computed, 0.0
        try:
            for part in self.dataset.parts_of(inputs, parts):
                total = total + super().training_step(model, part)
        except torch.OutOfMemoryError:
            self.figures, self.computed = figures, computed
            raise
        return total

    def _split_further(self, inputs: dict[str, Any], error: Exception) -> None:
        """Halve the passes from here on; raise `UsageError` where they hold one example, or other processes wait."""
        short = shortage(error)
        way = "" if self.training.checkpointing else "`--checkpointing`, "
        if self.parts >= self.dataset.examples_in(inputs):
            raise UsageError(
                f"{short} on `{self.dataset.longest_in(inputs):,}` tokens, the smallest pass there is",
                f"{way}a smaller `--max-length` or base; the same command goes on from the last checkpoint",
            ) from error
        if self.world.size > 1:
            fewer = inputs["input_ids"].shape[1] // 2
            # The usual number would stand for as many as fit.
            fewer -= fewer == USUAL_TOKENS
            raise UsageError(
                f"{short}, and the other processes have begun to add up gradients",
                f"repeat the command with `--tokens-per-pass {fewer}`: it goes on from the last checkpoint",
            ) from error
        self.parts *= 2
        self.calls.say(f"{short}: passes are split into {self.parts} from here on, which changes nothing else")

    def _compute_again(self, model: Any) -> None:
        """Compute the gradients of the step under way anew, up to the micro-batch that failed."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        model.zero_grad()
        figures, computed = dict(self.figures), self.computed
        for place in self._places(self.done - 1):
            self._in_parts(model, self.dataset[place], self.parts)
        self.figures, self.computed = figures, computed

    def _places(self, count: int) -> range:
        """Return where the first micro-batches of the step under way lie."""
        first: int = self.state.global_step * self.dataset.micro_batches
        return range(first, first + count)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of a micro-batch as its part of the step's mean."""
        # accelerate autocasts what it copies to processes, not what it splits.
        with computing(model, self.training) if self.world.sharded else nullcontext():
            loss = self.objective.loss(model, inputs)
        self.computed += loss.tokens
        for name, figure in loss.figures.items():
            self.figures[name] = self.figures.get(name, 0.0) + figure / inputs["step_weight"]
        # DDP means the gradients over its processes; the loss is a sum over them.
        return loss.value * self.accelerator.num_processes / inputs["step_weight"]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the row of a step; transformers' own history, which every checkpoint would repeat, is left empty."""
        if "loss" not in logs:
            return
        step, now = self.state.global_step, perf_counter()
        if not isfinite(logs["loss"]):
            # Adam's moments hold it from here on: no later step has a number again.
            raise UsageError(
                f"the loss is `{logs['loss']}` at step {step} of {self.training.steps}: the training ran away",
                "lower the learning rate, or `--precision fp32`; with `--force` it begins anew",
            )
        tokens = self.computed or self.dataset.step_tokens(step - 1)
        self.computed = 0
        seconds = now - self.started
        self.seen, self.spent = self.seen + tokens, self.spent + seconds
        row: LogRow = {"step": step, "loss": logs["loss"], "learning_rate": logs["learning_rate"]}
        row |= {name: round(self.world.total(figure), 6) for name, figure in self.figures.items()}
        self.figures = {}
        row |= {"tokens": self.seen, "seconds": round(self.spent, 3), "tokens_per_second": round(tokens / seconds, 1)}
        self._log(row)
        self.started = perf_counter()

    def create_accelerator_and_postprocess(self) -> None:
        """Make the accelerator, which shards on CPUs too where the launcher asks for it."""
        super().create_accelerator_and_postprocess()
        if self.world.sharded:
            shard_on_cpu(self)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        if step in self.scored and self.calls.score:
            score = self.calls.score()
            if self.world.is_first:
                self._log({"step": step, "dev": score["right"] / score["total"], **score})
        # What is split is gathered by all; the first process alone writes.
        weights = gathered(self.model.state_dict()) if self.world.sharded else None
        moments = gathered(self.optimizer.state_dict()) if self.world.sharded else None
        if self.world.is_first:
            partial = str(self.checkpoints.partial())
            self._save(partial, state_dict=weights)
            torch.save(moments or self.optimizer.state_dict(), f"{partial}/{OPTIMIZER}")
            torch.save(self.lr_scheduler.state_dict(), f"{partial}/{SCHEDULER}")
            self.state.save_to_json(f"{partial}/trainer_state.json")
            self.checkpoints.accept(step, best_step(self.checkpoints.rows()) or step)
        self.world.wait()
        self.started = perf_counter()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.world.sharded:
            # They were loaded before they were split.
            return
        super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not self.world.sharded:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        load_optimizer(self.optimizer, self.lr_scheduler, Path(checkpoint))

    def _log(self, row: LogRow) -> None:
        if self.world.is_first:
            self.calls.log(row)

    def resume(self) -> None:
        """Train from the last whole checkpoint, or from the start, to the last step."""
        steps = self.world.agree(self.checkpoints.steps())
        self.checkpoints.check_seen(steps, self.world)
        rows = self.checkpoints.rewind(steps[-1] if steps else 0) if self.world.is_first else self.checkpoints.rows()
        done = [row for row in rows if "tokens" in row]
        self.seen, self.spent = (done[-1]["tokens"], done[-1]["seconds"]) if done else (0, 0.0)
        self.started = perf_counter()
        if not steps or steps[-1] < self.training.steps:
            if steps and self.world.sharded:
                load_weights(self.model, self.checkpoints.checkpoint(steps[-1]))
            self.train(resume_from_checkpoint=str(self.checkpoints.checkpoint(steps[-1])) if steps else None)
        self.world.wait()

    def take(self, step: int) -> None:
        """Load the weights of a checkpoint."""
        self._load_from_checkpoint(str(self.checkpoints.checkpoint(step)))

    def _send_telemetry(self) -> None:
        return None


class _Steps(TrainerCallback):  # type: ignore[misc]
    """Seeds each step by itself, so that a resumed step draws what it drew before, and says when to save."""

    def __init__(self, trainer: StudentTrainer) -> None:
        self.trainer = trainer

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.done = 0
        torch.manual_seed((args.seed << 32) + (args.process_index << 24) + state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        control.should_save = state.global_step in self.trainer.saved
        return control


def check_scaling() -> None:
    """Raise `UsageError` for libraries that would divide the loss by the micro-batches of a step once more.

    Transformers before 5.19 do not know the attribute; TRL from 1.16 on says it to them in their own words.
    """
    if not hasattr(SFTTrainer, "loss_is_scaled_for_ga"):
        raise UsageError(
            f"transformers `{transformers.__version__}` with trl `{trl.__version__}` divides a mean loss once more",
            "`pip install 'trl>=1.16' 'transformers>=5.17'`",
        )


def config_of(training: Training, checkpoints: Checkpoints, dataset: PackedDataset, world: World) -> SFTConfig:
    """Return TRL's settings: ours, everything else off or as it is there."""
    config = SFTConfig(
        output_dir=str(checkpoints.folder),
        max_steps=training.steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=dataset.micro_batches // world.size,
        learning_rate=learning_rate(training),
        warmup_steps=training.warmup_steps,
        lr_scheduler_type="linear",
        max_grad_norm=training.clip,
        adam_epsilon=training.epsilon,
        weight_decay=0.0,
        bf16=runs_in_bf16(training.precision),
        use_cpu=world.cpu,
        ddp_timeout=int(TIMEOUT.total_seconds()),
        gradient_checkpointing=training.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=training.seed,
    )
    return on_one_device(config)


def on_one_device(config: SFTConfig) -> SFTConfig:
    """Have a process without a launcher train on one GPU, also where it sees several.

    Trainer would copy the model to each (`nn.DataParallel`) and hand each a part of a micro-batch, which has none.
    """
    config._n_gpu = min(config.n_gpu, 1)
    if config.device.type == "cpu":
        # One of several processes is on `cpu:0`, where transformers 5.17 cannot load an optimiser's state.
        config._setup_devices = torch.device("cpu")
    return config
