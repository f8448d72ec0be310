"""A base made ready to be trained: its dtype, adapter and device, its rows packed, and what fits its memory."""

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

import msgspec

from stepdown.errors import UsageError
from stepdown.models.local import Base, quiet, to_bf16
from stepdown.training.attention import LONG, use_block_diagonal_attention, window_of
from stepdown.training.datasets import PreparedDataset
from stepdown.training.examples import Examples
from stepdown.training.independence import rows_are_independent
from stepdown.training.logits import in_pieces, on_device, use_head_losses
from stepdown.training.lora_products import use_lora_products
from stepdown.training.memory import (
    MemoryNeeds,
    check_longest,
    check_state,
    free_memory,
    in_gigabytes,
    measure_needs,
)
from stepdown.training.objectives import Batch
from stepdown.training.packing import PackedDataset, count_micro_batches, shared_start
from stepdown.training.precision import computing, freezes_in_bf16, runs_in_bf16
from stepdown.training.sampling_order import IntArray, sampling_order
from stepdown.training.settings import USUAL_TOKENS, Training
from stepdown.training.world import World, device_of

# How often it is said how far the base has read.
SECONDS = 10.0


class ReadyModel(msgspec.Struct, frozen=True):
    """A model on its device with its rows packed; `training` has the tokens of a pass that were chosen.

    `words` say how it is trained, `notes` what is to be kept on the card.
    """

    model: Any
    packed: PackedDataset
    training: Training
    words: str
    notes: tuple[str, ...] = ()


def make_ready(base: Base, dataset: PreparedDataset, training: Training, world: World) -> ReadyModel:
    """Return a base ready to be trained. Raises `UsageError` where it does not fit the memory that is free."""
    import torch

    if training.batch % world.size:
        raise UsageError(
            f"a batch of `{training.batch}` rows cannot be shared by {world.size} processes", "give a multiple of them"
        )
    torch.manual_seed(training.seed)
    model = adapted(base.model, training)
    device = device_of(world)
    state = check_state(
        model, free_memory(device), bf16=runs_in_bf16(training.precision), moved=device.type != "cpu",
        parts=world.size if world.sharded else 1,
    )  # fmt: skip
    model.to(device)
    with computing(model, training):
        packed, notes = _pack(model, dataset, training)
        use_head_losses(model)
        needs = _needs(model, packed, training, state)
    free = free_memory(device)
    check_longest(needs, free, checkpointing=training.checkpointing)
    tokens = training.tokens_per_pass
    if notes:
        tokens = 0
    elif tokens == USUAL_TOKENS:
        tokens = world.least(needs.tokens(free, device=device.type))
    if in_pieces(model) and needs.whole_fits(_largest(needs, tokens, training), free):
        use_head_losses(model, pieces=False)
        needs = needs.whole()
    packed.micro_batches = count_micro_batches(packed, tokens=tokens, world=world.size)
    chosen = msgspec.structs.replace(training, tokens_per_pass=tokens)
    return ReadyModel(model, packed, chosen, _words(model, packed, needs, free, chosen), notes)


def adapted(model: Any, training: Training) -> Any:
    """Return a base as it is trained: whole in fp32, or frozen, in bf16 where that is computed in, with an adapter."""
    if training.full:
        return model
    in_bf16 = freezes_in_bf16(training)
    if in_bf16:
        to_bf16(model)
    model = add_adapter(model, training)
    use_lora_products(model)
    for module in model.modules() if in_bf16 else ():
        if hasattr(module, "lora_A"):
            # Autocast casts the adapter's weights; peft would first cast every input to fp32.
            module.cast_input_dtype_enabled = False
    return model


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


def begin_objective(ready: ReadyModel, dataset: PreparedDataset, say: Callable[[str], None]) -> None:
    """Let the objective see the untrained base, computed as in the training to come: a fresh adapter adds nothing.

    DPO reads all its texts with it, which takes minutes; `say` is told how far it has come.
    """
    chosen = sorted({*ready.packed.order.ravel().tolist(), *dataset.held_out.tolist()})
    was_training = ready.model.training
    ready.model.eval()
    with computing(ready.model, ready.training):
        batches = ready.packed.batches(chosen, tokens=ready.training.tokens_per_pass)
        dataset.examples.objective.begin(ready.model, _reporting(batches, ready.packed, len(chosen), say))
    ready.model.train(was_training)


