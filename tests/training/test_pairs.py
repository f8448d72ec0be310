"""From a judge, or people, to a corpus of pairs."""

from pathlib import Path

import pytest

from stepdown.cli import main
from stepdown.corpus import CHOSEN, REJECTED, open_corpus
from stepdown.errors import UsageError
from stepdown.measuring import Preference, write_votes
from stepdown.measuring.preferences import Preferred, position_bias, summarize
from stepdown.store import Run, Store
from stepdown.training import write_preferences
from stepdown.types import Problem, Trace
from stored_runs import keep_run


def two_runs(store: Store, dataset: str = "sums/train") -> tuple[Run, Run]:
    def solved(student: str, text: str) -> Run:
        problems = [Problem(f"{dataset}/{n}", f"What is {n} plus one?", str(n + 1)) for n in range(3)]
        rows = [[(Trace(one, "direct", solution=f"{text} Answer: {one.answer}"), None)] for one in problems]
        return keep_run(store, rows, dataset=dataset, student=student, grader="")

    return solved("openai/good", "Add one, because it says so."), solved("openai/bad", "It is so.")


def preferred(*verdicts: Preferred | None) -> list[Preference]:
    return [Preference(f"sums/train/{n}", one, (one, one)) for n, one in enumerate(verdicts)]


def test_what_is_preferred_is_written_as_pairs_and_what_is_not_is_counted(store: Store, tmp_path: Path) -> None:
    first, second = two_runs(store)
    position = position_bias(0, 0)
    found = summarize(first, second, preferred("first", "second", "tie"), by="judge:j", where="any", counts=(3, 0),
                    position=position)  # fmt: skip
    corpus = write_preferences(first, second, found, tmp_path / "pairs")
    assert [(one.problem.id, one.variant, one.teacher) for one in corpus] == [
        ("sums/train/0", CHOSEN, "openai/good"), ("sums/train/0", REJECTED, "openai/bad"),
        ("sums/train/1", CHOSEN, "openai/bad"), ("sums/train/1", REJECTED, "openai/good"),
    ]  # fmt: skip
    assert corpus.card.content == "preference" and "1 ties" in corpus.card.notes[1]
    with pytest.raises(UsageError, match="the preferences are of runs"):
        write_preferences(second, first, found, tmp_path / "other")


def test_pairs_without_a_verdict_are_no_corpus(store: Store, tmp_path: Path) -> None:
    first, second = two_runs(store)
    position = position_bias(0, 0)
    found = summarize(first, second, preferred("tie", None), by="people", where="", counts=(2, 0), position=position)
    with pytest.raises(UsageError, match="none of 2 pairs has a verdict"):
        write_preferences(first, second, found, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


def test_the_command_writes_what_people_voted_as_a_corpus(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_runs(store)
    votes = tmp_path / "votes.jsonl"
    write_votes(first, second, votes, where="any")
    votes.write_text(votes.read_text().replace('"vote":""', '"vote":"left"'))
    command = ["prefer", first.id, second.id, "--votes", str(votes), "--store", str(store.path)]
    out = ["--out", str(tmp_path / "pairs")]
    assert main([*command, *out]) == 0 and "wrote 3 pairs" in capsys.readouterr().err
    assert open_corpus(tmp_path / "pairs").card.problems == 3
    assert main([*command, *out]) == 2 and "is there already" in capsys.readouterr().err


def test_pairs_to_test_on_are_refused_before_the_judge_is_asked(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = two_runs(store, "gsm8k/test")
    command = ["prefer", first.id, second.id, "--where", "any", "--judge", "openai/judge", "--store", str(store.path)]
    assert main([*command, "--out", str(tmp_path / "pairs")]) == 2
    assert "`gsm8k/test` is there to test on" in capsys.readouterr().err
