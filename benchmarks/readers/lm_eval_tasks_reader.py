"""Has stepdown read every `generate_until` task that lm-evaluation-harness brings, and compares what the harness makes.

Of the tasks that are read, up to `EACH` of a folder are given documents that are made up of the names in their
templates: prompts, filtered replies and scores must be the same. Prints the reasons of refusals to stderr, and one JSON
line. Minutes.
"""

import asyncio
import importlib.metadata
import json
import logging
import random
import re
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import lm_eval
from jinja2 import meta
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import apply_template, env

from stepdown.errors import StepdownError
from stepdown.exchange import HarnessTask, load_task

TASKS = Path(lm_eval.__file__).parent / "tasks"
EACH, DOCUMENTS, TRIES = 2, 5, 150
WORDS = ("up", "down", "Yes", " no ", "42", "The cat", "1,234", "A", "B", "déjà vu", "x.y!")
REPLIES = (
    "{gold}", " {gold} ", "The answer is {gold}.", "The best answer is {gold}", "#### {gold}", "({gold}).", "", "none",
    "It is {gold}\nNo.", "Answer: B", "(B)", "x {gold} y {gold}", "$1,234.00 and 7", "so (C) then",
    "42", "[invalid]", ": C",
)  # fmt: skip
TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")


class Local(ConfigurableTask):  # type: ignore[misc]
    """A task of the harness with rows of ours by split."""

    rows: dict[str, list[dict[str, Any]]]

    def download(self, *given: Any, **more: Any) -> None:
        self.dataset = {split: datasets.Dataset.from_list(rows) for split, rows in self.rows.items()}


def value(draw: random.Random, kind: int) -> Any:
    """Return a field's value of a kind."""
    words = [draw.choice(WORDS) + str(place) for place in range(12)]
    kinds = (
        " ".join(words[:2]),
        draw.randint(0, 1),
        words,
        {"text": words[:5], "label": [*"ABCDE"]},
        f"a#### {len(words)}",
    )
    return kinds[kind]


def made_up(config: dict[str, Any], draw: random.Random) -> list[dict[str, Any]]:
    """Return documents that a task's templates fit; whatever the harness raises otherwise."""
    given = [config.get(one) for one in TEMPLATES] + [
        (config.get("fewshot_config") or {}).get(one) for one in TEMPLATES
    ]
    texts, names = [one for one in given if isinstance(one, str)], {"question"}
    for text in texts:
        names |= {text} if text.isidentifier() else meta.find_undeclared_variables(env.parse(text))
    by_choices = "multi_choice_regex" in str(config.get("filter_list"))
    kinds = {
        name: draw.choice(range(5)) if draw.random() < 0.5 else 0
        for name in sorted(names | {"choices"} if by_choices else names)
    }
    if config.get("doc_to_choice"):
        kinds |= dict.fromkeys({config["doc_to_target"]} & names, 1)
    kinds |= dict.fromkeys({"choices"} & kinds.keys(), draw.choice((2, 3)))
    documents = [{name: value(draw, kind) for name, kind in kinds.items()} for _ in range(4 * DOCUMENTS)]
    for text in texts:
        _ = text in kinds or [apply_template(text, one) for one in documents]
    return documents


def pair(path: Path, folder: Path) -> tuple[Local, HarnessTask] | None:
    """Return a task as the harness and as stepdown have it, over the same documents; None where none were found."""
    config, draw, documents = load_yaml(path, resolve_func=False), random.Random(path.name), None
    for _ in range(TRIES):
        with suppress(Exception):
            documents = documents or made_up(config, draw)
    names = ("test_split", "validation_split", "training_split", "fewshot_split")
    splits = [*dict.fromkeys(config[one] for one in names if config.get(one))]
    if not documents:
        return None
    Local.rows = {one: documents[: DOCUMENTS if one == splits[0] and len(splits) > 1 else None] for one in splits}
    for split, rows in Local.rows.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {one: f"{one}.jsonl" for one in splits}},
    }
    own = folder / "own.yaml"
    own.write_text(json.dumps({"include": str(path), **data}))
    try:
        ours = load_task(own)
        _ = [*ours.problems], ours.method
    except StepdownError:
        return None
    theirs = Local(config={key: one for key, one in load_yaml(own).items() if key not in ("tag", "group", "task_list")})
    theirs.set_fewshot_seed(1234)
    theirs.build_all_requests(limit=DOCUMENTS, rank=0, world_size=1)
    return theirs, ours


async def compared(theirs: Local, ours: HarnessTask, draw: random.Random) -> tuple[int, int]:
    """Return how many prompts and scores are the same. Raises where any differs."""
    problems = [*islice(ours.problems, DOCUMENTS)]
    prompts, graded = [one.args[0] for one in theirs.instances], 0
    assert prompts == [ours.prompt(one) for one in problems], (ours.name, prompts[:1])
    for ensemble in theirs._filters:
        try:
            grader = ours.grader(ensemble.name)
        except StepdownError:
            continue
        for document, problem in zip(theirs.eval_docs, problems, strict=False):
            gold = ours.golds(problem)[0]
            replies = [one.format(gold=gold) for one in draw.choices(REPLIES, k=theirs.config.repeats)]
            asked = Instance("generate_until", document, ("", {}), 0)
            asked.resps = replies if grader.votes else replies[:1]
            ensemble.apply([asked])
            answer = asked.filtered_resps[ensemble.name]
            score = theirs.process_results(document, [answer])["exact_match"]
            grade = await (grader.vote(problem, replies) if grader.votes else grader(problem, replies[0]))
            left = answer[0] if isinstance(answer, list) else answer
            found = grade.found, grade.verdict == "right"
            assert found == (left[:300], score == 1.0), (ours.file, replies, answer, grade)
            graded += 1
    return len(prompts), graded


def main() -> int:
    logging.disable(logging.WARNING)
    read, folders, counts, refused, asked = list[Path](), Counter[Path](), Counter[str](), Counter[str](), 0
    for path in sorted(TASKS.glob("**/*.yaml")):
        config = load_yaml(path, resolve_func=False)
        is_task = isinstance(config.get("task"), str) and not config.keys() & {"class", "group"}
        if is_task and config.get("output_type", "generate_until") == "generate_until":
            asked += 1
            try:
                load_task(path).grader()
                read.append(path)
            except StepdownError as error:
                refused[re.sub(r"`[^`]*/[^`]*`|!function [^`]*", "...", error.what)] += 1
    for path in read:
        folders[path.parent] += 1
        if folders[path.parent] <= EACH:
            with tempfile.TemporaryDirectory() as folder:
                both = pair(path, Path(folder))
                prompts, scores = asyncio.run(compared(*both, random.Random(1))) if both else (0, 0)
            counts.update(prompts=prompts, scores=scores, tasks=prompts > 0)
    print("\n".join(f"{count:5d} {why}" for why, count in refused.most_common()), file=sys.stderr)
    assert counts["tasks"] > 100
    same = f"{counts['prompts']} prompts and {counts['scores']} scores the same"
    did = f"{len(read)} of {asked} tasks read; of {counts['tasks']}, {same}"
    print(json.dumps({"ok": True, "version": importlib.metadata.version("lm_eval"), "did": did}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
