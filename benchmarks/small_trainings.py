"""Bases of random weights in the sizes of real ones, small lessons for them, and what a training has logged."""

import json
from pathlib import Path
from typing import Any

from rows import Row

from stepdown.training import Training
from stepdown.types import Chain, Grade, Problem

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


def held(far: float, bar: float, *, given: bool = True) -> Row:
    """Return how far two things are apart, and whether that is within a bar; `given`: what that rests on did happen."""
    return {"apart": far, "bar": f"<= {bar}", "met": far <= bar and given}


def apart(one: list[float], other: list[float]) -> float:
    return max(abs(first - second) for first, second in zip(one, other, strict=True))
