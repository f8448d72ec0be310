"""The processes of a training: how many there are, which one this is, and what they agree on.

Everything that depends on their number asks here, once the group is made; nothing else asks accelerate.
"""

import os
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from stepdown.errors import UsageError
from stepdown.training.sharding import is_sharded

# The first process alone writes the student while the others wait: an hour for a large one.
TIMEOUT = timedelta(hours=4)
# What accelerate, torchrun and MPI say of how many processes they started.
_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
# Where these split weights over processes, saving and scoring are collective in ways of their own.
_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}
_TRUE = {"1", "t", "true", "y", "yes", "on"}

Value = TypeVar("Value")


class World(msgspec.Struct, frozen=True):
    """The processes that train one student: `size` of them, this one of `rank` 0 to size - 1; `cpu`: on no GPU.

    `sharded`: each holds a part of the weights (FSDP2), so that all of them compute whatever one does.
    """

    size: int
    rank: int
    cpu: bool
    sharded: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            import torch

            torch.distributed.barrier()

    def agree(self, value: Value) -> Value:
        """Return the first process's value in all of them: what is on its disk counts, not on each one's own."""
        if self.size == 1:
            return value
        import torch

        values: list[Any] = [value]
        torch.distributed.broadcast_object_list(values)
        agreed: Value = values[0]
        return agreed

    def total(self, value: Any) -> float:
        """Return the sum of each process's figure (a number, or a tensor of no axis) in all of them."""
        import torch

        whole = torch.as_tensor(value).detach().clone()
        if self.size > 1:
            # NCCL adds up what is on a GPU alone.
            whole = whole.to(device_of(self))
            torch.distributed.all_reduce(whole)
        return float(whole)

    def least(self, value: int) -> int:
        """Return the least of the processes' numbers in all of them."""
        if self.size == 1:
            return value
        import torch

        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return int(min(values))


ALONE = World(1, 0, True)


def launched() -> int:
    """Return how many processes a launcher started for this training; 1 without a launcher."""
    numbers = (os.environ.get(name, "") for name in _SIZES)
    return next((int(size) for size in numbers if size.isdecimal() and int(size)), 1)


def check_launcher() -> None:
    """Raise `UsageError` where the launcher splits the weights over processes otherwise than FSDP2."""
    for name, what in _REFUSED.items():
        if os.environ.get(name, "").lower() in _TRUE:
            raise UsageError(
                f"{what} (`{name}`) is not supported: it splits the weights, and one part would be saved as the whole",
                "launch with `torchrun --nproc_per_node N -m stepdown train ...`, which copies the weights (DDP), or "
                "with `accelerate launch --use_fsdp --fsdp_version 2 ...`",
            )
    is_sharded()


def check_gpus(here: int) -> None:
    """Raise `UsageError` where the launcher started more processes on this machine than it has GPUs (`here`)."""
    processes = os.environ.get("LOCAL_WORLD_SIZE", "")
    if here and processes.isdecimal() and int(processes) > here:
        raise UsageError(
            f"`{processes}` processes share `{here}` GPU{'s' * (here > 1)}, and each needs one of its own",
            f"launch with `--nproc_per_node {here}`, or set `ACCELERATE_USE_CPU=true` to train on the CPU",
        )


def join_world(precision: str) -> World:
    """Return the processes of this training, with their group made where a launcher started several.

    Raises `UsageError` where the weights would be split, and where the group is not as large as the launcher says.
    """
    check_launcher()
    import torch
    from accelerate import PartialState
    from accelerate.state import AcceleratorState

    # Whoever asked for the state first has settled its size, perhaps before the group was made.
    AcceleratorState._reset_state(reset_partial_state=True)
    cpu = computes_on_cpu(precision)
    if not cpu:
        check_gpus(torch.cuda.device_count())
    # Alone there is no group to make, and so nothing that could time out.
    group = {"timeout": TIMEOUT} if launched() > 1 and not torch.distributed.is_initialized() else {}
    state = PartialState(cpu=cpu, **group)
    if state.num_processes != launched():
        raise UsageError(
            f"the launcher started `{launched()}` processes, and their group holds `{state.num_processes}`",
            "launch with `torchrun --nproc_per_node N -m stepdown train ...`",
        )
    return World(state.num_processes, state.process_index, cpu, is_sharded() and state.num_processes > 1)


def device_of(world: World) -> Any:
    """Return the device that a process of this training computes on."""
    import torch
    from accelerate import PartialState

    return torch.device("cpu") if world.cpu else PartialState().device


def computes_on_cpu(precision: str) -> bool:
    """Tell whether a training computes on the CPU: as asked, or where there is no other device for its precision."""
    import torch

    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in _TRUE:
        return True
    # transformers refuses bf16 on Apple's GPUs.
    return not torch.cuda.is_available() and (precision == "bf16" or not torch.backends.mps.is_available())
