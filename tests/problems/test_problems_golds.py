"""Golds as files write them, rows of known benchmarks under any file name, and values that say "missing"."""

import json
from pathlib import Path
from typing import Any

import pytest

from real_data import CUTS, whole
from stepdown.cli import main
from stepdown.errors import BadRow
from stepdown.problems import Columns, load_problems
from stepdown.types import Kind, Problem

PAIR_TEXTS = ("sun", "moon")
PAIR = {"label": ["A", "B"], "text": ["sun", "moon"]}


def only(folder: Path, row: dict[str, Any], columns: Columns | None = None) -> Problem:
    path = folder / "mine.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (problem,) = load_problems(str(path), columns=columns)
    return problem


@pytest.mark.parametrize(
    ("gold", "answer", "kind"),
    [
        ("50%", "50%", "number"), ("1/2", "1/2", "number"), ("1e6", "1e6", "number"), ("1 1/2", "1 1/2", "number"),
        (r"\frac{1}{2}", r"\frac{1}{2}", "number"), (r"$\frac12$", r"\frac12", "number"), ("-$3", "-3", "number"),
        (r"\boxed{5}", "5", "number"), ("2 + 2 = 4\n#### 1,004", "1004", "number"),
        ("3.5 million", "3.5 million", "number"),
        ("2x+3", "2x+3", "expression"), ("(1, 2)", "(1, 2)", "expression"), (r"\sqrt{2}", r"\sqrt{2}", "expression"),
        (r"so \boxed{x+1}.", "x+1", "expression"), ("[0, 1)", "[0, 1)", "expression"), ("Paris", "Paris", "text"),
        (True, "yes", "text"), ("true", "true", "text"), ("well-known", "well-known", "text"),
        ("05/01/2021", "05/01/2021", "text"),
        ("2024-01-02", "2024-01-02", "text"), ("12:30", "12:30", "text"), ("A", "A", "text"),
    ],
)  # fmt: skip
def test_a_golds_form_says_its_kind(tmp_path: Path, gold: Any, answer: str, kind: Kind) -> None:
    problem = only(tmp_path, {"question": "q", "answer": gold})
    assert (problem.answer, problem.kind) == (answer, kind)


@pytest.mark.parametrize(
    "gold", [None, "", "  ", "NaN", "nan", "N/A", "n/a", "NA", "None", "null", "<NA>", "#N/A", "-", "?", "####",
     "so\n#### N/A"]
)  # fmt: skip
def test_a_missing_gold_is_refused_in_any_dress(tmp_path: Path, gold: Any) -> None:
    with pytest.raises(BadRow) as caught:
        only(tmp_path, {"question": "q", "answer": gold})
    assert caught.value.column == "answer"


