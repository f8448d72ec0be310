"""Training tokens per second, ours against TRL's SFTTrainer on the same rows, base and adapter, in turns in one run.

python benchmarks/training.py [--model smollm2-135m] [--pool FILE.jsonl.gz] [--cases lora,full,long]
                              [--sides ours,trl,...] [--batch 8] [--steps 2] [--rounds 1] [--threads N] [--json]
python benchmarks/training.py --estimate       launches, bytes and FLOPs of a pass, and what an H100 would take for it

Tokens are those of the rows, none of them padding. Seconds are of the training steps alone; `cpu` seconds are the
process's own, which a busy neighbour does not lengthen when `--threads 1`. Without a pool the rows are word sums
with their worked solutions. The cases: `lora`, `full` (all weights), `long` (LoRA on rows of some 1,024 tokens). The
sides: `ours`; `trl` (SFTTrainer with default padding, all defaults: gradient checkpointing, bf16); `trl-kept` (without
gradient checkpointing); `trl-fp32` (without it, in fp32: what a patient user finds to be fastest on a CPU);
`trl-packed` (`trl-kept`, packed, as it is fastest on a GPU). The bar: ours is 3.5 times the fastest of them.
"""

import argparse
import gzip
import json
import random
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import msgspec
from rows import print_row

from stepdown.models.local import find_base, load_base, load_transformers, quiet
from stepdown.problems import load_problems
from stepdown.training import Training
from stepdown.training.checkpoints import Checkpoints
from stepdown.training.examples import Examples
from stepdown.training.logits import use_head_losses
from stepdown.training.model_setup import adapted, add_adapter
from stepdown.training.objectives import learning_rate
from stepdown.training.packing import PackedDataset, count_micro_batches, shared_start
from stepdown.training.sampling_order import sampling_order
from stepdown.types import Chain, Grade, Problem

SIDES: dict[str, dict[str, Any]] = {
    "ours": {},
    "trl": {},
    "trl-kept": {"gradient_checkpointing": False},
    "trl-fp32": {"gradient_checkpointing": False, "bf16": False},
    "trl-packed": {"gradient_checkpointing": False, "packing": True, "max_length": 1024},
}
CASES: dict[str, dict[str, Any]] = {"lora": {}, "full": {"full": True}, "long": {}}
ROWS, LONG, BAR = 512, 1024, 3.5


