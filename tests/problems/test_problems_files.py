"""Files of one's own: every suffix, every mapping of columns, and every way a row can be bad."""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from stepdown.errors import BadRow, MissingExtra, UnknownName, UsageError
from stepdown.problems import Columns, Problems, load_problems
from stepdown.problems.choices import split_inline
from stepdown.types import Problem


def written(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def refused(name: str, columns: Columns | None = None) -> BadRow:
    with pytest.raises(BadRow) as caught:
        load_problems(name, columns=columns).check()
    return caught.value


def test_a_jsonl_file_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.jsonl", lines({"q": "How many?", "gold": 12}, {"q": "Who?", "gold": "Ada"}))
    first, second = load_problems(name, columns=Columns(question="q", answer="gold"))
    assert first == Problem(id="mine/0", question="How many?", answer="12", kind="number")
    assert second == Problem(id="mine/1", question="Who?", answer="Ada", kind="text")


def test_a_csv_field_may_hold_commas_quotes_and_newlines(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.csv", 'question,answer\r\n"One, ""two""\nand three?","1,024"\r\n')
    (problem,) = load_problems(name)
    assert (problem.question, problem.answer, problem.kind) == ('One, "two"\nand three?', "1024", "number")


def test_a_field_of_a_megabyte_is_read(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.csv", f"question,answer\n{'x' * 1_000_000},3\n")
    assert len(load_problems(name)[0].question) == 1_000_000


def test_a_parquet_file_is_streamed_with_the_types_of_its_columns(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"question": ["a?"] * 25_000, "answer": range(25_000)})
    frame.write_parquet(tmp_path / "mine.parquet")
    problems = load_problems(str(tmp_path / "mine.parquet"), offset=24_998)
    assert [(problem.id, problem.answer) for problem in problems] == [("mine/24998", "24998"), ("mine/24999", "24999")]


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.csv", b"\xef\xbb\xbfquestion,answer\nWie viel?,3\n")
    assert load_problems(name)[0].question == "Wie viel?"


@pytest.mark.parametrize(
    ("cell", "answer", "gold"),
    [
        ("red|green|blue", "green", "B"),
        ('["red", "green"]', "(b)", "B"),
        ("red|green|blue", "c.", "C"),
        ("3|5|7", "5", "B"),
    ],
)
def test_choices_in_a_csv_cell_give_the_gold_as_a_letter(tmp_path: Path, cell: str, answer: str, gold: str) -> None:
    quoted = cell.replace('"', '""')
    name = written(tmp_path / "mine.csv", f'question,answer,choices\nWhich?,{answer},"{quoted}"\n')
    problem = load_problems(name)[0]
    assert (problem.kind, problem.answer) == ("choice", gold)


def test_choices_may_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.csv", "question,A,B,answer\nWhich?,red,green,B\n")
    assert load_problems(name, columns=Columns(choices="A,B"))[0].choices == ("red", "green")


def test_a_given_kind_wins_over_the_inferred_one(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.jsonl", lines({"question": "q", "answer": "12"}))
    assert load_problems(name, columns=Columns(kind="expression"))[0].kind == "expression"


def test_an_id_column_gives_the_ids(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.jsonl", lines({"question": "q", "answer": "12", "key": 77}))
    assert load_problems(name, split="dev", columns=Columns(id="key"))[0].id == "mine/dev/77"


def test_offset_and_limit_take_a_part_and_keep_the_places(tmp_path: Path) -> None:
    rows = [{"question": f"q{place}", "answer": place} for place in range(9)]
    problems = load_problems(written(tmp_path / "mine.jsonl", lines(*rows)), offset=4, limit=3)
    assert [problem.id for problem in problems] == ["mine/4", "mine/5", "mine/6"]
    assert [problem.id for problem in problems] == ["mine/4", "mine/5", "mine/6"]


def test_the_fingerprint_is_of_the_content_not_of_the_file_format(tmp_path: Path) -> None:
    one = load_problems(written(tmp_path / "mine.jsonl", lines({"question": "q", "answer": 3}))).check()
    two = load_problems(written(tmp_path / "mine.csv", "question,answer\nq,3\n")).check()
    other = load_problems(written(tmp_path / "mine.csv", "question,answer\nq,4\n")).check()
    assert one == two != other


def test_a_file_that_is_one_list_is_read(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.json", json.dumps([{"question": "q", "answer": 3}], indent=2))
    assert load_problems(name).check().count == 1


BAD_LINES: list[tuple[str | bytes, int, str, str]] = [
    (lines({"question": "q", "answer": 1}) + '{"question": "q2", "ans', 2, "the row", "cut off"),
    (lines({"question": "q", "answer": 1}, {"question": " ", "answer": 2}), 2, "question", "found nothing"),
    (lines({"question": "q", "answer": None}), 1, "answer", "found nothing"),
    (lines({"question": "q", "answer": ""}), 1, "answer", "found nothing"),
    (lines({"question": "q", "answer": [1]}), 1, "answer", r"found `\[1\]`"),
    (lines({"q": "q", "gold": 1}), 1, "question", "columns in the row: `q`, `gold`"),
    (lines({"question": "q", "answer": "E", "choices": ["x", "y"]}), 1, "answer", "one of A, B"),
    (lines({"question": "q", "answer": "B", "choices": ["B", "A"]}), 1, "answer", "another choice"),
    (lines({"question": "q", "answer": "A", "choices": ["x", ""]}), 1, "choices", "each with a text"),
    ("[1, 2]\n", 1, "the row", "a JSON object, found `1`"),
    ("\n\n7\n", 3, "the row", "a JSON object, found `7`"),
    ('{"question": "caf\xe9", "answer": 1}\n'.encode("latin-1"), 1, "encoding", "UTF-8, found byte 0xe9"),
    (lines({"question": "q", "answer": 1}).encode("utf-16"), 1, "encoding", "a UTF-16 file"),
    (lines({"id": "a\nb", "question": "q", "answer": 1}), 1, "id", "can be printed"),
    ('{"question": "\\ud800", "answer": 1}\n', 1, "the row", "one JSON object"),
    (lines({"id": "a", "question": "q", "answer": 1}, {"id": "a", "question": "r", "answer": 2}), 2, "id", "`mine/a`"),
]


@pytest.mark.parametrize(("text", "line", "column", "said"), BAD_LINES)
def test_a_bad_json_row_names_line_column_and_what_was_expected(
    tmp_path: Path, text: str | bytes, line: int, column: str, said: str
) -> None:
    error = refused(written(tmp_path / "mine.jsonl", text))
    assert (error.line, error.column) == (line, column)
    assert error.file.endswith("mine.jsonl")
    with pytest.raises(BadRow, match=said):
        raise error


BAD_CELLS = [
    ('question,answer\n"a\nb",1\nc,1,2\n', 4, "the row", "2 fields, found 3"),
    ('question,answer\n"never closed,1\n', 2, "the row", "well-quoted CSV"),
    ("question,question\na,1\n", 1, "the header", "a name of its own"),
    ("question,answer\na,\n", 2, "answer", "found nothing"),
]


@pytest.mark.parametrize(("text", "line", "column", "said"), BAD_CELLS)
def test_a_bad_csv_row_names_the_line_it_starts_on(
    tmp_path: Path, text: str, line: int, column: str, said: str
) -> None:
    error = refused(written(tmp_path / "mine.csv", text))
    assert (error.line, error.column) == (line, column)
    assert said in str(error)


def test_a_file_that_only_says_it_is_parquet_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    assert "a parquet file" in str(refused(written(tmp_path / "mine.parquet", "PAR0 nonsense")))


def test_a_wrong_encoding_inside_a_csv_file_names_its_line(tmp_path: Path) -> None:
    error = refused(written(tmp_path / "mine.csv", "question,answer\na,1\ncaf\xe9,2\n".encode("latin-1")))
    assert (error.line, error.column) == (3, "encoding")


@pytest.mark.parametrize(("module", "extra"), [("polars", "data"), ("huggingface_hub", "hub")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    name = written(tmp_path / "mine.parquet", "PAR1") if extra == "data" else "gsm8k"
    with pytest.raises(MissingExtra, match=rf"pip install 'stepdown\[{extra}\]'"):
        load_problems(name).check()


@pytest.mark.parametrize(("gold", "number"), [("$1,024", "1024"), ("\N{MINUS SIGN}3", "-3"), (2.0, "2"), (0.5, "0.5")])
def test_golds_that_are_numbers_are_written_plainly(tmp_path: Path, gold: Any, number: str) -> None:
    name = written(tmp_path / "mine.jsonl", lines({"question": "q", "answer": gold}))
    problem = load_problems(name)[0]
    assert (problem.answer, problem.kind) == (number, "number")


def test_a_number_is_demanded_where_the_kind_is_number(tmp_path: Path) -> None:
    name = written(tmp_path / "mine.jsonl", lines({"question": "q", "answer": "many"}))
    assert "a number, since the kind is `number`" in str(refused(name, Columns(kind="number")))


def test_files_that_cannot_be_data_are_refused_at_once(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.jsonl", "")
    other = written(tmp_path / "notes.txt", "x")
    for name, said in [
        (empty, "is empty"),
        (str(tmp_path), "a directory"),
        (other, "not of a known kind"),
        ("no", "no file"),
    ]:
        with pytest.raises(UsageError, match=said):
            load_problems("gsm8k", data=name)


def test_a_file_without_rows_has_no_problems_to_check(tmp_path: Path) -> None:
    problems = load_problems(written(tmp_path / "mine.csv", "question,answer\n"))
    with pytest.raises(UsageError, match="there are no problems in `mine`"):
        problems.check()


def test_names_that_are_not_known_are_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean `gsm8k`"):
        load_problems("gsm8")
    with pytest.raises(UnknownName, match="split of `wordsums` `tests`"):
        load_problems("wordsums", split="tests")


def test_a_named_data_set_takes_no_columns_without_a_file() -> None:
    for name in ("gsm8k", "wordsums"):
        with pytest.raises(UsageError, match="has its own source and columns"):
            load_problems(name, columns=Columns(question="q"))


def test_any_file_may_take_any_name_when_its_columns_are_named(tmp_path: Path) -> None:
    name = written(tmp_path / "x.jsonl", lines({"q": "Why?", "answer": "so"}))
    assert load_problems("gsm8k", data=name, columns=Columns(question="q"))[0].id == "gsm8k/0"


@pytest.mark.parametrize("part", [{"limit": 0}, {"limit": -1}, {"offset": -1}])
def test_a_part_that_cannot_be_is_refused(part: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="is not a part of a data set"):
        load_problems("wordsums", **part)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_million_rows_stream_without_being_kept(tmp_path: Path) -> None:
    def source() -> Any:
        return ((None, Problem(id=f"many/{place}", question="q", answer="1")) for place in range(1_000_000))

    problems = Problems("many", source)
    assert next(iter(problems)).id == "many/0"
    assert [problem.id for problem in islice(problems, 2)] == ["many/0", "many/1"]
    assert problems.check().count == 1_000_000


@example("Which? (A) a, (B) b")
@given(some.text(alphabet="()ABCabc xor.,", max_size=60))
def test_splitting_inlined_choices_never_fails_and_never_invents_text(text: str) -> None:
    found = split_inline(text)
    assert found or not text.startswith("Which?"), "the example is parted, so that what follows is looked at"
    if found:
        question, choices = found
        assert len(choices) >= 2
        assert all(part in text for part in (question, *choices))


def test_splitting_a_megabyte_of_brackets_is_quick() -> None:
    assert split_inline("(A)" * 300_000) is None
