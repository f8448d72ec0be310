from array import array
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from corpora import write_corpus
from real_data import CUTS
from stepdown.answers.openings import given_away, opens_with
from stepdown.corpus import Card, Corpus
from stepdown.corpus.selection import Filter, load_filter
from stepdown.corpus.selection.open_endedness import bigrams, quintiles
from stepdown.errors import UsageError
from stepdown.problems import load_problems
from stepdown.types import Chain, Grade, Problem

GSM8K = CUTS / "gsm8k_test.jsonl"
SUM = Problem("sums/train/0", "What is 2 plus 4?", "6")
PICK = Problem("picks/train/0", "Which is faster?", "B", ("bicycle", "train"), "choice")
Groups = Sequence[list[Chain]]


def ready(name: str, groups: Groups, *, seed: int = 0) -> Filter:
    found = load_filter(name, seed=seed)
    assert found.prepare is not None
    return found.prepare(lambda: iter(groups))


def kept(name: str, groups: Groups, *, seed: int = 0) -> list[Chain]:
    keep = ready(name, groups, seed=seed).keep
    return [chain for group in groups for chain in keep(group)]


def problems(count: int) -> list[Problem]:
    return [Problem(f"sums/train/{n}", f"What is {n} plus one?", str(n + 1)) for n in range(count)]


def varied(count: int, chains: int = 12) -> list[list[Chain]]:
    """Return groups of which each has more distinct words than the one before."""
    return [
        [Chain(one, " ".join(f"w{(sample * k) % (at + 2)}" for k in range(9)), "a", sample) for sample in range(chains)]
        for at, one in enumerate(problems(count))
    ]


# -- open-ended


def test_open_ended_problems_keep_more_chains_by_quintile() -> None:
    groups = [
        [Chain(one[0].problem, f"{'x y ' * 3}{n}", "a", n) for n in range(k + 9)] for k, one in enumerate(varied(10))
    ]
    keep = ready("open-ended", groups).keep
    assert [bigrams(group) for group in groups] == sorted(bigrams(group) for group in groups)
    assert [len(keep(group)) for group in groups] == [1, 1, 3, 3, 5, 5, 7, 7, 9, 9]


def test_problems_as_open_as_each_other_share_a_quintile() -> None:
    assert quintiles(array("Q", [7] * 10)) == [7] * 4 and quintiles(array("Q")) == []


# -- mixes


def lengths(counts: Sequence[int]) -> list[list[Chain]]:
    return [[Chain(one, "w " * n, "a", n) for n in counts] for one in problems(50)]


def test_short_and_long_chains_come_in_the_ratio_asked_for() -> None:
    groups = lengths(range(1, 11))
    words = [len(chain.text.split()) for chain in kept("short:long=4:1", groups)]
    assert sum(count <= 5 for count in words) == 248 and sum(count > 5 for count in words) == 62
    assert kept("short:long=4:1", groups) != kept("short:long=4:1", groups, seed=1)


def test_a_mix_does_not_depend_on_the_order_of_problems() -> None:
    groups = lengths((2, 3, 5, 7))
    assert set(kept("short:long=2:1", groups)) == set(kept("short:long=2:1", groups[::-1]))


def test_two_teachers_come_in_the_ratio_asked_for_and_others_go() -> None:
    one = problems(1)[0]
    group = [Chain(one, f"chain {n}", teacher, n) for n in range(30) for teacher in ("x/a:1b", "y/b", "z/c")]
    names = [chain.teacher for chain in kept("teachers=X/*,y/b=3:1", [group])]
    assert (names.count("x/a:1b"), names.count("y/b"), names.count("z/c")) == (30, 10, 0)


