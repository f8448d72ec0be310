"""What is to be seen of training on a GPU: each part in a process of its own, as JSON lines. `make gpu` runs them.

python benchmarks/gpu_training.py PART [--toy]        one part; `--toy`: a model of two small layers, seconds on a CPU
python benchmarks/gpu_training.py --list              their names, in the order in which they are run
"""

import argparse
import gc
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from gpu_processes import losses, ranks, resume, scotd, trl
from rows import Row
from small_trainings import CHECKED, apart, held, lessons, logged, write_base

from stepdown.models.local import find_base, load_base
from stepdown.training import Training, TrainingProgress, train

# --- the parts


def checks(toy: bool) -> Iterator[Row]:
    """Versions, and that the way a step is split changes no loss."""
    import accelerate
    import peft
    import torch
    import transformers
    import trl

    from stepdown.training.attention import has_varlen

    named = {one.__name__: one.__version__ for one in (torch, transformers, accelerate, peft, trl)}
    yield {"what": "versions", **named, "varlen": has_varlen(), "device": device_name()}
    with tempfile.TemporaryDirectory() as folder:
        base, found = write_base(Path(folder) / "base", "tiny"), []
        for tokens in (100, 10_000):
            out = Path(folder) / str(tokens)
            train(lessons(), base=base, out=out, training=msgspec.structs.replace(CHECKED, tokens_per_pass=tokens))
            found.append(logged(out))
        yield {"what": "one pass and several", **held(apart(*found), 1e-4)}


def attention(toy: bool) -> Iterator[Row]:
    """Each kernel for packed rows that this device has against rows apart, forward and backward, and its time."""
    import torch

    from stepdown.training.attention import KERNELS, has_varlen

    device = "cuda" if torch.cuda.is_available() else "cpu"
    lengths = (0, *([7, 12, 30] if toy else [100, 170, 240, 320, 120, 1024, 64, 300] * 7))
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        given = [
            torch.randn(1, heads, sum(lengths), 64, device=device, dtype=dtype, requires_grad=True)
            for heads in (9, 3, 3)
        ]
        first: Any = None
        for name, kernel in KERNELS.items():
            if name == "varlen" and not (has_varlen() and device == "cuda" and dtype == torch.bfloat16):
                continue
            output = kernel(*given, lengths, scale=None, dropout=0.0)
            found = [output, *torch.autograd.grad(output.float().square().sum(), given)]
            first = first or found
            seconds = _timed(lambda kernel=kernel, given=given: kernel(*given, lengths, scale=None, dropout=0.0), toy)
            far = max(float((a - b).detach().abs().max()) for a, b in zip(first, found, strict=True))
            yield {"what": name, "dtype": str(dtype), "tokens": sum(lengths), "milliseconds": round(seconds * 1e3, 3),
                   "apart": far}  # fmt: skip


def logits(toy: bool) -> Iterator[Row]:
    """Logits of 1,024 targets at a time against all at once: loss, gradients, peak memory."""
    import torch

    from stepdown.training.attention import use_block_diagonal_attention
    from stepdown.training.laid_rows import lay_rows
    from stepdown.training.logits import in_pieces, on_device, target_losses, use_head_losses

    with tempfile.TemporaryDirectory() as folder:
        model = load_base(find_base(write_base(Path(folder) / "base", "tiny" if toy else "135m"))).model
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    use_block_diagonal_attention(model)
    rows, found = torch.randint(3, 200, (8, 200 if toy else 1024)).tolist(), list[Any]()
    batch = on_device(lay_rows([row[:1] for row in rows], [row[1:] for row in rows]), model.device)
    for wanted in (False, True):
        use_head_losses(model, pieces=wanted)
        model.zero_grad()
        _reset_peak()
        loss = target_losses(model, batch).mean()
        loss.backward()
        found.append([loss.detach(), *(one.grad.clone() for one in model.parameters())])
        yield {"what": "logits", "in_pieces": in_pieces(model), "targets": len(batch["targets"]), "peak_bytes": _peak()}
    far = max(float((a - b).abs().max()) for a, b in zip(*found, strict=True))
    yield {"what": "loss and gradients in pieces", **held(far, 1e-5, given=in_pieces(model))}


