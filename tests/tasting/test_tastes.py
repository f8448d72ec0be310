"""A taste: nested portions, odd chains, curves that cover what comes, prices, and the command that does it all."""

import json
import random
from pathlib import Path

import pytest

from corpora import write_corpus
from small_lessons import write_base
from small_students import TRAINS
from stepdown.cli import main
from stepdown.corpus import Card, Corpus
from stepdown.errors import UsageError
from stepdown.stats import CurveTrial, learning_curves
from stepdown.tasting import (
    ChainPrice,
    affordable,
    chain_signs,
    halved_sizes,
    middle,
    purchases,
    read_portions,
    taste_curves,
)
from stepdown.types import Chain, Grade, Problem


def chain(number: int, sample: int = 0, text: str = "", tokens: int | None = None) -> Chain:
    answer = str(number + number % 7 + 1)
    problem = Problem(f"sums/train/{number}", f"What is {number} plus {number % 7 + 1}?", answer)
    own = text or f"Take {number}. " + "Go on. " * sample + f"Add {number % 7 + 1}."
    return Chain(problem, own, "openai/gpt-4o", sample, Grade("right", answer), tokens=tokens)


def corpus(folder: Path) -> Corpus:
    return write_corpus(folder, [chain(n, s) for n in range(40) for s in range(2)], card=Card(dataset="sums/train"))


def test_portions_are_nested_and_hold_no_question_that_is_held_out(tmp_path: Path) -> None:
    parts = read_portions(corpus(tmp_path / "few").path, held_out=100)
    small, large = (parts.questions(size, 0) for size in (8, 32))
    assert len(parts.held_out) == 10 and small < large and not large & parts.held_out
    assert parts.count(8, 0) == 8 == len(list(parts.view(8, 0))) and parts.questions(8, 1) != small
    assert len(parts.problems()) == 10 and halved_sizes(100, 4) == (12, 25, 50, 100)


def test_a_corpus_of_few_questions_is_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path / "few", [chain(n) for n in range(7)], card=Card(dataset="sums/train"))
    with pytest.raises(UsageError, match="7 questions"):
        read_portions(tmp_path / "few")


@pytest.mark.parametrize(
    ("sign", "text", "tokens"),
    [
        ("look summarised", "**Weighing the options**\nIt is 2.", None),
        ("look summarised", "It is 2.", 900),
        ("look rewritten", "Add them: 1 + 1 = 4. The answer is 2.", None),
        ("look rewritten", "It is\u200b 2.", None),
        ("loop", "Add one. " * 60, None),
    ],
)
def test_an_odd_chain_is_counted(sign: str, text: str, tokens: int | None) -> None:
    plain, odd = ({one.name: one for one in chain_signs([[one]])} for one in (chain(1), chain(1, 0, text, tokens)))
    assert plain[sign].count == 0 and odd[sign].count == 1 == odd[sign].chains


def test_sums_that_hold_or_were_rounded_are_not_odd() -> None:
    text = "1 + 1 = 2, 10 / 3 = 3.33, 2 * 3 + 1 = 7 and 1,000 - 1 = 999."
    assert {one.name: one.count for one in chain_signs([[chain(1, 0, text)]])}["look rewritten"] == 0


def test_a_curve_that_rose_goes_on_and_one_without_problems_is_refused() -> None:
    flat, rising = ([(0, 3), (25, 3 + up), (50, 3 + 2 * up), (100, 3 + 4 * up)] for up in (0, 8))
    found = []
    for rights in (flat, rising):
        trials = [CurveTrial(size, tuple(float(at < right) for at in range(60))) for size, right in rights]
        drawing = random.Random(0)
        found.append(middle([one.student(400, drawing, problems=60) for one in learning_curves(trials)]))
    assert found[0][0] < 3 / 60 < found[0][1] and found[1][0] > found[0][0] and found[1][1] > 0.7
    with pytest.raises(ValueError, match="trials"):
        learning_curves([])


def test_the_same_money_buys_other_things() -> None:
    price, cheap, unknown = (
        ChainPrice(name, 100, 100, 1, cost) for name, cost in (("a", 0.01), ("b", 0.001), ("c", None))
    )
    bought = {
        (one.what, one.teacher): (one.chains, one.problems, one.dollars) for one in purchases(price, 100, 5, [cheap])
    }
    assert bought["more problems", "a"] == (100, 100, 1.0) and bought["more chains a problem", "a"] == (100, 10, 1.0)
    assert bought["another teacher", "b"] == (1000, 200, 1.0) and affordable(100, price, unknown) == 100


def test_dev_problems_that_the_corpus_asks_are_refused_with_a_filter_that_takes_them_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = {one.problem.question: one.problem.answer for one in corpus(tmp_path / "few")}
    lines = [json.dumps({"question": question, "answer": answer}) for question, answer in list(asked.items())[:4]]
    (tmp_path / "dev.jsonl").write_text("\n".join(lines))
    assert main(["taste", "few", "--base", "base", "--dev", "dev.jsonl"]) == 2
    assert "`--keep decontaminate=dev.jsonl`" in " ".join(capsys.readouterr().err.split())
    assert main(["keep", "few", "decontaminate=dev.jsonl", "--out", "kept"]) == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [("--instead nobody/none", "nobody knows what `nobody/none` costs"), ("--losses -1", "`--losses -1` chains"),
     ("--chains 3", "`--chains 3` are too few to learn from")],
)  # fmt: skip
def test_what_a_taste_cannot_be_told_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus(tmp_path / "few")
    assert main(["taste", "few", "--base", "base", *options.split()]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.slow
class TestCommand:
    """`stepdown taste` with a model of random weights."""

    pytestmark = TRAINS

    def test_a_taste_is_written_and_the_second_time_nothing_is_trained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("STEPDOWN_ENGINE", "transformers")
        corpus(tmp_path / "few")
        write_base(tmp_path / "base")
        command = ["taste", "few", "--base", "base", "--size", "100", "--chains", "8", "--points", "1", "--json"]
        command += ["--max-tokens", "4", "--dev-count", "2", "--losses", "2"]
        assert main(command) == 0
        first = capsys.readouterr().out
        assert main(command) == 0 and capsys.readouterr().out == first
        [found] = json.loads(first)["tastes"]
        assert [one["chains"] for one in found["students"]] == [0, 8] and found["expected"][-1]["chains"] == 100
        assert json.loads((tmp_path / "few-taste" / "taste.json").read_text()) == found


def test_the_chance_of_a_gain_stands_beside_what_it_was_before_any_student() -> None:
    learned, not_learned = (
        taste_curves([(0, row[0]), *((size, row[1]) for size in (8, 16, 32))]).expect(5_000)
        for row in (([1] + [0] * 39, [1] * 10 + [0] * 30), ([0] * 400, [0] * 400))
    )
    assert learned.point and learned.point_untried and not_learned.point and not_learned.point_untried
    assert learned.point > 0.95 > learned.point_untried > 0.7
    assert not_learned.point < not_learned.point_untried - 0.15 and not_learned.better > 0.8, "a hair is a gain too"