@pytest.mark.parametrize(
    ("name", "said"),
    [("teachers=a:nobody=1:1", "`nobody`.*none in the corpus"), ("short:long=4:1", "more than 3 words")],
)
def test_a_ratio_that_no_selection_can_have_is_refused(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ready(name, lengths([3]))


# -- contamination


def evaluation(folder: Path, *questions: str) -> Path:
    path = folder / "held.jsonl"
    path.write_bytes(msgspec.json.Encoder().encode_lines([{"question": one, "answer": "1"} for one in questions]))
    return path


def asked(*questions: str) -> list[list[Chain]]:
    return [[Chain(Problem(f"mine/{n}", one, "1"), "text", "a")] for n, one in enumerate(questions)]


def test_equal_questions_and_shared_runs_of_words_go_with_the_reason(tmp_path: Path) -> None:
    run = "tom has three red apples and buys nine more of them"
    path = evaluation(tmp_path, "How many legs has a cow?", f"On Monday {run} at noon.")
    groups = asked("how many legs has  a cow", f"Yesterday {run}, he says.", "How many legs has a hen?")
    found = ready(f"decontaminate={path}", groups)
    assert [bool(found.keep(group)) for group in groups] == [False, False, True]
    report = (found.report or str)().splitlines()
    assert report[0].startswith("2 problems went") and "8 words" in report[0]
    assert report[1:] == ["`mine/0`: the same question as `held/0`", f"`mine/1`: shares “{run[:38]}” with `held/1`"]


def test_an_evaluation_set_without_problems_is_refused_as_nothing_would_go(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="needs a set with problems"):
        kept(f"decontaminate={tmp_path / 'empty.jsonl'}", asked("How many legs has a cow?"))


def test_the_length_of_runs_can_be_chosen_and_is_at_most_13_otherwise(tmp_path: Path) -> None:
    path = evaluation(tmp_path, "a b c d e f g h i j k l m n o p q r")
    groups = asked("x a b c d e f g h i j k l y")
    assert kept(f"decontaminate={path}", groups) and not kept(f"decontaminate={path}:12", groups)


def test_a_report_names_twenty_problems_at_most_and_counts_each_once(tmp_path: Path) -> None:
    path = evaluation(tmp_path, "the same")
    groups = [[Chain(Problem(f"mine/{n}", "The same?", "1"), "text", "a")] for n in range(25)]
    found = ready(f"decontaminate={path}", groups)
    assert not any(found.keep(group) for group in [*groups, *groups])
    report = (found.report or str)().splitlines()
    assert report[0].startswith("25 problems") and len(report) == 22 and report[-1] == "and 5 more"


def test_generated_data_sets_are_kept_apart_by_name() -> None:
    groups = [
        [Chain(one, "text", "a")]
        for split in ("test", "train")
        for one in load_problems("wordsums", split=split, limit=9)
    ]
    splits = [chain.problem.id.split("/")[1] for chain in kept("decontaminate=wordsums/test:13", groups)]
    assert "test" not in splits and "train" in splits


def test_a_benchmark_can_be_read_from_its_own_file() -> None:
    question = msgspec.json.decode(GSM8K.read_bytes().splitlines()[7])["question"]
    groups = asked(question, "What is two plus three?")
    assert [chain.problem.id for chain in kept(f"decontaminate=gsm8k={GSM8K}", groups)] == ["mine/1"]


# -- leaks


@pytest.mark.parametrize(
    "text",
    [
        *(
            "The answer is B because trains are quick.",
            "So the correct answer is (B). Trains are quick.",
            "B. It is quick.",
        ),
        *(
            "Train. Trains have engines.",
            "(B) train, since it has an engine.",
            "The best choice is the train, as it is quick.",
        ),
        "Answer: B\nTrains have engines.",
    ],
)
def test_a_chain_that_opens_with_its_label_leaks(text: str) -> None:
    assert opens_with(text, PICK, "B")
    assert not load_filter("no-leak").keep([Chain(PICK, text, "a", grade=Grade("right", "B"))])


@pytest.mark.parametrize(
    "text",
    [
        *(
            "A train has an engine. So the answer is B.",
            "Trains are quick, so the answer is B.",
            "The answer is A? No: B.",
        ),
        *("A. bicycle: slow\nB. train: quick\nThe answer is B.", "The train has an engine, and engines are quick.", ""),
        *(
            "The answer must be quick. Of the two, the train is quick.",
            "The given answer choices are two. The train is quick.",
        ),
    ],
)
def test_a_chain_that_reasons_its_way_to_its_label_does_not(text: str) -> None:
    assert not opens_with(text, PICK, "B") and given_away(text, PICK, "B") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2 + 4 = 7. However, the given answer is 6, so we take 6.", "the given answer"),
        ("Since the correct answer is 6, we add 2 and 4.", "Since the correct answer is"),
        ("The correct answer is given as 6, which fits.", "correct answer is given"),
        ("By the answer key 2 + 4 = 6.", "answer key"),
    ],
)
def test_a_chain_that_was_given_its_answer_is_told_by_its_own_words(text: str, words: str) -> None:
    assert given_away(text, SUM, "6") == words


@pytest.mark.parametrize(
    "text",
    ["The final answer is given by 2 + 4 = 6.", "Since the answer is in apples, we add 2 and 4.", "1. Add.\n2. 6."],
)
def test_words_that_only_sound_so_are_no_leak(text: str) -> None:
    assert given_away(text, SUM, "6") is None and not opens_with(text, SUM, "6")
    assert not opens_with("1. Add.\n2. It is 1.", SUM, "1")


def test_a_list_of_a_hundred_thousand_answers_is_read_in_no_time() -> None:
    text = "since the answer is " * 20_000
    assert given_away(text[:-1], SUM, "6") is None and not opens_with(text, SUM, "6")


# -- of a corpus on disk


def written(folder: Path, groups: Groups, **card: str) -> Corpus:
    made = msgspec.convert({"dataset": "sums/train", **card}, Card)
    return write_corpus(folder, (chain for group in groups for chain in group), card=made)


def test_plans_that_hold_the_gold_leak_in_a_corpus_of_plans_only(tmp_path: Path) -> None:
    group = [Chain(SUM, text, "a") for text in ("1. Add the numbers.", "1. Add 2 and 4 to get 6.")]
    assert len(list(written(tmp_path / "chains", [group]).keep("no-leak"))) == 2
    assert [one.text for one in written(tmp_path / "plans", [group], content="plan").keep("no-leak")] == [group[0].text]


def test_filters_follow_each_other_and_the_card_says_what_each_kept(tmp_path: Path) -> None:
    groups = varied(20)
    corpus = written(tmp_path / "all", groups).keep("distinct", "open-ended", "per-problem=2", seed=1)
    card = corpus.write(tmp_path / "kept").card
    assert [one.filter for one in card.selection] == ["distinct", "open-ended", "per-problem=2"]
    assert card.selection[0].chains_in == 240 > card.selection[0].chains_kept == card.selection[1].chains_in
    assert card.chains == card.selection[2].chains_kept == sum(min(2, len(set(one))) for one in corpus.groups())
