"""Benchmarks in their published formats: rows of our own, rows of theirs, and whole files where they are here."""

import json
from pathlib import Path
from typing import Any

import pytest

from real_data import CUTS, whole
from stepdown.errors import BadRow
from stepdown.problems import datasets, load_problems
from stepdown.problems.hendrycks_math import last_box
from stepdown.types import Problem

LISTED = [{"label": "A", "text": "sun"}, {"label": "B", "text": "moon"}]
NEQA = (
    "The following are multiple choice questions (with answers) about common sense.\n\n"
    "Question: A cat is not\nA. an animal\nB. a stone\nAnswer:"
)


def load_row(name: str, row: dict[str, Any], folder: Path) -> Problem:
    path = folder / f"{name}.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return load_problems(name, data=path)[0]


def test_gsm8k_takes_the_number_after_the_marks_without_commas(tmp_path: Path) -> None:
    problem = load_row("gsm8k", {"question": "Q?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2,125"}, tmp_path)
    assert problem == Problem(id="gsm8k/test/0", question="Q?", answer="2125", solution="1 + 1 = <<1+1=2>>2")


def test_gsm8k_refuses_an_answer_without_its_marks(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="a solution that ends in `#### N`"):
        load_row("gsm8k", {"question": "Q?", "answer": "It is 2"}, tmp_path)


@pytest.mark.parametrize(
    ("solution", "gold"),
    [
        ("so $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("first \\boxed{1}, then \\boxed{x \\in \\{1, 2\\}}", "x \\in \\{1, 2\\}"),
        ("$\\boxed 7$ it is", "7"),
        ("$\\fbox{3}$", "3"),
        ("never \\boxed{closed", None),
        ("no box", None),
    ],
)
def test_math_takes_the_last_box(solution: str, gold: str | None) -> None:
    assert last_box(solution) == gold


def test_math500_takes_the_answer_and_the_id_of_the_row(tmp_path: Path) -> None:
    row = {"problem": "P", "solution": "\\boxed{1}", "answer": "\\$1", "level": 2, "unique_id": "test/algebra/7.json"}
    problem = load_row("math500", row, tmp_path)
    assert (problem.id, problem.answer, problem.kind) == ("math500/test/algebra/7", "\\$1", "expression")


def test_commonsenseqa_is_read_in_its_official_form(tmp_path: Path) -> None:
    row = {"id": "f00", "answerKey": "B", "question": {"stem": "At night?", "choices": LISTED}}
    problem = load_row("commonsenseqa", row, tmp_path)
    assert problem == Problem(
        id="commonsenseqa/dev/f00", question="At night?", answer="B", choices=("sun", "moon"), kind="choice"
    )


def test_commonsenseqa_without_golds_points_to_the_split_that_has_them(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="use the split `dev`"):
        load_row("commonsenseqa", {"id": "f00", "question": {"stem": "At night?", "choices": LISTED}}, tmp_path)


def test_neqa_finds_question_and_choices_inside_its_prompt(tmp_path: Path) -> None:
    problem = load_row("neqa", {"prompt": NEQA, "classes": [" A", " B"], "answer_index": 1}, tmp_path)
    assert (problem.question, problem.choices, problem.answer) == ("A cat is not", ("an animal", "a stone"), "B")


@pytest.mark.parametrize(
    "row",
    [
        {"id": "7-9", "answerKey": "B", "question": {"stem": "Seen at night:", "choices": LISTED}},
        {"id": "7-9", "answerKey": "B", "question_stem": "Seen at night:", "choices": LISTED},
        {"question": "Seen at night: (a) sun (b) moon", "rationale": "dummy", "answer": "(b)"},
        {
            "instruction": "Please choose the correct answer to the question: Seen at night:\n\n"
            "Answer1: sun Answer2: moon\n\nAnswer format: answer1/answer2",
            "answer": "answer2",
        },
    ],
)
def test_openbookqa_is_read_alike_in_all_its_forms(row: dict[str, Any], tmp_path: Path) -> None:
    problem = load_row("openbookqa", row, tmp_path)
    assert (problem.question, problem.choices, problem.answer) == ("Seen at night:", ("sun", "moon"), "B")


@pytest.mark.parametrize("gold", [{"answer": "(A)"}, {"answer_index": 0, "id": "QuaRel_V1_1"}])
def test_quarel_strips_the_choices_out_of_the_question(gold: dict[str, Any], tmp_path: Path) -> None:
    problem = load_row("quarel", {"question": "Ice has (A) less grip or (B) more grip.", **gold}, tmp_path)
    assert (problem.question, problem.choices, problem.answer) == ("Ice has", ("less grip", "more grip"), "A")


def test_svamp_joins_body_and_question_and_keeps_the_equation(tmp_path: Path) -> None:
    rows = [{"ID": "chal-1", "Body": "Al has 8 hats.", "Question": "How many?", "Equation": "( 8.0 )", "Answer": 8.0}]
    (tmp_path / "SVAMP.json").write_text(json.dumps(rows, indent=4))
    (problem,) = load_problems("svamp", data=tmp_path / "SVAMP.json")
    assert problem == Problem(
        id="svamp/test/chal-1", question="Al has 8 hats. How many?", answer="8", solution="( 8.0 )"
    )


@pytest.mark.parametrize(
    ("file", "split"), [("train_rand_split", "train"), ("dev-v2", "dev"), ("validation", "dev"), ("mine", "dev")]
)
def test_the_split_is_read_from_the_name_of_the_file(file: str, split: str, tmp_path: Path) -> None:
    (tmp_path / f"{file}.jsonl").write_text("{}\n")
    assert load_problems("commonsenseqa", data=tmp_path / f"{file}.jsonl").dataset == f"commonsenseqa/{split}"


def test_a_given_split_wins_over_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}\n")
    assert load_problems("gsm8k", data=tmp_path / "train.jsonl", split="test").dataset == "gsm8k/test"


