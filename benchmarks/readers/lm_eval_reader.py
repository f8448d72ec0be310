"""Has lm-evaluation-harness and stepdown read the harness's own GSM8K tasks: prompts, answers and scores are the same.

On the problems of `../shared/data/gsm8k` where they are here, else on sums. Prints one JSON line.
"""

import asyncio
import importlib.metadata
import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from stepdown.exchange import load_task

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k"
TASKS = Path(lm_eval.__file__).parent / "tasks" / "gsm8k"
COUNT = 40  # documents
REPLIES = (
    "{whole}", "The answer is {gold}.", "The final answer is ${gold}.00", "The answer is -{gold}", "", "No number.",
    "####{gold}", "A. 12 and 1,234 and {gold}.", "$ , . -", "the FINAL answer is {gold} dollars.", "\x00 \u0663 {gold}",
)  # fmt: skip


def data(folder: Path) -> dict[str, str]:
    """Return the file of each split."""
    for place, split in enumerate(("train", "test")):
        if not (GSM8K / f"{split}.jsonl").exists():
            sums = range(100 * place, 100 * place + 60)
            rows = [{"question": f"What is {n} plus 1?", "answer": f"{n}+1={n + 1}\n#### {n + 1}"} for n in sums]
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    place = GSM8K if (GSM8K / "test.jsonl").exists() else folder
    return {split: str(place / f"{split}.jsonl") for split in ("train", "test")}


def local_tasks(folder: Path) -> list[Path]:
    """Copy the harness's tasks, with these files in place of the hub's."""
    here = f"dataset_path: json\ndataset_kwargs: {json.dumps({'data_files': data(folder)})}"
    for path in TASKS.glob("*.yaml"):
        text = re.sub(r"(?m)^dataset_name: .*$", "", path.read_text("utf-8"))
        (folder / path.name).write_text(re.sub(r"(?m)^dataset_path: .*$", lambda _: here, text))
    return sorted(folder.glob("*.yaml"))


def theirs(path: Path) -> Any:
    config = load_yaml(path, resolve_func=True, recursive=True)
    config.pop("include", None)
    task = ConfigurableTask(config=config)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=COUNT, rank=0, world_size=1)
    return task


def compare(path: Path) -> tuple[int, int]:
    """Return how many prompts and how many graded replies are the same; raises where any differs."""
    task, ours = theirs(path), load_task(path)
    prompts = [one.args[0] for one in task.instances]
    problems = [one for one, _ in zip(ours.problems, range(COUNT), strict=False)]
    mine = [ours.prompt(problem) for problem in problems[: len(prompts)]]
    assert prompts == mine, (path.name, next(pair for pair in zip(prompts, mine, strict=True) if pair[0] != pair[1]))
    documents, problems = (
        list(task.eval_docs)[:COUNT],
        [one for one, _ in zip(ours.problems, range(COUNT), strict=False)],
    )
    draw, graded = random.Random(1), 0
    for ensemble in task._filters:
        grader = ours.grader(ensemble.name)
        for document, problem in zip(documents, problems, strict=True):
            whole = document["answer"]
            gold = whole.rpartition("####")[2].strip()
            said = [one.format(whole=whole, gold=gold) for one in draw.choices(REPLIES, k=task.config.repeats)]
            one = Instance("generate_until", document, ("", {}), 0)
            one.resps = said
            ensemble.apply([one])
            answer = one.filtered_resps[ensemble.name]
            grade = asyncio.run(grader.vote(problem, said) if grader.votes else grader(problem, said[0]))
            score = task.process_results(document, [answer])["exact_match"]
            assert grade.found == answer and (grade.verdict == "right") == (score == 1.0), (said, answer, score, grade)
            graded += 1
    return len(prompts), graded


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        counts = [compare(path) for path in local_tasks(Path(folder))]
    prompts, graded = (sum(one) for one in zip(*counts, strict=True))
    assert prompts > 100 and graded > 200
    did = f"{len(counts)} of its task files: {prompts} prompts, {graded} answers and scores the same"
    print(json.dumps({"ok": True, "version": importlib.metadata.version("lm_eval"), "did": did}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
