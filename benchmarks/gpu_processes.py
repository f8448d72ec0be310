"""Trainings in processes of their own, one or two, killed and gone on with; and other programs beside them.

These are parts of `gpu_training.py`. Run by itself, with a base, a folder, settings as JSON and the step at which it
kills itself (0: none), it is such a process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from rows import Row
from small_trainings import CHECKED, apart, held, lessons, logged, write_base

from stepdown.training import Training, TrainingProgress, train

HERE = Path(__file__).parent
TORCHRUN = "-m torch.distributed.run --nproc_per_node 2 --local_addr 127.0.0.1 --rdzv_backend c10d --rdzv_endpoint "
TORCHRUN += "127.0.0.1:0"


def train_lessons(base: Path | str, out: Path | str, training: Training, stop: int, end: Callable[[], object]) -> None:
    """Train the small lessons; `end` is called at step `stop`, if that is not 0."""

    def watch(told: TrainingProgress) -> None:
        if told.step == stop and told.loss is not None:
            end()

    train(lessons(), base=base, out=out, training=training, progress=watch)


def interrupt() -> None:
    raise KeyboardInterrupt


def trained(work: Path, name: str, training: Training, *, stop: int = 0, launch: str = "", **environment: str) -> int:
    """Train the small lessons in processes of their own; return how they ended, and raise what one says that failed."""
    given = [str(work / "base"), str(work / name), msgspec.json.encode(training).decode(), str(stop)]
    done = subprocess.run(
        [sys.executable, *launch.split(), __file__, *given],
        capture_output=True, text=True, timeout=400, env={**os.environ, **environment},
    )  # fmt: skip
    if done.returncode and not stop:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-400:]}")
    return done.returncode


def trained_here(work: Path, name: str, training: Training, *, stop: int = 0, **environment: str) -> int:
    """Do the same in this process, as far as it can, in a fraction of the time: for the toy size."""
    try:
        train_lessons(work / "base", work / name, training, stop, interrupt)
    except KeyboardInterrupt:
        return -9
    return 0


# --- the parts


def losses(toy: bool) -> Iterator[Row]:
    """Losses on the device against the CPU's: fp32 within 1e-4, bf16 within a tenth of a nat."""
    run = trained_here if toy else trained
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", "tiny")
        for full in (False, True):
            kind = msgspec.structs.replace(CHECKED, full=full, learning_rate=5e-4)
            ended = run(work, f"cpu-{full}", kind, CUDA_VISIBLE_DEVICES="")
            yield {"what": "the CPU's losses", "full": full, "rc": ended}
            for precision, wanted in (("fp32", 1e-4), ("bf16", 0.1)):
                name = f"{precision}-{full}"
                ended = run(work, name, msgspec.structs.replace(kind, precision=precision))
                far = apart(logged(work / f"cpu-{full}"), logged(work / name))
                yield {"what": f"losses in {precision}", "full": full, "rc": ended, **held(far, wanted)}


def trl(toy: bool) -> Iterator[Row]:
    """TRL beside it, as `benchmarks/training.py` measures it: default, packed, without checkpointing."""
    small = (
        ["--model", "tiny", "--batch", "2", "--rounds", "1"] if toy else ["--batch", "64", "--tokens-per-pass", "16384"]
    )
    sides = ["--cases", "lora", "--sides", "ours,trl,trl-kept,trl-packed"]
    command = [sys.executable, str(HERE / "training.py"), "--json", *sides, *small]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    for line in done.stdout.splitlines():
        yield json.loads(line)
    if done.returncode:
        yield {"what": "trl", "rc": done.returncode, "error": done.stderr[-400:]}


def resume(toy: bool) -> Iterator[Row]:
    """Killed at step 4 and gone on with: the losses of a training that was not."""
    run = trained_here if toy else trained
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", "tiny")
        ended = [run(work, "whole", CHECKED), run(work, "killed", CHECKED, stop=4), run(work, "killed", CHECKED)]
        far = apart(logged(work / "whole"), logged(work / "killed"))
        yield {"what": "kill and resume", "rc": ended, **held(far, 1e-5, given=ended == [0, -9, 0])}


def ranks(toy: bool) -> Iterator[Row]:
    """Two processes of gloo on the CPUs, with whole and with split weights: the losses of one, and ended by one."""
    off = {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    split = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", "tiny")
        (trained_here if toy else trained)(work, "one", CHECKED, **off)
        for name, more in ({"split": split} if toy else {"copied": {}, "split": split}).items():
            stop = 0 if toy else 4
            ended = [trained(work, name, CHECKED, launch=TORCHRUN, stop=stop, **off, **more)]
            if stop:
                # Two have begun it, where there is something to go on with.
                begun = len(logged(work / f".{name}.training"))
                ended.append(trained(work, name, CHECKED, **off))
            far = apart(logged(work / "one"), logged(work / name))
            killed = not stop or (begun == stop and ended[0] != 0)
            yield {"what": f"two processes, weights {name}", "rc": ended, **held(far, 1e-4, given=killed)}


def scotd(toy: bool) -> Iterator[Row]:
    """SCoTD at the paper's size: `scotd.py`, in turn for one chain a problem, five, and labels alone."""
    command = [sys.executable, str(HERE / "scotd.py"), "--toy"]
    if not toy:
        # Killed, it goes on at the next call.
        work = Path(os.environ.get("GPU_WORK", "")) / "scotd"
        given = ("--pool", "pools/quarel_train.jsonl.gz"), ("--test", "quarel/dev.jsonl")
        named = [part for flag, name in given for part in (flag, published(name))]
        command = [*command[:-1], "--out", str(work), *named]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            yield json.loads(line)
    if running.returncode:
        yield {"what": "scotd", "rc": running.returncode}


def published(name: str) -> str:
    """Return where a published file lies: in `shared/data` of this checkout or beside it, else its bare name here."""
    places = (HERE.parent / "shared" / "data" / name, HERE.parents[1] / "shared" / "data" / name)
    return str(next((path for path in places if path.is_file()), Path(name).name))


def kill() -> None:
    os.kill(os.getpid(), 9)


if __name__ == "__main__":
    train_lessons(sys.argv[1], sys.argv[2], msgspec.json.decode(sys.argv[3], type=Training), int(sys.argv[4]), kill)