def read_chains(pool: str) -> Iterator[Chain]:
    if not pool:
        for problem in load_problems("wordsums", split="train", limit=ROWS):
            yield Chain(problem, problem.solution, "gold", grade=Grade("right", problem.answer))
        return
    with gzip.open(pool, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in random.Random(0).sample(rows, min(ROWS, len(rows))):
        problem = Problem(str(row["id"]), row["question"], str(row["answer"]), kind="text")
        for sample, one in enumerate(row["chains"]):
            yield Chain(problem, one["text"], one["teacher"], sample, Grade("right", str(row["answer"])))


def lengthened(chains: Iterable[Chain], tokenizer: Any, count: int) -> Iterator[Chain]:
    """Stream `count` chains of some 1,024 tokens with their question, each made of several."""
    stream = iter(chains)
    for _ in range(count):
        first = next(stream)
        text = first.text
        while len(tokenizer(first.problem.question + text)["input_ids"]) < LONG - 190:
            text += "\n" + next(stream).text
        yield Chain(first.problem, text, first.teacher, first.sample, first.grade)


class Clock:
    """Wall and CPU seconds between the beginnings and ends of steps; TRL and ours are timed by the same callback."""

    def __init__(self) -> None:
        self.wall, self.cpu = 0.0, 0.0

    def callback(self) -> Any:
        from transformers import TrainerCallback

        clock = self

        class Timing(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                self.began = perf_counter(), process_time()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                clock.wall += perf_counter() - self.began[0]
                clock.cpu += process_time() - self.began[1]
                self.began = perf_counter(), process_time()

        return Timing()


class Side:
    """One side of the comparison: its own copy of the base, with the same adapter."""

    def __init__(self, name: str, options: argparse.Namespace, training: Training, examples: Examples, order: Any):
        self.name, self.options, self.examples, self.order = name, options, examples, order
        self.base = load_base(find_base(options.model))
        self.training = msgspec.structs.replace(training, steps=options.steps)
        if name == "ours":
            self.model = adapted(self.base.model, self.training)
            use_head_losses(self.model, pieces=False)
        else:
            self.model = self.base.model if training.full else add_adapter(self.base.model, training)
        self.clock, self.tokens = Clock(), 0

    def warm_up(self) -> None:
        """Train one row untimed: what is made at the first step is made."""
        self.run(self.order[:1, :1], Clock())

    def turn(self, number: int) -> None:
        order = self.order[number * self.options.steps : (number + 1) * self.options.steps]
        passes = self.run(order, self.clock)
        self.tokens += sum(passes.step_tokens(step) for step in range(len(order)))

    def run(self, order: Any, clock: Clock) -> PackedDataset:
        passes = PackedDataset(self.examples, order, 1)
        with tempfile.TemporaryDirectory() as folder:
            trainer = (self.ours if self.name == "ours" else self.trl)(passes, folder)
            trainer.add_callback(clock.callback())
            trainer.train()
        return passes

    def ours(self, passes: PackedDataset, folder: str) -> Any:
        from stepdown.training.trainer import StudentTrainer, TrainerCallbacks

        passes.shared = shared_start(self.examples)
        tokens = self.options.tokens_per_pass or self.training.tokens_per_pass
        passes.micro_batches = count_micro_batches(passes, tokens=tokens, world=1)
        work, calls = Checkpoints(Path(folder) / "x"), TrainerCallbacks(log=lambda row: None)
        training = msgspec.structs.replace(self.training, steps=len(passes.order))
        trainer = StudentTrainer(self.model, self.base.tokenizer, passes, training, checkpoints=work, calls=calls)
        trainer.saved = frozenset()
        return trainer

    def trl(self, passes: PackedDataset, folder: str) -> Any:
        import torch
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import SFTConfig, SFTTrainer

        config = SFTConfig(
            output_dir=folder,
            max_steps=len(passes.order),
            per_device_train_batch_size=min(8, self.training.batch),
            gradient_accumulation_steps=max(self.training.batch // 8, 1),
            train_sampling_strategy="sequential",
            learning_rate=learning_rate(self.training),
            save_strategy="no",
            report_to="none",
            use_cpu=not torch.cuda.is_available(),
            disable_tqdm=True,
            **SIDES[self.name],
        )
        rows = [self.row(place) for place in passes.order.ravel().tolist()]
        trainer = SFTTrainer(
            self.model, config, train_dataset=Dataset.from_list(rows), processing_class=self.tokenizer()
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def row(self, place: int) -> dict[str, list[int]]:
        prompt = list(self.examples.prompts[self.examples.problem_of[place]])
        completion = list(self.examples.completions[place])
        return {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}

    def tokenizer(self) -> Any:
        tokenizer = self.base.tokenizer
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        return tokenizer

    def found(self) -> dict[str, Any]:
        rate = self.tokens / self.clock.wall
        return {
            "side": self.name,
            "tokens": self.tokens,
            "seconds": round(self.clock.wall, 1),
            "tokens_per_second": round(rate, 1),
            "tokens_per_cpu_second": round(self.tokens / self.clock.cpu, 1),
        }


def case(name: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Stream a row for each side of a case, and whether the bar is met."""
    import torch

    long = name == "long"
    batch = max(options.batch // 4, 1) if long else options.batch
    steps = options.steps * options.rounds
    training = Training(
        steps=steps, batch=batch, compile=options.compile, warmup=0.0, max_length=2 * LONG, **CASES[name]
    )
    tokenizer, chains = load_base(find_base(options.model)).tokenizer, read_chains(options.pool)
    examples = Examples(tokenizer, training).read(lengthened(chains, tokenizer, 2 * batch) if long else chains)
    order = sampling_order(examples.problem_of, visits="balanced", steps=steps, batch=batch, seed=training.seed)
    sides = [Side(side, options, training, examples, order) for side in options.sides.split(",")]
    with quiet():
        for side in sides:
            side.warm_up()
        for number in range(options.rounds):
            for side in sides:
                side.turn(number)
    best = sides[0].found()
    for side in sides:
        row = {"benchmark": "training", "case": name, "model": options.model, "threads": torch.get_num_threads()}
        row |= {"data": Path(options.pool).name or "wordsums", "batch": batch, **side.found()}
        for unit in ("second", "cpu_second"):
            row[f"times_per_{unit}"] = round(best[f"tokens_per_{unit}"] / row[f"tokens_per_{unit}"], 2)
        yield row
    others = [side.found()["tokens_per_second"] for side in sides[1:]]
    if others:
        times = round(best["tokens_per_second"] / max(others), 2)
        yield {"benchmark": "training", "case": name, "times_the_fastest": times, "bar": BAR, "met": times >= BAR}


def rows_of(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    if options.estimate:
        import pass_costs

        yield from pass_costs.estimates()
        return
    if options.model == "tiny":
        from small_trainings import write_base

        options.model = str(write_base(folder, "tiny"))
    for name in options.cases.split(","):
        yield from case(name, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m", help="a base; `tiny`: two small layers of random weights")
    parser.add_argument("--pool", default="", help="a pool of chains (jsonl.gz) instead of word sums")
    parser.add_argument("--batch", type=int, default=8, help="rows of a step, a quarter of them where they are long")
    parser.add_argument("--steps", type=int, default=2, help="steps of one turn")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--sides", default="ours,trl-fp32", help=", ".join(SIDES))
    parser.add_argument("--tokens-per-pass", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--estimate", action="store_true", help="what a pass costs, and an H100's time for it")
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    load_transformers()
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        for row in rows_of(options, Path(folder)):
            print_row(row, as_json=options.json)


if __name__ == "__main__":
    main()
