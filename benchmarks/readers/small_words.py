"""What the readers of tuning data share: a tokenizer of a few words with a chat template, and a tiny model of it."""

import json
from pathlib import Path
from typing import Any

WORDS = ("<pad>", "</s>", "<unk>", "<user>", "<assistant>", "Which", "is", "Step", "So", "it", "Answer:", "B", "Plan")
TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}> {{ message['content'] }} </s> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def tokenizer() -> Any:
    """Return a tokenizer that knows whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.chat_template = TEMPLATE
    return fast


def model() -> Any:
    """Return a model of random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=16, pad_token_id=0, eos_token_id=1, bos_token_id=None, **sizes))


def learned(words: list[str], labels: list[int]) -> list[str]:
    """Return the words that a row has learned; raise where they do not stand side by side."""
    places = [place for place, label in enumerate(labels) if label != -100]
    assert places == [*range(places[0], places[-1] + 1)], labels
    return words[places[0] : places[-1] + 1]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def done(version: str, did: str) -> None:
    print(json.dumps({"ok": True, "version": version, "did": did}))