def _reporting(
    batches: Iterable[Batch], packed: PackedDataset, count: int, say: Callable[[str], None]
) -> Iterator[Batch]:
    """Stream batches of so many examples, and say now and then how many of them are done with."""
    done, reported = 0, monotonic()
    for batch in batches:
        yield batch
        done += packed.examples_in(batch)
        if monotonic() - reported > SECONDS and done < count:
            reported = monotonic()
            say(f"before the first step: the base has read {done:,} of {count:,} examples")


def order_of(examples: Examples, trained: IntArray, training: Training) -> IntArray:
    """Return the examples of each step: the order of a training, a function of corpus, settings and seed."""
    owners = examples.owners[trained].tolist()
    order = sampling_order(
        owners, visits=training.visits, steps=training.steps, batch=training.batch, seed=training.seed
    )
    return trained[order]


def _pack(model: Any, dataset: PreparedDataset, training: Training) -> tuple[PackedDataset, tuple[str, ...]]:
    """Pack the rows of all steps; a note says so where a model cannot keep them apart, and gets one row in a pass."""
    examples, order = dataset.examples, order_of(dataset.examples, dataset.trained, training)
    use_block_diagonal_attention(model)
    # A window is counted from each token: what stands before all rows could lie outside of it. On CUDA rows that share
    # nothing are one launch of flash attention.
    apart = window_of(model) or model.device.type == "cuda"
    packed = PackedDataset(examples, order, 1, shared=0 if apart else shared_start(examples))
    if rows_are_independent(model, packed):
        return packed, ()
    use_block_diagonal_attention(model, masked=True)
    packed = PackedDataset(examples, order, 1)
    if rows_are_independent(model, packed):
        return packed, ()
    if examples.objective.width > 1:
        raise UsageError(
            f"`{dataset.base.name}` does not keep packed rows apart, as `{training.objective}` needs it to",
            "use another base",
        )
    return packed, ("this architecture does not keep packed rows apart: each row was a pass of its own",)


def _needs(model: Any, packed: PackedDataset, training: Training, state: int) -> MemoryNeeds:
    """Return what a training needs of memory, measured by a pass of the shortest example of step 1 and one of two.

    On a CPU, where the scores of rows are kept, a row's tokens keep the more the longer it is: once a pass of the
    longest is known to fit but for its scores, it is the second. Rows of more than `LONG` tokens keep none.
    """
    shortest = sorted(packed.order[0].tolist(), key=packed.tokens)[:2]
    long = max(set(packed.order.ravel().tolist()), key=packed.tokens)
    longest, checkpointing = packed.tokens(long), training.checkpointing
    first, second = (on_device(packed.lay(some), model.device) for some in (shortest[:1], shortest))
    was_training = model.training
    model.train()
    needs = measure_needs(model, (first, second), state=state, longest=longest, checkpointing=checkpointing)
    if model.device.type == "cpu" and longest <= LONG and needs.least <= free_memory(model.device):
        second = on_device(packed.lay([long]), model.device)
        needs = measure_needs(model, (first, second), state=state, longest=longest, checkpointing=checkpointing)
    model.train(was_training)
    return needs


def _words(model: Any, packed: PackedDataset, needs: MemoryNeeds, free: int, training: Training) -> str:
    """Return how a training computes, and what it needs of the memory that is free, in a sentence."""
    tokens, passes = training.tokens_per_pass, packed.micro_batches
    each = f"{tokens:,} tokens" if tokens else "one example"
    return (
        f"computes in {'bf16' if runs_in_bf16(training.precision) else 'fp32'} on {model.device.type}, {passes} "
        f"pass{'es' * (passes > 1)} of about {each} to a step; the largest needs about "
        f"{in_gigabytes(needs.of(_largest(needs, tokens, training)))} of {in_gigabytes(free)} that are free"
    )


def _largest(needs: MemoryNeeds, tokens: int, training: Training) -> int:
    """Return the tokens of the largest pass: none holds more than a step, or less than an example."""
    return max(min(tokens, needs.longest * training.batch), needs.longest)
