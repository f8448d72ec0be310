"""Has TRL's own trainer prepare each form that is for it: only completions are learned, of `messages` all."""

import sys
import warnings
from pathlib import Path

import datasets
import trl
from small_words import done, learned, model, tokenizer

warnings.simplefilter("ignore")
folder = Path(sys.argv[1])
for to, kind in (("prompt-completion", "json"), ("messages", "json"), ("parquet", "parquet")):
    data = datasets.load_dataset(kind, data_files=str(folder / f"{to}.{kind}"), split="train", cache_dir="cache")
    config = trl.SFTConfig(output_dir="out", report_to="none", use_cpu=True, bf16=False)
    prepared = trl.SFTTrainer(model(), config, train_dataset=data, processing_class=tokenizer()).train_dataset
    words = tokenizer().convert_ids_to_tokens(prepared[0]["input_ids"])
    assert len(prepared) == 12 and words[0] == "<user>"
    began = 0 if to == "messages" else words.index("<assistant>") + 1
    assert learned(words, prepared[0]["labels"]) == words[began:] and words[-3:] == ["Answer:", "B", "</s>"]
done(trl.__version__, "SFTTrainer prepared prompt-completion, messages and parquet, 12 rows each")
