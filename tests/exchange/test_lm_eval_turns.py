"""A document is asked and answered as lm-evaluation-harness writes it; expected values are those of lm_eval 0.4.13."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from stepdown.errors import UsageError
from stepdown.exchange import HarnessTask, load_task

DOCS: list[dict[str, Any]] = [
    {"q": "Sky?", "options": ["blue", "red"], "label": 0, "names": ["blue", "Azure"]},
    {"q": "Grass? ", "options": ["blue", "green"], "label": 1, "names": ["green"]},
    {"q": "Sun?", "options": ["gold", "red"], "label": 0, "names": ["gold", "yellow"]},
]
TASK: dict[str, Any] = {
    "task": "colours", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "docs.jsonl"}},
    "test_split": "test", "doc_to_text": "Q: {{q}}", "doc_to_target": "label", "doc_to_choice": "options",
    "num_fewshot": 1, "fewshot_config": {"sampler": "first_n"}, "generation_kwargs": {"until": ["\n"]},
    "metric_list": [{"metric": "exact_match"}, {"metric": "exact_match", "ignore_case": True}],
}  # fmt: skip


def task(folder: Path, docs: list[dict[str, Any]] = DOCS, **more: Any) -> HarnessTask:
    (folder / "docs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in docs))
    (folder / "colours.yaml").write_text(json.dumps(TASK | more))
    return load_task(folder / "colours.yaml")


def first(**more: Any) -> dict[str, Any]:
    return {"fewshot_config": {"sampler": "first_n", **more}}


@pytest.mark.parametrize(
    ("more", "shown", "asked"),
    [
        ({}, "Q: Sky? blue\n\n", "Q: Grass? "),
        ({"gen_prefix": "A:"}, "Q: Sky? A: blue\n\n", "Q: Grass? A:"),
        ({"gen_prefix": "A: "}, "Q: Sky? A: blue\n\n", "Q: Grass? A: "),
        ({"gen_prefix": "{{q}}"}, "Q: Sky? Sky? blue\n\n", "Q: Grass? Grass? "),
        ({"gen_prefix": "A:", "target_delimiter": "/"}, "Q: Sky?/A: blue\n\n", "Q: Grass? A:"),
        ({"gen_prefix": "A:", **first(gen_prefix=None, target_delimiter="/")}, "Q: Sky?/blue\n\n", "Q: Grass? A:"),
        ({"doc_to_target": "names", "doc_to_choice": None}, "Q: Sky? blue\n\n", "Q: Grass? "),
        ({"doc_to_target": "{{label}}", "doc_to_choice": "{{options}}"}, "Q: Sky? blue\n\n", "Q: Grass? "),
        ({"doc_to_choice": {"a": "x", "b": "y"}, **first(doc_to_choice=["v", "w"])}, "Q: Sky? v\n\n", "Q: Grass? "),
        ({"doc_to_target": 1}, "Q: Sky? red\n\n", "Q: Grass? "),
        ({"doc_to_target": ["a", "b"], "doc_to_choice": None}, "Q: Sky? a\n\n", "Q: Grass? "),
        ({"doc_to_target": "{{q[:0]}}", "doc_to_choice": None, "gen_prefix": "A:"}, "Q: Sky? A:", "Q: Grass? A:"),
    ],
)
def test_demonstrations_and_questions_are_the_harness_s(
    more: dict[str, Any], shown: str, asked: str, tmp_path: Path
) -> None:
    read = task(tmp_path, **more)
    assert read.prompt([*read.problems][1]) == shown + asked


@pytest.mark.parametrize(
    ("more", "golds"),
    [
        ({}, [("blue",), ("green",), ("gold",)]),
        ({"doc_to_choice": ["x", "y"], "doc_to_target": "{{label}}"}, [("x",), ("y",), ("x",)]),
        ({"doc_to_target": "names", "doc_to_choice": None}, [("blue", "Azure"), ("green",), ("gold", "yellow")]),
        ({"doc_to_target": "{{[q[0], q]}}", "doc_to_choice": None}, [("S", "Sky?"), ("G", "Grass? "), ("S", "Sun?")]),
        ({"doc_to_target": "{{[q] if label else q}}", "doc_to_choice": None}, [("Sky?",), ("['Grass? ']",), ("Sun?",)]),
        ({"doc_to_target": "[{{q}}]", "doc_to_choice": None}, [("[Sky?]",), ("[Grass? ]",), ("[Sun?]",)]),
        ({"doc_to_target": "label", "doc_to_choice": None}, [("0",), ("1",), ("0",)]),
    ],
)  # fmt: skip
def test_what_is_right_is_what_the_harness_takes_for_it(
    more: dict[str, Any], golds: list[tuple[str, ...]], tmp_path: Path
) -> None:
    read = task(tmp_path, num_fewshot=0, **more)
    problems = [*read.problems]
    assert [read.golds(one) for one in problems] == golds
    assert [one.answer for one in problems] == [one[0] for one in golds]


@pytest.mark.parametrize(
    ("place", "said", "verdict"),
    [(0, "azure", "right"), (0, "Blue", "right"), (0, "red", "wrong"), (1, "Azure", "wrong")],
)
def test_any_of_several_targets_is_right_by_the_last_of_equal_metrics(
    place: int, said: str, verdict: str, tmp_path: Path
) -> None:
    read = task(tmp_path, doc_to_target="{{names}}", doc_to_choice=None)
    assert asyncio.run(read.grader()([*read.problems][place], said)).verdict == verdict


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"doc_to_target": "q"}, "`doc_to_target`.* must be the place of one of 2 choices, found `Sky"),
        ({"doc_to_target": 5}, "`doc_to_target`.* the place of one of 2 choices, found int `5`"),
        ({"doc_to_choice": "{{q}}"}, "`doc_to_choice`.* must be a list, found `Sky"),
        ({"doc_to_text": "{{label}}"}, "`doc_to_text`.* a number chooses among several prompts"),
        ({"doc_to_text": "label", "doc_to_choice": None}, "`doc_to_text`.* must be a text, found int"),
        ({"doc_to_target": "{{[label]}}", "doc_to_choice": None}, "`doc_to_target`.* must be a list of texts"),
        ({"doc_to_target": "{{q if label else [q]}}", "doc_to_choice": None}, "list of texts, .* found `Grass"),
        ({"doc_to_target": "[{{'1,' ~ q}}]"}, "concat"),
        ({"gen_prefix": "label"}, "`gen_prefix`.* must be a text, found int"),
    ],
)  # fmt: skip
def test_what_the_harness_breaks_over_or_misreads_is_refused_before_anything_is_asked(
    more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        [*task(tmp_path, num_fewshot=0, **more).problems]


@pytest.mark.parametrize(
    "said", ["-" * 60_000 + "1", "a" + "[0]" * 20_000, "__import__('os')", "'a'.upper()", "(" * 30_000]
)
def test_a_list_that_is_no_list_of_plain_values_is_a_text(said: str, tmp_path: Path) -> None:
    read = task(tmp_path, [{"q": said}], num_fewshot=0, doc_to_target="[{{q}}]", doc_to_choice=None)
    assert read.golds(next(iter(read.problems))) == (f"[{said}]",)


def test_a_column_that_some_documents_lack_is_none_as_in_tables(tmp_path: Path) -> None:
    docs = [*DOCS, {"q": "Sea?", "options": ["a", "b"], "label": 1}]
    read = task(tmp_path, docs, num_fewshot=0, doc_to_text="{{names}} {{q}}")
    assert read.prompt([*read.problems][3]) == "None Sea?"
