"""The parts of benchmarks/gpu.py that serve a student: rates, texts, latency, faults, dtypes. Each yields rows.

Weights are those of smollm2-135m where they are on this machine, else random ones of its size; at toy size a model of
two small layers.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stepdown.errors import StepdownError
from stepdown.models.local.places import Place
from stepdown.models.local.transformers import TransformersEngine
from stepdown.models.weights import fetched
from stepdown.types import Message, Reply, Sampling

Row = dict[str, Any]
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "huggingface-hub", "tokenizers", "safetensors")
# SmolLM2 135M, and what runs every line in seconds.
SIZES = {
    False: {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
            "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192},
    True: {"vocab_size": 320, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
           "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512},
}  # fmt: skip
WORDS = "Tom has 3 boxes with 4 apples each, eats 2 of them and buys 5 more. How many are left?"


def load_libraries() -> None:
    from stepdown.models.local import load_transformers

    load_transformers()


def write_model(folder: Path, *, toy: bool) -> Path:
    """Write a model folder in float32: the student that is served."""
    from stepdown.models.local import find_base, load_base, quiet

    with quiet():
        if not toy and fetched("smollm2-135m"):
            base = load_base(find_base("smollm2-135m"))
            base.model.save_pretrained(folder)
            base.tokenizer.save_pretrained(folder)
            return folder
        return write_random(folder, SIZES[toy])


def write_random(folder: Path, sizes: dict[str, int]) -> Path:
    """Write random weights, far enough apart for one greedy text, with a tokenizer of bytes and made-up words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = [*"\0\1\2", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {one: number for number, one in enumerate(letters)}
    vocabulary |= {f"w{number}": number for number in range(len(letters), sizes["vocab_size"])}
    tokenizer: Any = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    config = LlamaConfig(**sizes, initializer_range=0.15, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
    LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="\2", bos_token="\1").save_pretrained(folder)
    return folder


class Asked:
    """An engine, and ways to ask it many questions at once."""

    def __init__(self, folder: Path, device: str, dtype: str = "float32") -> None:
        self.engine = TransformersEngine(folder, place=Place(device, dtype))

    async def one(self, place: int, sampling: Sampling) -> Reply:
        text = " ".join([WORDS[place % 5 :]] * (1 + place % 3)) + f" {place}"
        replies = await self.engine.draw((Message("user", text),), sampling, [place])
        return replies[0]

    def many(self, count: int, sampling: Sampling) -> list[Reply]:
        async def ask() -> list[Reply]:
            return await asyncio.gather(*(self.one(place, sampling) for place in range(count)))

        return asyncio.run(ask())

    def texts(self, count: int, sampling: Sampling) -> list[str]:
        return [reply.text for reply in self.many(count, sampling)]

    def rate(self, count: int, sampling: Sampling, rounds: int) -> float:
        """Return the median of the tokens per second of some rounds."""
        found = []
        for _ in range(rounds):
            began = time.perf_counter()
            tokens = sum(reply.usage.output for reply in self.many(count, sampling) if reply.usage)
            found.append(tokens / (time.perf_counter() - began))
        return statistics.median(found)


def device_of(toy: bool) -> str:
    return "cpu" if toy else "cuda"


def versions(toy: bool) -> Iterator[Row]:
    """Say which libraries and which card these figures are of."""
    import torch

    row: Row = {"versions": {name: version(name) for name in LIBRARIES}, "cores": os.cpu_count()}
    if not toy:
        about = torch.cuda.get_device_properties(0)
        row |= {"card": about.name, "memory_gb": round(about.total_memory / 1e9, 1), "cards": torch.cuda.device_count()}
        row |= {"cuda": torch.version.cuda, "bf16": torch.cuda.is_bf16_supported(including_emulation=False)}
    yield row


def serving(toy: bool) -> Iterator[Row]:
    """Yield rates by width and sampling, texts against those of a CPU and of a row alone, the wait behind others."""
    with tempfile.TemporaryDirectory() as place:
        folder = write_model(Path(place), toy=toy)
        exact = Asked(folder, device_of(toy))
        yield from _texts(exact, Asked(folder, "cpu"), toy)
        exact.engine.close()
        served = Asked(folder, device_of(toy), "float32" if toy else "bfloat16")
        served.many(2, Sampling(max_tokens=2))
        yield from _wait(served, toy)
        samplings = {
            "greedy": {},
            "T 0.7": {"temperature": 0.7},
            "T 0.7, top_p 0.95": {"temperature": 0.7, "top_p": 0.95},
        }
        for count in (2, 4) if toy else (1, 16, 128):
            for name, values in samplings.items():
                sampling = Sampling(**values, max_tokens=4 if toy else 128)
                rate = served.rate(count, sampling, 1 if toy else 2)
                yield {"sampling": name, "at_once": count, "tokens_per_second": round(rate, 1)}
        served.engine.close()


def _texts(exact: Asked, cpu: Asked, toy: bool) -> Iterator[Row]:
    count, length = (4, 6) if toy else (16, 48)
    for name, sampling in (("greedy", Sampling(max_tokens=length)), ("T 1", Sampling(1.0, max_tokens=length))):
        together = exact.texts(count, sampling)
        alone = [asyncio.run(exact.one(place, sampling)).text for place in range(count)]
        there = cpu.texts(count, sampling)
        for what, other in (("a row alone", alone), ("the CPU", there)):
            same = sum(one == two for one, two in zip(together, other, strict=True))
            yield {"texts": name, "equal_to": what, "same": same, "of": count,
                   "bar": f"{name} texts in float32 are those of {what}", "met": same == count}  # fmt: skip
    cpu.engine.close()


def _wait(served: Asked, toy: bool) -> Iterator[Row]:
    async def both() -> tuple[float, float]:
        began = time.perf_counter()
        long = asyncio.create_task(served.one(0, Sampling(1.0, max_tokens=60 if toy else 400)))
        await asyncio.sleep(0.02 if toy else 0.3)
        asked = time.perf_counter()
        await served.one(1, Sampling(max_tokens=2))
        short = time.perf_counter() - asked
        await long
        return short, time.perf_counter() - began

    short, long = asyncio.run(both())
    yield {"short_seconds": round(short, 3), "long_seconds": round(long, 3),
           "bar": "a draw of 2 tokens waits for less than a quarter of a long one under way",
           "met": None if toy else short < long / 4}  # fmt: skip


def faults(toy: bool) -> Iterator[Row]:
    """Yield what is said, and what the next call gives, after each fault made on purpose; the card's is last."""
    with tempfile.TemporaryDirectory() as place:
        folder = write_model(Path(place), toy=toy)
        served = Asked(folder, device_of(toy))
        sampling = Sampling(1.0, max_tokens=8 if toy else 64)
        expected = served.texts(8, sampling)
        yield _memory(served, sampling, expected, toy)
        for name, harm in (
            ("a token beyond the weights", _foreign_token),
            ("weights that are no numbers", _no_numbers),
        ):
            text, undo = harm(served)
            words = _words(served, text, sampling)
            undo()
            after = served.texts(8, sampling)
            yield {"fault": name, "words": words, "bar": f"after {name} the next calls are as before",
                   "met": bool(words) and after == expected}  # fmt: skip
        _break(served, toy)
        words = [_words(served, "Hm?", sampling) for _ in range(2)]
        yield {"fault": "a failed card", "words": words[0], "bar": "a failed card is named by every later call",
               "met": all("graphics card failed" in one for one in words)}  # fmt: skip
        served.engine.close()


def _memory(served: Asked, sampling: Sampling, expected: list[str], toy: bool) -> Row:
    """Ask for far more rows at once than fit, and do not let the engine count its memory beforehand."""
    import torch

    scheduler, count = served.engine._scheduler, 8 if toy else 256
    before = scheduler.width = count
    if toy:
        hook = served.engine._model.register_forward_pre_hook(_refuse_wide, with_kwargs=True)
    else:
        scheduler.free_memory = lambda: None  # type: ignore[method-assign]
        torch.cuda.empty_cache()
        _, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 600e6) / total)
    replies = served.many(count, sampling)
    width = served.engine.width
    if toy:
        hook.remove()
    else:
        del scheduler.free_memory  # type: ignore[attr-defined]
        torch.cuda.set_per_process_memory_fraction(1.0)
    same = [reply.text for reply in replies[: len(expected)]] == expected
    row = {"fault": "out of memory", "asked_at_once": before, "width_after": width, "same_texts": same}
    whole = width < before and len(replies) == count
    return row | {"bar": "every draw is written though memory ran out", "met": whole}


