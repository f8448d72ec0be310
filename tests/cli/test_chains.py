"""Chains are looked at as they stand in a corpus, each with the filter that would drop it."""

from pathlib import Path
from typing import Any

import pytest

from command_line import printed
from corpora import write_corpus
from stepdown.cli import main
from stepdown.corpus import Card
from stepdown.types import Chain, Grade, Problem

GRADES = (Grade("right", "1"), Grade("right", "1"), Grade("wrong", "9"))


@pytest.fixture(autouse=True)
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corpus of 20 problems with three chains each: two that are right and say the same, and a wrong one."""
    monkeypatch.chdir(tmp_path)
    texts = ("It is 1.", "It is 1.", "Is it 9? \x1b[2J")
    rows = [
        Chain(Problem(f"sums/{number}", f"What is {number}?", "1"), text, "teacher", sample, grade)
        for number in range(20)
        for sample, (text, grade) in enumerate(zip(texts, GRADES, strict=True))
    ]
    write_corpus(Path("pool"), rows, card=Card(dataset="sums/train"))


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> list[tuple[str, int, str]]:
    found: list[dict[str, Any]] = printed(capsys, "chains", "pool", *options)
    return [(one["problem"], one["sample"], one["dropped_by"]) for one in found]


def fails(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["chains", "pool", *options]) == 2
    return capsys.readouterr().err


def test_each_chain_says_which_filter_drops_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys, "right", "distinct", "--problem", "sums/7")
    assert found == [("sums/7", 0, ""), ("sums/7", 1, "distinct"), ("sums/7", 2, "right")]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ("", 60),
        ("right --where kept", 40),
        ("right --where dropped", 20),
        ("right distinct --where dropped", 40),
        ("--grep IS_IT", 0),
        ("--grep 9?", 20),
        ("right --where kept --grep 9?", 0),
        ("--problem 3", 3),
        ("-n 7", 7),
    ],
)
def test_chains_are_chosen(capsys: pytest.CaptureFixture[str], options: str, count: int) -> None:
    assert len(shown(capsys, *options.split())) == count


def test_words_find_the_problems_that_have_them(capsys: pytest.CaptureFixture[str]) -> None:
    tens = {f"sums/{number}" for number in (1, *range(10, 20))}
    assert {problem for problem, _, _ in shown(capsys, "--problem", "is 1")} == tens
    assert "no question or id" in fails(capsys, "--problem", "nosuch")


def test_a_person_sees_twenty_and_what_filters_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chains", "pool"]) == 0
    first = capsys.readouterr()
    assert (
        first.out.count("── sums/") == 20
        and "20 chains shown, and there are more" in first.err
        and "\x1b" not in first.out
    )
    assert main(["chains", "pool", "right", "distinct", "--where", "kept", "-n", "50"]) == 0
    whole = capsys.readouterr()
    assert whole.out.count(" · kept") == 20
    assert "kept 20; dropped 20 by distinct, 20 by right" in whole.err or "20 by right, 20 by distinct" in whole.err


def test_why_without_filters_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "every chain is kept" in fails(capsys, "--where", "dropped")
    assert "there is no" in fails(capsys, "nosuchfilter")
