"""Has LLaMA-Factory load `sharegpt` by the entry in `dataset_info.json`, as its command does before it trains."""

import sys
from importlib.metadata import version
from pathlib import Path

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments, ModelArguments, TrainingArguments
from small_words import done, learned, tokenizer

folder = Path(sys.argv[1])
words_of = tokenizer()
given = DataArguments(dataset="sums", dataset_dir=str(folder), template="default", cutoff_len=512, overwrite_cache=True)
template = get_template_and_fix_tokenizer(words_of, given)
training = TrainingArguments(output_dir="out", do_train=True, use_cpu=True, report_to="none")
module = get_dataset(template, ModelArguments(model_name_or_path="none"), given, training, "sft", tokenizer=words_of)
data = [*module["train_dataset"]]
words = words_of.convert_ids_to_tokens(data[0]["input_ids"])
assert len(data) == 12, len(data)
said = learned(words, data[0]["labels"])
assert said[0] == "Step" and said[-3:] == ["Answer:", "B", "</s>"], said
done(version("llamafactory"), "get_dataset read `sums` of dataset_info.json, 12 rows, the answers learned")
