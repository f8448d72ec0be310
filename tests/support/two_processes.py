"""Small trainings in two processes of gloo on CPUs, whole or killed under way, and the same ones in this process.

Run by a launcher with a base, a folder and `NAME=KIND`...: both processes train each of `LESSONS` in `folder/NAME`; the
one that is named `killed` ends them at step `STOPPED`. Each process marks what it has trained, with the types of the
weights, by which one sees whether they were split: `NAME-of-RANK-TYPE`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from small_lessons import DPO, FAST, FULL, chains, pairs
from stepdown.training import Training, TrainingProgress, train
from stepdown.types import Chain

STOPPED, SECONDS = 4, 300
LESSONS: Mapping[str, tuple[Training, Callable[[], list[Chain]]]] = {
    "lora": (FAST, chains),
    "bf16": (msgspec.structs.replace(FAST, precision="bf16"), chains),
    "full": (FULL, chains),
    "dpo": (DPO, pairs),
}
TORCHRUN = (
    *("torch.distributed.run", "--nproc_per_node", "2", "--local_addr", "127.0.0.1", "--rdzv_backend", "c10d"),
    *("--rdzv_endpoint", "127.0.0.1:0"),
)
SPLIT = (
    *("accelerate.commands.launch", "--use_fsdp", "--fsdp_version", "2"),
    *("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
    *("--main_process_port", "0"),
)


def train_small(base: Path, out: Path, kind: str, *, stop: Callable[[], None] | None = None) -> None:
    """Train one of `LESSONS` in this process; `stop` is called at step `STOPPED`."""

    def watch(told: TrainingProgress) -> None:
        if stop and told.step == STOPPED:
            stop()

    training, lessons = LESSONS[kind]
    train(lessons(), base=base, out=out, training=training, progress=watch)


def begin_small(base: Path, out: Path, kind: str) -> None:
    """Leave a training under way at step `STOPPED`."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        train_small(base, out, kind, stop=interrupt)
    except KeyboardInterrupt:
        assert out.with_name(f".{out.name}.training").exists() and not out.exists()
        return
    raise AssertionError("it was not interrupted")


def train_in_two(launch: Iterable[str], base: Path, folder: Path, kinds: Mapping[str, str]) -> str:
    """Train in two processes; return what they wrote to stderr, after a look at whether they ended as they should."""
    # `accelerate launch --cpu` starts one process, whatever number it is given.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    given = [str(base), str(folder), *(f"{name}={kind}" for name, kind in kinds.items())]
    done = subprocess.run(
        [sys.executable, "-m", *launch, __file__, *given],
        capture_output=True, text=True, env=environment, timeout=SECONDS,
    )  # fmt: skip
    assert (done.returncode != 0) == ("killed" in kinds), done.stderr[-3000:]
    if "killed" in kinds:
        assert (folder / ".killed.training").exists() and not (folder / "killed").exists(), done.stderr[-3000:]
    return done.stderr


def marks(names: Collection[str], weights: str) -> set[str]:
    """Return the marks of two processes that have trained students of these names whole."""
    return {f"{name}-of-{rank}-{weights}" for name in names for rank in (0, 1)}


def marked(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*-of-*")}


def be_one_of_two(base: Path, folder: Path, kinds: Iterable[str]) -> None:
    from accelerate import PartialState

    from stepdown.training import logits
    from stepdown.training.memory import MemoryNeeds
    from stepdown.training.trainer import StudentTrainer

    # What one process trains with all logits at once, these do in pieces, in most of their passes.
    logits.PIECE, MemoryNeeds.whole_fits = 40, lambda *_: False  # type: ignore[method-assign]
    types: list[str] = []
    whole = StudentTrainer.train

    def noted(self: StudentTrainer, **options: object) -> object:
        found = whole(self, **options)
        assert logits.in_pieces(self.model)
        types.append("-".join(sorted({type(one).__name__ for one in self.model.parameters()})))
        return found

    StudentTrainer.train = noted
    for name, kind in (one.split("=") for one in kinds):
        train_small(base, folder / name, kind, stop=(lambda: os.kill(os.getpid(), 9)) if name == "killed" else None)
        assert PartialState().num_processes == 2, PartialState()
        (folder / f"{name}-of-{PartialState().process_index}-{types[-1]}").touch()


if __name__ == "__main__":
    be_one_of_two(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