def speed(toy: bool) -> Iterator[Row]:
    """Tokens per second and peak memory, by model, tokens of a pass and what is trained."""
    sizes = ("tiny",) if toy else ("135m", "0.5b", "1.5b", "7b")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            base = write_base(Path(folder) / "base", size)
            for full in (False, True) if size != "7b" else (False,):
                # The usual 1,024 stand for as many as fit.
                for tokens in (1024,) if size in ("1.5b", "7b") else (1023, 4096, 1024):
                    row = _trained_speed(base, Path(folder) / f"{full}-{tokens}", toy, full=full, tokens=tokens)
                    yield {"what": "speed", "model": size, "full": full, **row}
            if size == "135m":
                row = _trained_speed(base, Path(folder) / "compiled", toy, full=False, tokens=1024, compiled=True)
                yield {"what": "speed", "model": size, "full": False, "compile": True, **row}


def _trained_speed(base: Path, out: Path, toy: bool, *, full: bool, tokens: int, compiled: bool = False) -> Row:
    """Train some steps; the first third, while kernels are chosen, is not counted."""
    steps = 3 if toy else 12
    some = lessons(8, 2) if toy else lessons(64, 4, words=100)
    training = Training(
        steps=steps, batch=4 if toy else 128, evaluations=0, dev=0, checkpoints=1, tokens_per_pass=tokens, full=full,
        compile=compiled,
    )  # fmt: skip
    seen, words = list[tuple[int, float]](), list[str]()

    def watch(told: TrainingProgress) -> None:
        seen.append((told.step, perf_counter()))
        words.append(told.words)

    _reset_peak()
    train(some, base=base, out=out, training=training, progress=watch)
    begun, ended = (next(at for step, at in seen if step == wanted) for wanted in (steps // 3, steps))
    rows = logged(out, "tokens")
    rate = (rows[-1] - rows[steps // 3 - 1]) / (ended - begun)
    said = next(text for text in words if text.startswith("computes"))
    return {"tokens_per_pass": tokens, "tokens_per_second": round(rate), "peak_bytes": _peak(), "said": said}


def memory(toy: bool) -> Iterator[Row]:
    """Out of memory on purpose: with a part of the device's memory the passes are split, and the losses stay."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        base = write_base(Path(folder) / "base", "tiny" if toy else "135m")
        some, found = lessons(16, 2, words=4 if toy else 100), []
        training = Training(steps=3, batch=8 if toy else 64, evaluations=0, tokens_per_pass=10**6, precision="fp32")
        for share in (1.0, 0.12):
            if torch.cuda.is_available():
                torch.cuda.set_per_process_memory_fraction(share)
            words, out = list[str](), Path(folder) / str(share)
            train(
                some, base=base, out=out, training=training, progress=lambda told, words=words: words.append(told.words)
            )
            found.append(logged(out))
            split = [text for text in words if "out of memory" in text]
            yield {"what": "memory", "share": share, "peak_bytes": _peak(), "split": split}
        given = not torch.cuda.is_available() or bool(split)
        yield {"what": "losses with passes that were split", **held(apart(*found), 1e-4, given=given)}


def seeds(toy: bool) -> Iterator[Row]:
    """Memory at step 2 of each of three students, and after: none keeps what the one before it held."""
    with tempfile.TemporaryDirectory() as folder:
        base, held = write_base(Path(folder) / "base", "tiny"), list[tuple[int, int]]()
        train(
            lessons(), base=base, out=Path(folder) / "x", training=CHECKED, seeds=3,
            progress=lambda told: held.append((told.step, _held())),
        )  # fmt: skip
        gc.collect()
        yield {
            "what": "three students",
            "bytes_at_step_2": [some for step, some in held if step == 2],
            "after": _held(),
        }


PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    one.__name__: one for one in (checks, losses, attention, logits, speed, memory, trl, seeds, resume, ranks, scotd)
}


def device_name() -> str:
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "cpu"


def _timed(call: Callable[[], Any], toy: bool) -> float:
    import torch

    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    best = float("inf")
    for _ in range(2 if toy else 20):
        wait()
        begun = perf_counter()
        call()
        wait()
        best = min(best, perf_counter() - begun)
    return best


def _reset_peak() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int:
    import torch

    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0


def _held() -> int:
    import torch

    return int(torch.cuda.memory_allocated()) if torch.cuda.is_available() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", nargs="?", choices=PARTS)
    parser.add_argument("--toy", action="store_true", help="a model of two small layers")
    parser.add_argument("--list", action="store_true", help="print the names of the parts")
    options = parser.parse_args()
    if options.list or not options.part:
        print("\n".join(PARTS))
        return
    begun = perf_counter()
    for row in PARTS[options.part](options.toy):
        print(json.dumps({"part": options.part, **row}), flush=True)
    print(json.dumps({"part": options.part, "seconds": round(perf_counter() - begun, 1)}), flush=True)


if __name__ == "__main__":
    main()
