"""The authors' traces CSV becomes a run and comes back as it was; bad files leave nothing behind."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from real_data import TRACES, whole
from stepdown.errors import BadRow, UsageError
from stepdown.exchange import export_run, import_traces
from stepdown.models import ScriptedModel
from stepdown.problems import load_problems
from stepdown.runner import run as solve_all
from stepdown.store import Store

NAME = "sot-gpt4-zephyr-gsm8k-05-28-24-traces.csv"


def exchange(asked: str, said: str, counts: tuple[int, int], *, paid: bool) -> dict[str, Any]:
    """One side of a row's JSON."""
    keys = ("input_text", "output_text", "input_count", "output_count", "cost_tokens")
    return dict(zip(keys, (asked, said, *counts, sum(counts) if paid else 0), strict=True))


def trace(question: str, gold: str, solution: str = "So 18.", *, output: int = 5) -> dict[str, Any]:
    """The JSON of one row by GPT-4 and Zephyr, in the words of the released traces."""
    asked = (
        f"Create step-by-step prompts for this problem:{question}"
        "Format as a list of simple instructions to guide a student. Do not solve the problem."
    )
    plan = "1. Add.\n2. Say the sum."
    follow = (
        f"First, carefully review this problem:\n{question}\n"
        f"Then, solve the problem using the provided steps as a plan, thinking step-by-step.\n{plan}"
    )
    return {
        "dataset_question": question,
        "dataset_answer": gold,
        "delegation": exchange(asked, plan, (30, 10), paid=True),
        "answer": exchange(follow, solution, (60, output), paid=False),
        "annotations": {"delegation": "", "answer": ""},
        "total_count": 100 + output,
        "cost_total": 40,
    }


def cells(row: dict[str, Any]) -> list[str]:
    """The six cells of a row."""
    plan, answer = row["delegation"], row["answer"]
    return [
        json.dumps(row), plan["input_text"], plan["output_text"], answer["output_text"],
        row["dataset_answer"], str(row["cost_total"]),
    ]  # fmt: skip


