"""What is to be seen of training on a GPU: each part in a process of its own, as JSON lines. `make gpu` runs them.

python benchmarks/gpu_training.py PART [--toy]        one part; `--toy`: a model of two small layers, seconds on a CPU
python benchmarks/gpu_training.py --list              their names, in the order in which they are run
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from stepdown.training import Training, TrainingProgress, train
from stepdown.types import Chain, Grade, Problem

Row = dict[str, Any]
HERE = Path(__file__).parent
SIZES: dict[str, Row] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 320},
    "135m": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
             "num_key_value_heads": 3, "vocab_size": 49152},
    "0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
             "num_key_value_heads": 2, "vocab_size": 151936},
    "1.5b": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
             "num_key_value_heads": 2, "vocab_size": 151936},
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 32, "vocab_size": 32000},
}  # fmt: skip
CHECKED = Training(steps=6, batch=8, evaluations=2, dev=2, checkpoints=6, precision="fp32")


def problem_of(number: int) -> Problem:
    return Problem(f"sums/{number}", f"What is {number % 7} plus {number % 5}?", str(number % 7 + number % 5))


def lessons(problems: int = 24, each: int = 3, *, words: int = 4) -> list[Chain]:
    """Chains of small sums, about `words` words long."""
    texts = [f"Take {n % 7}. " + "Go on. " * (words // 2 + s) + f"Add {n % 5}." for n in range(problems)
             for s in range(each)]  # fmt: skip
    problems_of = (problem_of(n) for n in range(problems) for _ in range(each))
    return [
        Chain(one, text, "teacher", place % each, Grade("right", one.answer))
        for place, (one, text) in enumerate(zip(problems_of, texts, strict=True))
    ]


def write_base(folder: Path, size: str) -> Path:
    """Write a base of random weights, whose speed and memory are those of a real one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = LlamaConfig(
        **SIZES[size], max_position_embeddings=8192, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        initializer_range=0.3 if size == "tiny" else 0.02,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    (model.bfloat16() if size == "7b" else model).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """A tokenizer of bytes and a few marks, with the plain template of chats."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer: Any = Tokenizer(models.BPE({word: place for place, word in enumerate(marks + alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(marks)
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=marks[2], pad_token=marks[0])
    wrapped.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    return wrapped


def logged(folder: Path, column: str = "loss") -> list[Any]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row[column] for row in rows if column in row]


def held(far: float, bar: float) -> Row:
    """Return how far two things are apart, and whether that is within a bar."""
    return {"apart": far, "bar": f"<= {bar}", "met": far <= bar}


def apart(one: list[float], other: list[float]) -> float:
    return max(abs(first - second) for first, second in zip(one, other, strict=True))


CODE = """
import os, sys
import gpu_training, msgspec
from stepdown.training import Training
base, out, settings, stop = sys.argv[1:]
kill = lambda: os.kill(os.getpid(), 9)
gpu_training.train_lessons(base, out, msgspec.json.decode(settings, type=Training), int(stop), kill)
"""
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


def trained(work: Path, name: str, training: Training, *, stop: int = 0, launch: str = "", **environment: str) -> Row:
    """Train the small lessons in processes of their own; return how they ended."""
    script = work / "child.py"
    script.write_text(CODE)
    paths = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, *launch.split(), str(script), str(work / "base"), str(work / name)]
    done = subprocess.run(
        [*command, msgspec.json.encode(training).decode(), str(stop)],
        capture_output=True, text=True, timeout=400, env={**os.environ, "PYTHONPATH": paths, **environment},
    )  # fmt: skip
    return {"rc": done.returncode, **({"error": done.stderr[-400:]} if done.returncode and not stop else {})}


def trained_here(work: Path, name: str, training: Training, *, stop: int = 0, **environment: str) -> Row:
    """Do the same in this process, as far as it can, in a fraction of the time: for the toy size."""
    try:
        train_lessons(work / "base", work / name, training, stop, interrupt)
    except KeyboardInterrupt:
        return {"rc": -9}
    return {"rc": 0}


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


def losses(toy: bool) -> Iterator[Row]:
    """Losses on the device against the CPU's: fp32 within 1e-4, bf16 within a tenth of a nat."""
    run = trained_here if toy else trained
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", "tiny")
        for full in (False, True):
            kind = msgspec.structs.replace(CHECKED, full=full, learning_rate=5e-4)
            ended = run(work, f"cpu-{full}", kind, CUDA_VISIBLE_DEVICES="")
            yield {"what": "the CPU's losses", "full": full, **ended}
            for precision, wanted in (("fp32", 1e-4), ("bf16", 0.1)):
                name = f"{precision}-{full}"
                ended = run(work, name, msgspec.structs.replace(kind, precision=precision))
                far = apart(logged(work / f"cpu-{full}"), logged(work / name))
                yield {"what": f"losses in {precision}", "full": full, **ended, **held(far, wanted)}


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
            yield {"what": "memory", "share": share, "peak_bytes": _peak(),
                   "split": [text for text in words if "out of memory" in text]}  # fmt: skip
        yield {"what": "losses with passes that were split", **held(apart(*found), 1e-4)}


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


def resume(toy: bool) -> Iterator[Row]:
    """Killed at step 4 and gone on with: the losses of a training that was not."""
    run = trained_here if toy else trained
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", "tiny")
        ended = [run(work, "whole", CHECKED), run(work, "killed", CHECKED, stop=4), run(work, "killed", CHECKED)]
        yield {"what": "kill and resume", "rc": [one["rc"] for one in ended], "wanted_rc": [0, -9, 0],
               **held(apart(logged(work / "whole"), logged(work / "killed")), 1e-5)}  # fmt: skip


def ranks(toy: bool) -> Iterator[Row]:
    """Two processes of gloo on the CPUs, with whole and with split weights: the losses of one, and ended by one."""
    off = {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    split = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP"}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_base(work / "base", "tiny")
        (trained_here if toy else trained)(work, "one", CHECKED, **off)
        for name, more in ({"split": split} if toy else {"copied": {}, "split": split}).items():
            ended = trained(work, name, CHECKED, launch=TORCHRUN, stop=0 if toy else 4, **off, **more)
            if not toy:
                ended = trained(work, name, CHECKED, **off)
            far = apart(logged(work / "one"), logged(work / name))
            yield {"what": f"two processes, weights {name}", **ended, **held(far, 1e-4)}


def scotd(toy: bool) -> Iterator[Row]:
    """SCoTD at the paper's size: `scotd.py`, in turn for one chain a problem, five, and labels alone."""
    command = [sys.executable, str(HERE / "scotd.py"), "--toy"]
    if not toy:
        # Killed, it goes on at the next call.
        work = Path(os.environ.get("GPU_WORK", "")) / "scotd"
        given = ("--pool", "pools/quarel_train.jsonl.gz"), ("--test", "quarel/dev.jsonl")
        command = [
            *command[:-1],
            "--out",
            str(work),
            *(part for flag, name in given for part in (flag, published(name))),
        ]
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


PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    one.__name__: one for one in (checks, losses, attention, speed, memory, trl, seeds, resume, ranks, scotd)
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
