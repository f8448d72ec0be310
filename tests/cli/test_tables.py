"""What a terminal is given: tables as wide as it is, records where that is too little, lines broken between words."""

import io
import os
import pty
import re
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.cli.console import terminal
from stepdown.cli.console.tables import show_table
from stepdown.cli.console.terminal import end_line, measure_on, say_error, show, write_piece
from stepdown.cli.overview import overview
from stepdown.errors import UsageError
from stepdown.text import Table, WordFlow, as_text, folded

WIDE = "模型 👩‍👩‍👧 e\u0301"


@contextmanager
def on_terminal(name: str, width: int) -> Iterator[Callable[[], str]]:
    """Make one of the streams a real terminal of so many columns, and yield what returns what it was sent."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, width))
    with (
        os.fdopen(theirs, "w", encoding="utf-8") as stream,
        os.fdopen(ours, "rb", buffering=0) as screen,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.delenv("COLUMNS", raising=False)
        patch.setattr(f"sys.{name}", stream)

        def sent() -> str:
            stream.write("<end>")
            stream.flush()
            text = b""
            while not text.endswith(b"<end>"):
                text += screen.read(65_536)
            return text.decode().replace("\r\n", "\n").removesuffix("<end>")

        yield sent


def columns_of(text: str) -> int:
    measure = cell_len()
    return max(map(measure, text.splitlines()))


def cell_len() -> Callable[[str], int]:
    from rich.cells import cell_len

    return cell_len


def table(words: str = "a") -> Table:
    header = ("#", "run", "method", "student", "right/graded")
    return Table("Rights", header, (("1", "6f3dcca43465", "direct", words, "4/8"), ("2", "x", "direct", "b", "8/8")), 4)


def test_what_is_no_terminal_gets_the_same_text_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    show("word " * 60)
    show_table("T", ("name", "n"), [("模型", "1")], words=1)
    assert capsys.readouterr().out == "word " * 60 + f"\nT\nname  n\n{'─' * 7}\n模型    1\n"
    assert measure_on(io.StringIO()) is None


def test_columns_stay_under_one_another_with_wide_and_joined_characters() -> None:
    lines = as_text(table(WIDE), 80, measure=cell_len()).splitlines()
    assert len({cell_len()(line) for line in lines[1:5]}) == 1 and len({*map(len, lines[1:5])}) > 1
    narrow = as_text(table("模型" * 20), 62, measure=cell_len())
    assert "…" in narrow and columns_of(narrow) <= 62


@pytest.mark.parametrize("width", [28, 40, 59])
def test_below_60_columns_each_row_is_a_record(width: int) -> None:
    text = as_text(table(WIDE), width, measure=cell_len())
    assert columns_of(text) <= width and text.count("6f3dcca43465") == 1
    assert [line.split() for line in text.splitlines()].count(["run", "6f3dcca43465"]) == 1


def test_a_table_too_wide_for_its_terminal_becomes_records_too() -> None:
    wide = Table("T", ("a", "b"), (("x" * 50, "y" * 50),), 1)
    assert columns_of(as_text(wide, 80, measure=cell_len())) == 80
    assert columns_of(as_text(wide, 80)) == 102


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("  one two three", ["  one two", "  three"]),
        ("1. one two three", ["1. one two", "   three"]),
        ("run `a b c d e` now", ["run", "`a b c d e`", "now"]),
        ("https://a.b/cdefghijkl x", ["https://a.b/cdefghijkl", "x"]),
        ("| a | b | c | d |", ["| a | b | c | d |"]),
        ("", [""]),
    ],
)
def test_a_line_is_broken_between_words_and_keeps_its_indent(line: str, lines: list[str]) -> None:
    assert folded(line, 10) == lines


def test_a_terminal_gets_lines_of_its_width_and_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal("stdout", 40) as sent:
        show("word " * 20, "模型 " * 20)
        assert columns_of(text := sent()) <= 40 and text.split() == ["word"] * 20 + ["模型"] * 20
    with on_terminal("stderr", 30) as sent:
        monkeypatch.setenv("NO_COLOR", "1")
        say_error(UsageError("there is no such thing as this one", "give `another one that is there`"))
        said = sent()
    assert said.startswith("error: there is no such thing\nas this one\n") and "\n`another one that is there`" in said


def test_columns_goes_before_what_the_terminal_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal("stdout", 90):
        assert terminal.columns(sys.stdout) == 90
        monkeypatch.setenv("COLUMNS", "50")
        assert terminal.columns(sys.stdout) == 50


WORDS = st.text("ab1.- \n|", max_size=60).map(lambda text: re.sub(r"(\S{6})(?=\S)", r"\1 ", text))


@given(WORDS, st.lists(st.integers(0, 60), max_size=9))
def test_text_that_comes_in_pieces_is_broken_as_the_whole_is(text: str, cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(text)]
    flow = WordFlow(12)
    written = "".join(flow.add(text[begin:end]) for begin, end in pairwise(ends)) + flow.add("\n")
    rows = [row.rstrip() for line in text.split("\n") for row in folded(line.rstrip(), 12)]
    assert [row.rstrip() for row in written.split("\n")] == [*rows, ""]


def test_a_solution_is_broken_between_words_as_it_is_written() -> None:
    with on_terminal("stdout", 12) as seen:
        for piece in ("1. one two th", "ree\nfo", "ur"):
            write_piece(piece)
        end_line()
        assert seen() == "1. one two\n   three\nfour\n"


@pytest.mark.parametrize("width", [40, 50, 120])
def test_the_list_of_verbs_is_broken_between_words_in_a_narrow_terminal(width: int) -> None:
    with on_terminal("stdout", width) as seen:
        show(overview())
        lines = seen().splitlines()
    assert max(map(len, lines)) <= min(width, 80) and sum("distil" in line for line in lines) >= 1


def test_a_word_half_as_wide_as_the_line_is_written_as_it_comes() -> None:
    flow = WordFlow(10)
    assert [flow.add(piece) for piece in ("so 12", "345", "678", "9ab c")] == ["so", "", "\n12345678", "9ab"]