def _refuse_wide(_: Any, __: Any, named: dict[str, Any]) -> None:
    import torch

    if len(named["input_ids"]) > 3:
        raise torch.OutOfMemoryError("CUDA out of memory, as at toy size")


def _foreign_token(served: Asked) -> tuple[str, Callable[[], None]]:
    served.engine._tokenizer.add_tokens(["<beyond>"])
    words, added = served.engine._words, served.engine._tokenizer.convert_tokens_to_ids("<beyond>")
    served.engine._words = min(words, added)
    return "<beyond>", lambda: setattr(served.engine, "_words", words)


def _no_numbers(served: Asked) -> tuple[str, Callable[[], None]]:
    row = served.engine._model.get_input_embeddings().weight.data[served.engine._tokens("~")[-1]]
    kept = row.clone()
    row.fill_(float("nan"))
    return "~", lambda: row.copy_(kept)


def _break(served: Asked, toy: bool) -> None:
    """Do what a card answers with the end of its context: look up a row that is not there."""
    import torch

    def fail(*_: Any) -> None:
        if toy:
            raise torch.AcceleratorError("device-side assert triggered, as at toy size")
        weight = served.engine._model.get_input_embeddings().weight
        torch.nn.functional.embedding(torch.tensor([weight.shape[0] + 5], device=weight.device), weight).sum().item()

    served.engine._model.register_forward_pre_hook(fail)


def _words(served: Asked, text: str, sampling: Sampling) -> str:
    """Return what a call fails with, "" where it does not."""
    try:
        asyncio.run(served.engine.draw((Message("user", text),), sampling, [1]))
    except StepdownError as error:
        return error.what
    return ""


def dtypes(toy: bool) -> Iterator[Row]:
    """Yield how far the first token's log-probabilities in each dtype are from those of a CPU in float32."""
    count = 4 if toy else 32
    with tempfile.TemporaryDirectory() as place:
        folder = write_model(Path(place), toy=toy)
        exact = _first_scores(Asked(folder, "cpu"), count)
        for dtype, bar in (("float32", 1e-4), ("bfloat16", None), ("float16", None)):
            found = _first_scores(Asked(folder, device_of(toy), dtype), count)
            apart = max(abs(one - two) for one, two in zip(found, exact, strict=True))
            row: Row = {"dtype": dtype, "logprob_apart_most": apart, "prompts": count}
            row |= {"logprob_apart_median": statistics.median(map(abs, map(float.__sub__, found, exact)))}
            judged = {"bar": "float32 log-probabilities within 1e-4 of the CPU's", "met": apart <= bar} if bar else {}
            yield row | judged


def _first_scores(asked: Asked, count: int) -> list[float]:
    replies = asked.many(count, Sampling(max_tokens=1))
    asked.engine.close()
    return [reply.logprob or 0.0 for reply in replies]


PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {"serving": serving, "dtypes": dtypes, "faults": faults}
