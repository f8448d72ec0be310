"""Teachers compared by how their chains suit a student: same problems, intervals, one row each."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from small_lessons import chain, write_base
from stepdown.cli import main
from stepdown.corpus import Card, CorpusWriter, StudentScores, open_corpus
from stepdown.errors import UsageError
from stepdown.measuring import suitability
from stepdown.types import Chain

PLAIN = [msgspec.structs.replace(chain(number), teacher="plain") for number in range(12)]
ODD = [msgspec.structs.replace(chain(number, text="Zq! " * 9), teacher="odd", variant="v") for number in range(4, 12)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_base(folder / "student")
    write(folder / "mixed", sorted([*PLAIN, *ODD], key=lambda one: int(one.problem.id.partition("/")[2])))
    write(folder / "odd", ODD)
    return folder


@pytest.fixture(autouse=True)
def cache(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPDOWN_CACHE", str(world / "cache"))


def write(folder: Path, chains: Iterable[Chain]) -> None:
    with CorpusWriter(folder, card=Card(dataset="sums/train")) as writer:
        for one in chains:
            writer.add(one)


def test_each_teacher_is_a_row_with_its_ratio_in_its_interval_best_first(world: Path) -> None:
    found = suitability([open_corpus(world / "mixed")], str(world / "student"))
    assert {one.teacher: one.problems for one in found.teachers} == {"plain": 12, "odd": 8} and found.shared == 8
    assert [one.ratio for one in found.teachers] == sorted(one.ratio for one in found.teachers)
    assert all(one.low <= one.ratio <= one.high and one.logprob < 0 for one in found.teachers)
    assert sum(one.best for one in found.teachers) == pytest.approx(1.0, abs=0.01)


def test_one_problem_says_nothing_of_others_so_that_its_interval_has_no_end(world: Path, tmp_path: Path) -> None:
    write(tmp_path / "one", PLAIN[:1])
    [row] = suitability([open_corpus(tmp_path / "one")], str(world / "student")).teachers
    assert (row.problems, row.low, row.high, row.logprob_high) == (1, 0.0, math.inf, 0.0) and row.ratio > 0
    assert msgspec.json.decode(msgspec.json.encode(row))["high"] is None


def test_a_ratio_is_of_the_means_over_chains(world: Path) -> None:
    [row] = suitability([open_corpus(world / "odd")], str(world / "student")).teachers
    scores = StudentScores(str(world / "student")).of(ODD)
    ranks, surprisals = sum(one.rank for one in scores), sum(one.surprisal for one in scores)
    assert row.ratio == pytest.approx(ranks / surprisals) and row.right == 1.0


def test_fewer_chains_are_of_the_same_problems_for_every_teacher(world: Path) -> None:
    told = list[tuple[int, int]]()
    corpora = [open_corpus(world / name) for name in ("mixed", "odd")]
    found = suitability(corpora, str(world / "student"), chains=4, progress=lambda *now: told.append(now))
    assert [one.problems for one in found.teachers] == [4, 4, 4] and found.shared >= 2
    assert {one.corpus for one in found.teachers} == {"mixed", "odd"} and told[-1] == (12, 12)


def test_the_verb_prints_a_table_or_json(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["teachers", str(world / "mixed"), "--student", str(world / "student"), "--by", "variant"]
    assert main([*line, "--json"]) == 0
    [row, other] = json.loads(capsys.readouterr().out)["teachers"]
    assert {row["variant"], other["variant"]} == {"v", ""}
    assert main(line) == 0
    said = capsys.readouterr()
    assert "odd · v" in said.out and "not over the same problems" in said.err


def test_corpora_of_one_name_and_without_a_chain_are_refused(world: Path, tmp_path: Path) -> None:
    write(tmp_path / "odd", ODD)
    with pytest.raises(UsageError, match="have one name"):
        suitability([open_corpus(world / "odd"), open_corpus(tmp_path / "odd")], str(world / "student"))
    with pytest.raises(UsageError, match="no chain to read"):
        suitability([open_corpus(world / "odd").keep("teacher=nobody")], str(world / "student"))


def test_plans_and_a_single_chain_are_refused(world: Path) -> None:
    with pytest.raises(UsageError, match="holds plans"):
        plans = open_corpus(world / "odd")
        plans.card = msgspec.structs.replace(plans.card, content="plan")
        suitability([plans], str(world / "student"))
    assert main(["teachers", str(world / "odd"), "--student", str(world / "student"), "--chains", "1"]) == 2
