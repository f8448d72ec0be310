"""Has axolotl preprocess `messages` and `sharegpt` by its own command, and looks at what it prepared."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import datasets
from small_words import done, learned, model, tokenizer

folder = Path(sys.argv[1])
model().save_pretrained("base")
tokenizer().save_pretrained("base")
SHAREGPT = {
    "field_messages": "conversations",
    "message_property_mappings": {"role": "from", "content": "value"},
    "roles": {"user": ["human"], "assistant": ["gpt"]},
}
for name, more in (("messages.json", {"field_messages": "messages"}), ("sums.jsonl", SHAREGPT)):
    data = {"path": str(folder / name), "ds_type": "json", "type": "chat_template", "roles_to_train": ["assistant"]}
    config = {
        "base_model": str(Path("base").absolute()), "datasets": [{**data, **more}], "dataset_prepared_path": name[:4],
        "output_dir": "out", "sequence_len": 512, "micro_batch_size": 1, "gradient_accumulation_steps": 1,
        "num_epochs": 1, "learning_rate": 0.001, "optimizer": "adamw_torch", "chat_template": "tokenizer_default",
        "dataset_num_proc": 1, "special_tokens": {"pad_token": "<pad>"},
    }  # fmt: skip
    Path("config.yml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "axolotl.cli.main", "preprocess", "config.yml"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-1500:]
    [place] = [path.parent for path in Path(name[:4]).rglob("dataset_info.json")]
    prepared = datasets.load_from_disk(str(place))
    words = tokenizer().convert_ids_to_tokens(prepared[0]["input_ids"])
    assert len(prepared) == 12, len(prepared)
    said = learned(words, prepared[0]["labels"])
    assert said[0] == "Step" and "Answer:" in said, said
done(version("axolotl"), "`axolotl preprocess` read messages and sharegpt, 12 rows each, the answers learned")
