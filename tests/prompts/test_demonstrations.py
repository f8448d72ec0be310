"""Demonstrations are shown as earlier turns, of the question's own kind, and a file of them is checked row by row."""

from pathlib import Path

import msgspec
import pytest

from stepdown.errors import BadRow, UsageError
from stepdown.graders import load_grader
from stepdown.methods import CHAIN_OF_THOUGHT, DIRECT, FEW_SHOT, TRACE_OF_THOUGHT
from stepdown.prompts import (
    DEMONSTRATIONS,
    Demonstration,
    demonstrated,
    load_demonstrations,
    load_prompts,
    with_demonstrations,
)
from stepdown.runner import plain
from stepdown.types import Problem, Prompt

NUMBER = Demonstration("1 + 1?", "One more than one.", "2")
CHOICE = Demonstration("Which flies?", "Birds fly.", "B", ("a stone", "a bird"), "choice")
WORDS = with_demonstrations(load_prompts("default"), (NUMBER, CHOICE))


def written(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_only_demonstrations_of_the_problems_kind_are_shown_before_it() -> None:
    turns = WORDS.render(FEW_SHOT, Prompt("solve", Problem("p/0", "Which swims?", "A", ("a fish", "a cup"), "choice")))
    assert [turn.role for turn in turns[-3:]] == ["user", "assistant", "user"] and len(turns) <= 4
    assert turns[-3].content == "Which flies?\nA. a stone\nB. a bird" and turns[-2].content == "Birds fly.\nAnswer: B"
    assert turns[-1].content == "Which swims?\nA. a fish\nB. a cup"


def test_a_kind_without_demonstrations_is_asked_plainly() -> None:
    turns = WORDS.render(FEW_SHOT, Prompt("solve", Problem("p/0", "Which day?", "Sunday", kind="text")))
    assert [turn.role for turn in turns if turn.role != "system"] == ["user"]


def test_all_other_prompts_are_those_of_the_set_without_demonstrations() -> None:
    plainly, problem = load_prompts("default"), Problem("p/0", "2 + 2?", "4")
    for method, name in ((DIRECT, "solve"), (CHAIN_OF_THOUGHT, "solve"), (TRACE_OF_THOUGHT, "plan")):
        prompt = Prompt(name, problem)
        assert WORDS.render(method, prompt) == plainly.render(method, prompt)


def test_other_demonstrations_are_other_prompts() -> None:
    ours = with_demonstrations(load_prompts("default"))
    assert len({WORDS.fingerprint, ours.fingerprint, load_prompts("default").fingerprint}) == 3


@pytest.mark.parametrize("shown", DEMONSTRATIONS, ids=lambda one: str(one.question[:30]))
def test_each_of_our_demonstrations_is_graded_right(shown: Demonstration) -> None:
    problem = Problem("p/0", shown.question, shown.answer, shown.choices, shown.kind)

    async def grade() -> str:
        return (await load_grader()(problem, demonstrated(shown))).verdict

    assert plain(grade()) == "right"


def test_what_is_written_to_a_file_is_read_back(tmp_path: Path) -> None:
    rows = [msgspec.json.encode(one).decode() for one in DEMONSTRATIONS]
    assert load_demonstrations(written(tmp_path, *rows, "", " ")) == DEMONSTRATIONS


def test_a_mark_that_only_some_take_for_a_line_end_cuts_no_row(tmp_path: Path) -> None:
    path = written(tmp_path, '{"question": "1\u2028+\x851?", "chain": "One more.", "answer": "2"}')
    assert load_demonstrations(path)[0].question == "1\u2028+\x851?"


def test_a_row_with_choices_is_about_a_choice(tmp_path: Path) -> None:
    path = written(tmp_path, '{"question": "Which?", "chain": "That.", "answer": "B", "choices": ["this", "that"]}')
    assert load_demonstrations(path)[0].kind == "choice"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ('{"question": "Which?", "chain": "x", "answer": "that", "choices": ["this", "that"]}', "answer"),
        ('{"question": "Which?", "chain": "x", "answer": "C", "choices": ["this", "that"]}', "answer"),
        ('{"question": "Which?", "chain": " ", "answer": "2"}', "chain"),
        ('{"question": "Which?", "chain": "x", "answer": 2}', "the row"),
        ('{"question": "Which?", "chain": "x", "answer": "2", "kind": "riddle"}', "the row"),
        ("[1]", "the row"),
    ],
)
def test_a_row_that_demonstrates_nothing_is_named_by_line_and_column(tmp_path: Path, row: str, column: str) -> None:
    good = '{"question": "1 + 1?", "chain": "One more than one.", "answer": "2"}'
    with pytest.raises(BadRow, match=f"line 3, column `{column}`"):
        load_demonstrations(written(tmp_path, good, "", row))


def test_a_file_that_is_missing_empty_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_demonstrations(tmp_path / "none.jsonl")
    with pytest.raises(UsageError, match="holds no demonstration"):
        load_demonstrations(written(tmp_path, "", " "))
    (tmp_path / "mine.jsonl").write_bytes(b"\xff\xfe{")
    with pytest.raises(UsageError, match="cannot read"):
        load_demonstrations(tmp_path / "mine.jsonl")
