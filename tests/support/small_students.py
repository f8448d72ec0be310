"""Students of a few thousand random weights, made in a second, for tests."""

import asyncio
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest

from stepdown.models.local.loading import load_student
from stepdown.models.weights.students import StudentCard
from stepdown.training.students.folder import write_student
from stepdown.types import Messages, Sampling

_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "polars")
# What tests are marked with that train.
TRAINS = [
    pytest.mark.skipif(not all(map(find_spec, _PACKAGES)), reason="needs the extra `train`"),
    # peft, trl and transformers still call names that torch and they themselves have deprecated.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LINES = (
    "Tom has 3 boxes with 4 apples each.",
    "How many apples are left after he eats 2 of them?",
    "The answer is 10.",
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def small_tokenizer(*, template: str | None = TEMPLATE, normalizer: Any = None, split_digits: bool = True) -> Any:
    """A byte-level BPE tokenizer of 320 tokens at most."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = Tokenizer(models.BPE())
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, letters]) if split_digits else letters
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=320, initial_alphabet=alphabet, special_tokens=list(SPECIAL), show_progress=False
        ),
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|im_start|>"
    )
    wrapped.chat_template = template
    return wrapped


def small_model(kind: Literal["llama", "qwen2"] = "llama", *, seed: int = 0) -> Any:
    """A random model of two layers; its logits are far enough apart to have one greedy text."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": 320,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "tie_word_embeddings": kind == "llama",
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return LlamaForCausalLM(LlamaConfig(**sizes)) if kind == "llama" else Qwen2ForCausalLM(Qwen2Config(**sizes))


def small_student(out: Path, *, kind: Literal["llama", "qwen2"] = "llama", seed: int = 0, force: bool = False) -> Path:
    """A student folder of a small random model."""
    card = StudentCard(base="small", seed=seed)
    return write_student(out, small_model(kind, seed=seed), tokenizer=small_tokenizer(), card=card, force=force)


def texts(folder: Path, engine: str, asked: Sequence[Messages], sampling: Sampling) -> list[str]:
    """The texts of questions asked all at once."""

    async def together() -> list[str]:
        model = load_student(str(folder), engine=engine)
        replies = await asyncio.gather(*(model.reply(messages, sampling) for messages in asked))
        await model.close()
        return [reply.text for [reply] in replies]

    return asyncio.run(together())


def copied(folder: Path, tmp_path: Path) -> Path:
    """Copy a student's folder, for a test to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))