def write(path: Path, rows: list[list[str]]) -> Path:
    """A CSV file of these rows."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path) -> list[list[str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


TWO = [trace("What is 9 plus 9?", "9+9=18\n#### 18"), trace("What is 7 plus 3?", "7+3=10\n#### 10")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.whole(name)) for name in TRACES])
def test_every_released_file_comes_back_cell_by_cell(name: str, store: Store, tmp_path: Path) -> None:
    out, path = tmp_path / "out.csv", whole(name)
    run = import_traces(path, store=store)
    assert export_run(run, "csv-traces", out) == len(run) == 200
    csv.field_size_limit(2**31 - 1)
    assert read(out) == read(path)


@pytest.mark.whole(TRACES[1], "math/test.jsonl")
def test_imported_problems_are_the_benchmark_s_own(store: Store) -> None:
    run = import_traces(whole(TRACES[1]), store=store)
    own = load_problems("math", split="test", data=whole("math/test.jsonl"), limit=200)
    assert run.settings.problems == own.check().fingerprint
    assert [one.problem for one in run.traces()] == list(own)


RUNAWAY = "trace-of-thought/sot-llama38b-zephyr-math-05-28-24-traces.csv"


@pytest.mark.whole(RUNAWAY)
def test_runaway_outputs_of_the_released_files_are_truncated(store: Store) -> None:
    run = import_traces(whole(RUNAWAY), store=store)
    assert run.summary().truncated == 2


def test_an_imported_run_says_who_played_which_role(store: Store, tmp_path: Path) -> None:
    settings = import_traces(write(tmp_path / NAME, [cells(one) for one in TWO]), store=store).settings
    assert (settings.teacher, settings.student) == ("openai/gpt-4-0613", "ollama/zephyr")
    assert (settings.method, settings.prompt_set, settings.dataset) == ("trace-of-thought", "traces", "gsm8k/test")
    assert settings.count == 2


def test_a_file_of_another_name_has_unknown_models(store: Store, tmp_path: Path) -> None:
    run = import_traces(write(tmp_path / "mine.csv", [cells(one) for one in TWO]), store=store)
    assert (run.settings.teacher, run.settings.student) == ("unknown", "unknown")
    export_run(run, "csv-traces", tmp_path / "out.csv")
    assert read(tmp_path / "out.csv") == [cells(one) for one in TWO]


def test_prompts_replies_and_counts_are_kept_verbatim(store: Store, tmp_path: Path) -> None:
    run = import_traces(write(tmp_path / NAME, [cells(one) for one in TWO]), store=store)
    teacher, student = run.trace("gsm8k/test/1").calls
    assert teacher.messages[0].content == TWO[1]["delegation"]["input_text"]
    assert student.messages[0].content == TWO[1]["answer"]["input_text"]
    assert student.reply.text == "So 18." and student.reply.usage is not None
    assert (student.reply.usage.input, student.reply.usage.output) == (60, 5)


def test_an_imported_run_is_graded(store: Store, tmp_path: Path) -> None:
    run = import_traces(write(tmp_path / NAME, [cells(one) for one in TWO]), store=store)
    assert [grade.verdict for _, grade in run.graded()] == ["right", "wrong"]


def test_imported_plans_go_to_a_new_student(store: Store, tmp_path: Path) -> None:
    run = import_traces(write(tmp_path / NAME, [cells(one) for one in TWO]), store=store)
    problems = [one.problem for one in run.traces()]
    student = ScriptedModel({"plus": "It is 18."})
    again = solve_all(problems, "trace-of-thought", student=student, plans=run, store=store)
    assert [one.plan for one in again.traces()] == [one.plan for one in run.traces()]
    assert [len(one.calls) for one in again.traces()] == [1, 1]


def test_the_same_file_twice_is_one_run_whatever_its_name(store: Store, tmp_path: Path) -> None:
    first = import_traces(write(tmp_path / NAME, [cells(one) for one in TWO]), store=store)
    again = import_traces(write(tmp_path / "copy.csv", [cells(one) for one in TWO]), store=store)
    assert again.id == first.id and len(store.runs()) == 1 and len(again) == 2


def test_one_question_may_have_two_answers_in_a_file(store: Store, tmp_path: Path) -> None:
    rows = [trace("What is 9 plus 9?", "#### 18", said) for said in ("So 18.", "So 19.")]
    run = import_traces(write(tmp_path / NAME, [cells(one) for one in rows]), store=store)
    assert [one.solution for one in run.traces()] == ["So 18.", "So 19."]
    assert [one.calls[-1].reply.text for one in run.traces()] == ["So 18.", "So 19."]


def test_what_a_trace_cannot_say_comes_back_too(store: Store, tmp_path: Path) -> None:
    odd = TWO[0] | {"dataset_answer": " = 1,800 \n####  1,800 ", "annotations": {"delegation": "good", "answer": "no"}}
    odd["answer"] = odd["answer"] | {"cost_tokens": 7}
    run = import_traces(write(tmp_path / NAME, [cells(odd)]), store=store)
    assert next(run.traces()).problem.answer == "1800"
    export_run(run, "csv-traces", tmp_path / "out.csv")
    assert read(tmp_path / "out.csv") == [cells(odd)]


def test_math_and_choice_golds_are_recognised(store: Store, tmp_path: Path) -> None:
    formula = import_traces(
        write(tmp_path / "m.csv", [cells(trace("Half?", r"It is $\boxed{\frac12}$."))]), store=store
    )
    asked = trace("Where do fish live?\nA) in trees\nB) in water\n", "B")
    asked["dataset_question"] = "Where do fish live?"
    choice = import_traces(write(tmp_path / "c.csv", [cells(asked)]), store=store)
    assert next(formula.traces()).problem.kind == "expression"
    problem = next(choice.traces()).problem
    assert (problem.kind, problem.answer, problem.choices) == ("choice", "B", ("in trees", "in water"))


BAD = {
    "five cells": (cells(TWO[1])[:5], "the row"),
    "a cut JSON": ([cells(TWO[1])[0][:-9], *cells(TWO[1])[1:]], "trace"),
    "a missing key": ([json.dumps({"dataset_question": "q"}), *cells(TWO[1])[1:]], "trace"),
    "an unknown key": (cells(TWO[1] | {"more": 1}), "trace"),
    "half a character": ([cells(TWO[1])[0].replace("7 plus", r"\ud800"), *cells(TWO[1])[1:]], "trace"),
    "another solution in its cell": ([*cells(TWO[1])[:3], "So 99.", *cells(TWO[1])[4:]], "student output"),
    "a gold of another kind": (cells(trace("What?", r"\boxed{1}")), "gold"),
    "a gold without a number": (cells(trace("What?", "#### many")), "answer"),
    "no question": (cells(trace("", "#### 1")), "question"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_names_its_line_and_column_and_nothing_is_written(name: str, store: Store, tmp_path: Path) -> None:
    row, column = BAD[name]
    path = write(tmp_path / NAME, [cells(TWO[0]), row])
    with pytest.raises(BadRow) as caught:
        import_traces(path, store=store)
    # The first row's plan and gold cells hold a line break each.
    assert (caught.value.line, caught.value.column) == (4, column)
    assert store.runs() == []


@pytest.mark.parametrize("body", [b'"a cell that never ends', b"\xff\xfe\x00", b"caf\xe9,,,,,\n"])
def test_a_file_that_is_no_utf8_csv_is_refused(body: bytes, store: Store, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(body)
    with pytest.raises(BadRow):
        import_traces(path, store=store)
    assert store.runs() == []


@pytest.mark.parametrize(
    ("body", "said"), [(b"SQLite format 3\x00...", "is a database"), (b"PAR1\xb5...", "leaves out the calls")]
)
def test_a_file_that_is_no_text_is_called_what_it_is(body: bytes, said: str, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(body)
    with pytest.raises(UsageError, match=said):
        import_traces(path, store=store)


def test_missing_and_empty_files_are_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for name in ("empty.csv", "nowhere.csv", "."):
        with pytest.raises(UsageError):
            import_traces(tmp_path / name, store=store)
