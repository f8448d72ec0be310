"""Runs go out as jsonl, csv and parquet, whole or not at all, and jsonl comes back as the same run."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import polars
import pytest

from stepdown.errors import BadRow, UnknownName, UsageError
from stepdown.exchange import FORMATS, export_run, import_traces
from stepdown.store import Run, Store
from stepdown.types import Call, Grade, Message, Plan, Problem, Reply, Role, Sampling, Settings, Trace, Usage

SETTINGS = Settings(dataset="d/test", problems="p", count=3, method="trace-of-thought", student="ollama/s", samples=2)
CONTRACT = [
    *("run", "problem", "sample", "question", "gold", "found", "verdict", "grader", "error"),
    *("truncated", "plan", "solution", "tokens", "cost"),
]


def call(role: Role, model: str, text: str) -> Call:
    usage = Usage(input=3, output=2)
    asked = (Message("system", "Be brief."), Message("user", "=1+1?\n" + text))
    return Call(role, model, asked, Sampling(stop=("\n\n",)), Reply(text, model, usage, logprob=-0.5))


def traces() -> list[Trace]:
    problem = Problem("d/test/0", "=1+1?", "2", choices=(), solution="1+1=2", plan="gold plan")
    plan = Plan("1. Add.", author="ann", edited_from="1. Guess.", why="wrong")
    calls = (call("teacher", "openai/gpt-4-0613", "1. Guess."), call("student", "ollama/s", 'It is "2",\r\nso 2.'))
    good = Trace(problem, "trace-of-thought", plan, calls, calls[1].reply.text)
    choice = Problem("d/test/1", "Which?", "B", choices=("left", "right"), kind="choice")
    failed = Trace(choice, "trace-of-thought", error="HTTP 500")
    return [good, failed]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Store(tmp_path / "from.sqlite") as store:
        opened = store.open_run(SETTINGS)
        for ordinal, trace in enumerate(traces()):
            opened.put_trace(ordinal, trace, source=str(ordinal))
        opened.put_grades(
            [(0, 0, Grade("right", "2", "equal", "numeric@2")), (1, 0, Grade("ungraded", None, "x", "numeric@2"))]
        )
        opened.grader = "numeric@2"
        yield opened


def test_a_jsonl_line_begins_with_the_contract_of_traces(run: Run, tmp_path: Path) -> None:
    export_run(run, "jsonl", tmp_path / "out.jsonl")
    first, second = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert list(first)[: len(CONTRACT)] == CONTRACT
    assert first["tokens"] == {"teacher": 5, "student": 5} and first["verdict"] == "right"
    assert second["error"] == "HTTP 500" and second["solution"] is None


def test_a_jsonl_export_comes_back_with_traces_grades_and_settings(run: Run, tmp_path: Path) -> None:
    export_run(run, "jsonl", tmp_path / "out.jsonl")
    with Store(tmp_path / "to.sqlite") as store:
        back = import_traces(tmp_path / "out.jsonl", store=store)
        assert list(back.graded()) == list(run.graded())
        assert back.settings.student == SETTINGS.student and back.settings.origin.startswith("out.jsonl:")
        assert import_traces(tmp_path / "out.jsonl", store=store).id == back.id


def test_an_import_never_answers_for_a_paid_call(run: Run, tmp_path: Path) -> None:
    export_run(run, "jsonl", tmp_path / "out.jsonl")
    back = import_traces(tmp_path / "out.jsonl", store=run.store)
    assert back.id != run.id and len(back) == len(run) == 2


@pytest.mark.parametrize("fault", ["cut", "another run", "place"])
def test_a_bad_jsonl_line_is_named_and_nothing_is_written(fault: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export_run(run, "jsonl", path)
    first, second = path.read_text().splitlines()
    changed = {"cut": second[:-5], "another run": second.replace("ollama/s", "ollama/t"), "place": first}[fault]
    path.write_text(f"{first}\n{changed}\n")
    with Store(tmp_path / "to.sqlite") as store:
        with pytest.raises(BadRow) as caught:
            import_traces(path, store=store)
        assert caught.value.line == 2 and store.runs() == []


@pytest.mark.parametrize(
    ("said", "instead"),
    [('"ordinal":1', '"ordinal":-1'), ('"ordinal":1', f'"ordinal":{10**30}'), ('"input":', f'"input":{10**14}')],
)
def test_a_number_no_run_can_have_is_refused(said: str, instead: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export_run(run, "jsonl", path)
    path.write_text(path.read_text().replace(said, instead))
    with Store(tmp_path / "to.sqlite") as store, pytest.raises(BadRow):
        import_traces(path, store=store)


def test_csv_has_one_flat_verbatim_row_for_each_trace(run: Run, tmp_path: Path) -> None:
    assert export_run(run, "csv", tmp_path / "out.csv") == 2
    with (tmp_path / "out.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["question"] == "=1+1?" and first["solution"] == 'It is "2",\r\nso 2.'
    assert (first["teacher_tokens"], first["judge_tokens"], first["truncated"]) == ("5", "", "false")
    assert second["solution"] == "" and second["error"] == "HTTP 500"


def test_parquet_has_typed_columns_and_nulls(run: Run, tmp_path: Path) -> None:
    assert export_run(run, "parquet", tmp_path / "out.parquet") == 2
    table = polars.read_parquet(tmp_path / "out.parquet")
    assert table["teacher_tokens"].to_list() == [5, None]
    assert table["truncated"].to_list() == [False, False]
    assert table["solution"].to_list() == ['It is "2",\r\nso 2.', None]


def test_a_run_without_traces_makes_an_empty_file(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        empty = store.open_run(SETTINGS)
        for to in FORMATS:
            assert export_run(empty, to, tmp_path / f"out.{to}") == 0


def test_the_authors_rows_cannot_say_that_a_problem_failed(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no solution"):
        export_run(run, "csv-traces", tmp_path / "out.csv")
    assert {path.suffix for path in tmp_path.iterdir()} == {".sqlite", ".sqlite-shm", ".sqlite-wal"}


def test_a_file_that_is_there_is_replaced_only_by_force(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export_run(run, "csv", out)
    assert out.read_text() == "mine"
    assert export_run(run, "csv", out, force=True) == 2


def test_an_unknown_format_or_place_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="jsonl"):
        export_run(run, "jsonk", tmp_path / "out")
    for place in (tmp_path, tmp_path / "no" / "where"):
        with pytest.raises(UsageError):
            export_run(run, "csv", place)


def test_a_plain_csv_export_is_not_taken_for_traces(run: Run, tmp_path: Path) -> None:
    export_run(run, "csv", tmp_path / "out.csv")
    with pytest.raises(UsageError, match="leaves out the calls"):
        import_traces(tmp_path / "out.csv", store=run.store)