def test_a_missing_number_is_refused_in_json_csv_and_parquet(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    polars.DataFrame({"question": ["q"], "answer": [float("nan")]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"question": "q", "answer": NaN}\n')
    (tmp_path / "a.csv").write_text("question,answer\nq,nan\n")
    for suffix, said in (("parquet", "there is none"), ("jsonl", "are no JSON"), ("csv", "there is none")):
        with pytest.raises(BadRow, match=said):
            load_problems(str(tmp_path / f"a.{suffix}")).check()


def test_a_word_that_looks_missing_is_a_gold_where_the_kind_is_text(tmp_path: Path) -> None:
    row = {"question": "Which?", "answer": "None"}
    assert only(tmp_path, row, Columns(kind="text")).answer == "None"
    assert only(tmp_path, {**row, "choices": ["Some", "None"]}).answer == "B"


KNOWN: list[tuple[dict[str, Any], str, str, tuple[str, ...]]] = [
    ({"question": "Q", "answer": "1+1=<<1+1=2>>2\n#### 2,125"}, "number", "2125", ()),
    ({"problem": "Q", "solution": "so $\\boxed{x+1}$."}, "expression", "x+1", ()),
    ({"problem": "Q", "solution": "\\boxed{5}", "answer": "5", "unique_id": "test/a/1.json"}, "expression", "5", ()),
    ({"Problem": "Q", "Answer": "073"}, "number", "073", ()),
    ({"id": "1", "answerKey": "B", "question": "Q", "choices": PAIR}, "choice", "B", ("sun", "moon")),
    (
        {"id": "1", "answerKey": "2", "question": "Q", "choices": {**PAIR, "label": ["1", "2"]}},
        "choice",
        "B",
        PAIR_TEXTS,
    ),
    ({"id": "1", "answerKey": "B", "question_stem": "Q", "choices": PAIR}, "choice", "B", ("sun", "moon")),
    ({"question": "Q (A) sun or (B) moon?", "answer_index": 1, "id": "1"}, "choice", "B", ("sun", "moon")),
    ({"question": "Q (A) sun or (B) moon?", "answer": "(B)"}, "choice", "B", ("sun", "moon")),
    ({"input": "Q\nOptions:\n(A) sun\n(B) moon", "target": "(B)"}, "choice", "B", ("sun", "moon")),
    ({"question": "Q\nA. sun\nB. moon", "answer": "B"}, "choice", "B", ("sun", "moon")),
    ({"question": "Q", "A": "sun", "B": "moon", "answer": "B"}, "choice", "B", ("sun", "moon")),
    ({"question": "Q", "options": {"A": "sun", "B": "moon"}, "answer": "B"}, "choice", "B", ("sun", "moon")),
    ({"question": "Q", "options": ["A)21", "B)2.5"], "rationale": "r", "correct": "B"}, "choice", "B", ("21", "2.5")),
    ({"question": "Q", "subject": "s", "choices": ["4", "0", "1"], "answer": 1}, "choice", "B", ("4", "0", "1")),
    ({"question": "Q", "choices": ["sun", "moon"], "answer": 1, "metadata": {}}, "choice", "B", ("sun", "moon")),
    ({"goal": "Q", "sol1": "sun", "sol2": "moon", "label": 1}, "choice", "B", ("sun", "moon")),
    ({"sentence": "Q", "option1": "sun", "option2": "moon", "answer": "2"}, "choice", "B", ("sun", "moon")),
    ({"ctx": "Q", "endings": ["sun", "moon"], "label": "1"}, "choice", "B", ("sun", "moon")),
    ({"body": "Q", "question": "R", "answer": "9 (apples)", "formula": "7+2=9"}, "number", "9", ()),
    ({"Body": "Q", "Question": "R", "Answer": 8.0, "Equation": "( 8.0 )", "ID": "1"}, "number", "8", ()),
    ({"input": "Q", "code": "x", "target": 5.0}, "number", "5", ()),
    ({"sQuestion": "Q", "lSolutions": [18.0]}, "number", "18", ()),
    ({"qid": "1", "question": "Q", "answer": True}, "text", "yes", ()),
    ({"question": "R", "passage": "Q", "answer": False}, "text", "no", ()),
]


@pytest.mark.parametrize(("row", "kind", "answer", "choices"), KNOWN)
def test_a_known_benchmarks_row_is_read_as_its_own_whatever_the_file_is_called(
    tmp_path: Path, row: dict[str, Any], kind: Kind, answer: str, choices: tuple[str, ...]
) -> None:
    problem = only(tmp_path, row)
    assert problem.question.startswith("Q")
    assert (problem.kind, problem.answer, problem.choices) == (kind, answer, choices)


def test_a_worked_solution_as_gold_is_kept_as_the_solution(tmp_path: Path) -> None:
    problem = only(tmp_path, {"question": "Q", "answer": "1 + 1 = 2\n#### 2"})
    assert problem == Problem(id="mine/0", question="Q", answer="2", solution="1 + 1 = 2")


@pytest.mark.parametrize("answer", [2, "C", "3"])
def test_a_place_that_is_no_choices_is_refused(tmp_path: Path, answer: Any) -> None:
    with pytest.raises(BadRow, match="one of A, B"):
        only(tmp_path, {"question": "Q", "choices": ["sun", "moon"], "answer": answer})


def test_a_place_that_is_also_another_choices_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="not both a letter or place"):
        only(tmp_path, {"question": "Q", "choices": ["4", "0", "1"], "answer": 1})
    assert only(tmp_path, {"question": "Q", "choices": ["4", "0", "1"], "answer": "1"}).answer == "C"


def test_the_kinds_of_a_files_rows_are_counted_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    path = tmp_path / "mine.jsonl"
    rows = [{"question": f"q{gold}", "answer": gold} for gold in ("1", "1/2", "Ada")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load_problems(str(path)).check().kinds == {"number": 2, "text": 1}
    sized = ["--method", "direct", "--estimate", "--store", str(tmp_path / "s.sqlite")]
    assert main(["run", str(path), "--student", "openai/gpt-4o", *sized]) == 0
    assert capsys.readouterr().err.count("mine: 2 number, 1 text; --kind takes all for one") == 1


def test_an_object_that_holds_its_rows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    path.write_text(json.dumps({"canary": "x", "examples": [{"input": "not True is", "target": "False"}]}))
    assert load_problems(str(path))[0].answer == "False"


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("neqa.jsonl", 6),
        ("neqa_prize_form.csv", 4),
        pytest.param("neqa/neqa.jsonl", 1718, marks=pytest.mark.whole("neqa/neqa.jsonl")),
        pytest.param("neqa/prize_form.csv", 870, marks=pytest.mark.whole("neqa/prize_form.csv")),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_neqa_is_read_in_both_its_forms_by_name_and_by_file(file: str, count: int, named: bool) -> None:
    path = whole(file) if "/" in file else CUTS / file
    problems = load_problems("neqa", data=path) if named else load_problems(str(path))
    found = problems.check()
    assert found.kinds == {"choice": count}
    assert {len(problem.choices) for problem in problems} == {2}