def test_every_data_set_says_its_licence_source_and_size() -> None:
    listed = datasets()
    assert [one.name for one in listed][:2] == ["wordsums", "wordsums-1"]
    assert all(one.licence and one.source and set(one.rows) == set(one.splits) for one in listed)


REAL = [
    ("gsm8k", "gsm8k/test.jsonl", 1319, "gsm8k/test/12", "13"),
    ("gsm8k", "gsm8k/train.jsonl", 7473, "gsm8k/train/0", "72"),
    ("math", "math/test.jsonl", 5000, "math/test/2", "\\dfrac{9}{7}"),
    ("math500", "math/math500_test.jsonl", 500, "math500/test/number_theory/572", "9"),
    (
        "commonsenseqa",
        "commonsenseqa/dev_rand_split.jsonl",
        1221,
        "commonsenseqa/dev/1afa02df02c908a558b4036e80242fac",
        "A",
    ),
    ("commonsenseqa", "commonsenseqa/train_rand_split.jsonl", 9741, "", ""),
    ("openbookqa", "openbookqa/llmadapters_train.json", 4957, "openbookqa/train/0", "D"),
    ("openbookqa", "openbookqa/mario_raw_dev.jsonl", 499, "openbookqa/dev/1", "D"),
    ("quarel", "quarel/dev.jsonl", 278, "quarel/dev/3", "A"),
]


CUT = [
    ("gsm8k", "gsm8k_test.jsonl", 16, "gsm8k/test/12", "13"),
    ("math", "math_test.jsonl", 6, "math/test/2", "\\dfrac{9}{7}"),
    ("math500", "math500_test.jsonl", 4, "math500/test/number_theory/572", "9"),
    ("commonsenseqa", "commonsenseqa_dev.jsonl", 4, "commonsenseqa/dev/1afa02df02c908a558b4036e80242fac", "A"),
    ("openbookqa", "openbookqa_train.json", 4, "openbookqa/train/0", "D"),
]


@pytest.mark.parametrize(
    ("name", "path", "count", "identity", "gold"),
    [(name, CUTS / file, *facts) for name, file, *facts in CUT]
    + [pytest.param(name, file, *facts, marks=pytest.mark.whole(file)) for name, file, *facts in REAL],
)
def test_published_files_are_read(name: str, path: Path | str, count: int, identity: str, gold: str) -> None:
    problems = load_problems(name, data=path if isinstance(path, Path) else whole(path))
    assert problems.check().count == count
    assert not identity or gold in {problem.answer for problem in problems if problem.id == identity}
