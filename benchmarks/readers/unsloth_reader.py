"""Has unsloth standardize `sharegpt`, and mask the questions of a trainer's rows of `messages`."""

import sys
from importlib.metadata import version
from pathlib import Path

import unsloth  # noqa: F401  first, as it asks for

from unsloth.chat_templates import standardize_sharegpt, train_on_responses_only  # isort: skip

import datasets
import trl
from small_words import done, learned, model, rows, tokenizer

folder = Path(sys.argv[1])
data = datasets.load_dataset("json", data_files=str(folder / "sums.jsonl"), split="train", cache_dir="cache")
standard = standardize_sharegpt(data)
whole = [row["messages"] for row in rows(folder / "messages.json")]
turns = [[{"role": turn["role"], "content": turn["content"]} for turn in row["conversations"]] for row in standard]
assert turns == whole and len(whole) == 12
texts = datasets.Dataset.from_list([{"text": tokenizer().apply_chat_template(row, tokenize=False)} for row in turns])
config = trl.SFTConfig(output_dir="out", report_to="none", use_cpu=True, bf16=False, dataset_num_proc=1)
trainer = trl.SFTTrainer(model(), config, train_dataset=texts, processing_class=tokenizer())
trainer = train_on_responses_only(trainer, instruction_part="<user>", response_part="<assistant>")
first = trainer.train_dataset[0]
words = tokenizer().convert_ids_to_tokens(first["input_ids"])
said = learned(words, first["labels"])
assert said[0] == "Step" and "Answer:" in said, said
done(version("unsloth"), "standardize_sharegpt and train_on_responses_only read 12 rows, the answers learned")
