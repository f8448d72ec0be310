"""A task of lm-evaluation-harness with its data, as files."""

import json
from pathlib import Path

TASK = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl, train: train.jsonl}}
test_split: test
training_split: train
fewshot_split: train
num_fewshot: 2
description: "Add.\\n\\n"
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
output_type: generate_until
generation_kwargs: {until: ["Question:", "\\n\\n"], do_sample: false, max_gen_toks: 64}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true,
     regexes_to_ignore: [",", "(?s).*#### "]}
filter_list:
  - name: strict-match
    filter: [{function: regex, regex_pattern: "#### (-?[0-9.,]+)"}, {function: take_first}]
  - name: flexible-extract
    filter: [{function: regex, group_select: -1, regex_pattern: "(-?[0-9.,]{2,})|(-?[0-9]+)"}, {function: take_first}]
metadata: {version: 1.0}
"""


def write_task(folder: Path, text: str = TASK, *, more: str = "") -> Path:
    """Write a task file and the sums that it asks, and return its path."""
    for split, first in (("test", 10), ("train", 100)):
        rows = (
            {"question": f"What is {n} plus 1?", "answer": f"{n}+1={n + 1}\n#### {n + 1}"}
            for n in range(first, first + 6)
        )
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "sums.yaml").write_text(text + more)
    return folder / "sums.yaml"
