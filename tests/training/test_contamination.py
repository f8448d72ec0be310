"""What is there to test on is not trained on unless it is allowed, and then it is said, whatever it is called."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from corpora import write_corpus
from small_lessons import FAST, chain, chains, examples, write_base
from stepdown.cli import main
from stepdown.corpus import Card, Corpus, open_corpus
from stepdown.corpus.folder import BEHIND
from stepdown.corpus.majority_labels import with_majority_labels
from stepdown.errors import UsageError
from stepdown.models.weights.students import SeenQuestions, read_card, seen_by
from stepdown.problems import load_problems
from stepdown.questions import FILE, key, keys_of, read_keys, words
from stepdown.training import train
from stepdown.training.contamination import refuse_overlap, refuse_tests
from stepdown.training.datasets import set_apart
from stepdown.types import Chain, Grade, Problem

TESTS = [
    msgspec.structs.replace(one, id=f"mine/{n}")
    for n, one in enumerate(load_problems("wordsums", split="test", limit=4))
]


def written(out: Path, problems: Sequence[Problem], *, dataset: str = "mine", teacher: str = "t") -> Corpus:
    chains = (
        Chain(one, f"So {one.answer}.\nAnswer: {one.answer}", teacher, grade=Grade("right", one.answer))
        for one in problems
    )
    return write_corpus(out, chains, card=Card(dataset=dataset))


# -- questions


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A 5-year-old has 1,000 eggs.", "a 5 year old  has 1000 EGGS", True),
        ("What is $x - 2$?", "What is x-2", True),
        ("What is $x - 2$?", "What is x + 2?", False),
        ("He has 3 eggs.", "He has 4 eggs.", False),
        ("It’s “so” — really", "it's so really", True),
        (r"Find \left( x^2 \right).", "find (x^2)", True),
        ("Ｈｅ has ３ eggs", "he has 3 eggs", True),
        ("Costs 3.50", "Costs 350", False),
    ],
)
def test_questions_are_the_same_whatever_their_case_blanks_and_signs(one: str, other: str, same: bool) -> None:
    assert (words(one) == words(other)) is same


def test_a_short_question_counts_with_its_choices_in_any_order() -> None:
    one = Problem("a/0", "Which is true?", "A", ("cats bark", "dogs bark"), "choice")
    turned = msgspec.structs.replace(one, id="b/7", choices=one.choices[::-1], answer="B")
    other = msgspec.structs.replace(one, choices=("cats bark", "fish bark"))
    assert key(one) == key(turned) != key(other)


# -- refusals


@pytest.mark.parametrize("dataset", ["gsm8k/test", "wordsums-2/test/seed-3", "math500/test", "imdb/contrast"])
def test_a_known_test_split_is_refused_by_its_name(dataset: str) -> None:
    with pytest.raises(UsageError, match="is there to test on"):
        refuse_tests(dataset, [])
    refuse_tests(dataset, [], allow=("test",))


def test_test_questions_are_refused_under_other_ids_and_names() -> None:
    with pytest.raises(UsageError, match=r"4 of 4 questions .* `wordsums/test`, under other ids: `mine/0`"):
        refuse_tests("mine", TESTS)
    with pytest.raises(UsageError, match="4 of 4"):
        refuse_tests("wordsums/train", TESTS)
    refuse_tests("mine", load_problems("wordsums", split="train", limit=50))


def test_a_problem_of_a_test_split_is_refused_by_its_id() -> None:
    with pytest.raises(UsageError, match="`gsm8k/test/3` is of a test split"):
        refuse_tests("merged", [Problem("gsm8k/test/3", "How many?", "1")])


def test_sampling_a_test_split_needs_leave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("sample", "wordsums", "--split", "test", "-n", "3", "--teacher", "gold", "--out", str(tmp_path / "c"))
    assert main(list(given)) == 2 and "--allow test" in capsys.readouterr().err
    assert main([*given, "--allow", "tests"]) == 2
    assert main([*given, "--allow", "test"]) == 0
    assert (tmp_path / "c" / FILE).stat().st_size == 3 * 8


def test_a_file_of_test_questions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"question": f" {one.question.upper()}", "answer": one.answer} for one in TESTS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ("sample", str(path), "--teacher", "gold", "--out", str(tmp_path / "c"))
    assert main(list(given)) == 2 and "4 of 4 questions" in capsys.readouterr().err


def test_training_on_test_questions_needs_leave(tmp_path: Path) -> None:
    corpus = written(tmp_path / "c", TESTS)
    with pytest.raises(UsageError, match="4 of 4 questions"):
        train(corpus, base="no/such", out=tmp_path / "s", training=FAST)


def test_a_study_is_not_tested_on_what_its_corpus_asks() -> None:
    tested = [msgspec.structs.replace(TESTS[0], id="t/0"), Problem("t/1", "Another question, is it not?", "1")]
    with pytest.raises(UsageError, match="1 problems of `t` ask what the corpus asks: `t/0`"):
        refuse_overlap(keys_of(TESTS), tested, "t")
    assert refuse_overlap(keys_of(TESTS), tested, "t", allow=("test",)) == ["t/0"]


# -- what is kept of questions


def test_a_corpus_keeps_the_hashes_of_its_questions_and_a_kept_one_its_own(tmp_path: Path) -> None:
    corpus = written(tmp_path / "c", TESTS)
    kept = corpus.keep("right", "max-words=100").write(tmp_path / "k")
    assert corpus.card.questions == 4 and corpus.questions == kept.questions == keys_of(TESTS)
    assert read_keys(tmp_path / "k" / FILE) == keys_of(TESTS)


def test_a_corpus_of_the_first_version_has_its_questions_read_from_its_rows(tmp_path: Path) -> None:
    corpus = written(tmp_path / "c", TESTS)
    card = json.loads((tmp_path / "c" / "card.json").read_text())
    for name in ("questions", "behind", "unknown"):
        del card[name]
    (tmp_path / "c" / "card.json").write_text(json.dumps(card))
    (tmp_path / "c" / FILE).unlink()
    old = open_corpus(tmp_path / "c")
    assert old.card.questions is None and old.questions == corpus.questions


def test_a_broken_file_of_questions_is_refused_with_a_way_out(tmp_path: Path) -> None:
    corpus = written(tmp_path / "c", TESTS)
    (tmp_path / "c" / FILE).write_bytes(b"123")
    with pytest.raises(UsageError, match="cut off"):
        _ = corpus.questions


# -- students

SHORT = msgspec.structs.replace(FAST, steps=2, evaluations=0, checkpoints=1, allow=("test",))


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("met")
    corpus = written(folder / "c", [*TESTS, *(chain(number).problem for number in range(20))])
    (made,) = train(corpus, base=write_base(folder / "base"), out=folder / "s", training=SHORT)
    return made


def test_a_student_keeps_what_it_was_trained_on(student: Path) -> None:
    met, card = seen_by(str(student)), read_card(student)
    assert met is not None and card is not None
    assert card.lessons.questions == len(met.keys) == 24 and keys_of(TESTS) <= met.keys


def test_a_student_of_a_student_has_met_what_both_met(student: Path, tmp_path: Path) -> None:
    (made,) = train(chains(), base=student, out=tmp_path / "s", training=SHORT)
    met = seen_by(str(made))
    assert met is not None and keys_of(TESTS) <= met.keys


def test_a_corpus_of_a_student_as_teacher_holds_what_stands_behind_it(student: Path, tmp_path: Path) -> None:
    other = Problem("o/0", "A question of its own, is it not?", "1")
    corpus = written(tmp_path / "c", [other], teacher=str(student)).keep("right").write(tmp_path / "k")
    assert corpus.questions == keys_of([other]) and keys_of(TESTS) <= corpus.behind
    assert (tmp_path / "k" / BEHIND).is_file()


def test_a_student_of_the_first_version_is_unknown_and_so_is_what_it_teaches(student: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    card = json.loads((student / "card.json").read_text())
    del card["lessons"]["questions"]
    (old / "card.json").write_text(json.dumps(card))
    (old / "config.json").write_text("{}")
    assert seen_by(str(old)) == SeenQuestions(unknown=(str(old),))
    assert written(tmp_path / "c", TESTS, teacher=str(old)).card.unknown == (str(old),)


# -- dev problems, and labels


@pytest.mark.slow
def test_dev_problems_are_taken_out_of_the_corpus_by_question(tmp_path: Path) -> None:
    dev = [msgspec.structs.replace(chain(number).problem, id=f"elsewhere/{number}") for number in range(4)]
    found = examples(write_base(tmp_path / "base"), chains())
    held_out, chosen = set_apart(found, FAST, dev)
    assert held_out == {0, 1, 2, 3} and chosen == tuple(dev)
    assert not held_out & {found.problem_of[place] for place in found.split(held_out)[0]}


@pytest.mark.slow
def test_held_out_questions_are_not_trained_on_under_another_id(tmp_path: Path) -> None:
    replace = msgspec.structs.replace
    twins = [replace(one, problem=replace(one.problem, id=f"b/{one.problem.id}")) for one in chains()]
    found = examples(write_base(tmp_path / "base"), [*chains(), *twins])
    held_out = found.hold_out()
    places = found.asking({found.keys[place] for place in held_out})
    assert len(places) == 2 * len(held_out) > 0


def test_the_label_of_a_problem_is_its_teachers_vote() -> None:
    said = [chain(0, sample, found=found) for sample, found in enumerate(["7", "0.5", "3", r"1/2", ""])]
    assert [one.grade.found for one in with_majority_labels(said)] == ["0.5", "0.5", "0.5", "1/2", "0.5"]
    assert [one.text for one in with_majority_labels(said)] == [one.text for one in said]
    assert [one.grade.found for one in with_majority_labels(iter(said))] == ["0.5", "0.5", "0.5", "1/2", "0.5"]


def test_chains_that_were_cut_do_not_vote_and_nobodys_vote_changes_nothing() -> None:
    cut = [msgspec.structs.replace(chain(0, n, found="9"), finish="length") for n in range(3)]
    assert [one.grade.found for one in with_majority_labels([*cut, chain(0, 3, found="4")])] == ["4"] * 4
    assert list(with_majority_labels(cut)) == cut
