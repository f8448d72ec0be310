"""TRL's trainer of a student: passes without padding, checkpoints that are whole, an exact way on after a kill."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import msgspec
import torch
import transformers
from datasets import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from stepdown.errors import UsageError
from stepdown.training.bases import quiet
from stepdown.training.checkpoints import Row, Work, best_step
from stepdown.training.packing import Passes, keep_rows_apart
from stepdown.training.settings import Training, marks
from stepdown.training.world import TIMEOUT, World


class Told(msgspec.Struct, frozen=True):
    """What a trainer calls: `row` takes a row of the log, `score` gives the dev scores, None without dev problems."""

    row: Callable[[Row], None]
    score: Callable[[], dict[str, int]] | None = None


class StudentTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with the loss at the completions alone, summed over a step's rows and divided by their tokens."""

    loss_is_scaled_for_ga = True

    def __init__(
        self, model: Any, tokenizer: Any, passes: Passes, training: Training, *, work: Work, told: Told, world: World
    ) -> None:
        self.work, self.training, self.told, self.passes, self.world = work, training, told, passes, world
        self.scored = frozenset(marks(training.evaluations if told.score else 0, training.steps))
        self.saved = self.scored | {*marks(training.checkpoints, training.steps)}
        self.seen, self.spent, self.started = 0, 0.0, perf_counter()
        keep_rows_apart(model)
        with quiet():
            super().__init__(
                model=model,
                args=config_of(training, work, passes, world),
                train_dataset=Dataset.from_dict({"place": range(len(passes))}),
                data_collator=lambda items: passes[items[0]["place"]],
                processing_class=tokenizer,
                callbacks=[_Steps(self)],
            )
        self.remove_callback(PrinterCallback)
        self._check_world()
        self.remembers_logits = "logits_to_keep" in _forward_names(self.model)

    def _check_world(self) -> None:
        """Hold what the rows were shared by against what trains: a step that is counted otherwise learns wrongly."""
        share, left = divmod(self.passes.passes, self.world.size)
        counted = (self.args.world_size, self.accelerator.num_processes, self.args.gradient_accumulation_steps, left)
        assert counted == (self.world.size, self.world.size, share, 0), f"{counted} is not {self.world} with {share}"

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the cross-entropy of a pass's targets, as its part of the step's mean (nats per token)."""
        kept, targets = inputs["kept"], inputs["targets"]
        options = {"logits_to_keep": kept} if self.remembers_logits else {}
        logits = model(
            input_ids=inputs["input_ids"],
            position_ids=inputs["position_ids"],
            row_lengths=inputs["row_lengths"],
            use_cache=False,
            **options,
        ).logits[0]
        logits = logits if self.remembers_logits else logits[kept]
        loss = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        # DDP means the gradients over its processes; the loss is a sum over them.
        return loss * self.accelerator.num_processes / inputs["trained"]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Tell the row of a step; transformers' own history, which every checkpoint would repeat, is left empty."""
        if "loss" not in logs:
            return
        step, now = self.state.global_step, perf_counter()
        tokens = self.passes.step_tokens(step - 1)
        seconds = now - self.started
        self.seen, self.spent = self.seen + tokens, self.spent + seconds
        row: Row = {"step": step, "loss": logs["loss"], "learning_rate": logs["learning_rate"]}
        row |= {"tokens": self.seen, "seconds": round(self.spent, 3), "tokens_per_second": round(tokens / seconds, 1)}
        self._tell(row)
        self.started = perf_counter()

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        if step in self.scored and self.told.score and self.world.is_first:
            found = self.told.score()
            self._tell({"step": step, "dev": found["right"] / found["total"], **found})
        if self.world.is_first:
            partial = str(self.work.partial())
            self.save_model(partial, _internal_call=True)
            self._save_optimizer_and_scheduler(partial)
            self.state.save_to_json(f"{partial}/trainer_state.json")
            self.work.accept(step, best_step(self.work.rows()) or step)
        self.world.wait()
        self.started = perf_counter()

    def _tell(self, row: Row) -> None:
        if self.world.is_first:
            self.told.row(row)

    def go_on(self) -> None:
        """Train from the last whole checkpoint, or from the start, to the last step."""
        steps = self.world.agree(self.work.steps())
        rows = self.work.rewind(steps[-1] if steps else 0) if self.world.is_first else self.work.rows()
        done = [row for row in rows if "tokens" in row]
        self.seen, self.spent = (done[-1]["tokens"], done[-1]["seconds"]) if done else (0, 0.0)
        self.started = perf_counter()
        if not steps or steps[-1] < self.training.steps:
            self.train(resume_from_checkpoint=str(self.work.checkpoint(steps[-1])) if steps else None)
        self.world.wait()

    def take(self, step: int) -> None:
        """Load the weights of a checkpoint."""
        self._load_from_checkpoint(str(self.work.checkpoint(step)))

    def _send_telemetry(self) -> None:
        return None


class _Steps(TrainerCallback):  # type: ignore[misc]
    """Seeds each step by itself, so that a resumed step draws what it drew before, and says when to save."""

    def __init__(self, trainer: StudentTrainer) -> None:
        self.trainer = trainer

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        torch.manual_seed((args.seed << 32) + (args.process_index << 24) + state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        control.should_save = state.global_step in self.trainer.saved
        return control


def _forward_names(model: Any) -> set[str]:
    from inspect import signature

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(signature(type(inner).forward).parameters)


def check_scaling() -> None:
    """Raise `UsageError` for a transformers that would divide the loss by the passes of a step once more."""
    if not hasattr(Trainer, "loss_is_scaled_for_ga"):
        raise UsageError(
            f"transformers `{transformers.__version__}` divides a loss that is a mean already",
            "`pip install 'transformers>=5.19'`",
        )


def config_of(training: Training, work: Work, passes: Passes, world: World) -> SFTConfig:
    """Return TRL's settings: ours, everything else off or as it is there."""
    config = SFTConfig(
        output_dir=str(work.folder),
        max_steps=training.steps,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=passes.passes // world.size,
        learning_rate=training.rate,
        warmup_steps=training.warmup_steps,
        lr_scheduler_type="linear",
        max_grad_norm=training.clip,
        adam_epsilon=training.epsilon,
        weight_decay=0.0,
        bf16=runs_in_bf16(training.precision),
        use_cpu=world.cpu,
        ddp_timeout=int(TIMEOUT.total_seconds()),
        gradient_checkpointing=False,
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

    Trainer would copy the model to each (`nn.DataParallel`) and hand each a part of a pass, which cannot be parted.
    """
    config._n_gpu = min(config.n_gpu, 1)
    return config


def runs_in_bf16(precision: str) -> bool:
    """Tell whether to compute in bf16: as asked, or for `auto` where the device has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without them a CPU converts at every product: measured 3.5 times slower than fp32 (AVX-512 without AMX).
    return bool(torch.cpu._is_amx_tile_supported())
