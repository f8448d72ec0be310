"""Sampling asks for many chains once, and runs become corpora of chains and of plans."""

from pathlib import Path

import pytest

import stepdown as sd
from stepdown.errors import BadRow, CallFailed, UsageError
from stepdown.methods import FEW_SHOT
from stepdown.models import ScriptedModel
from stepdown.problems import Problems, load_problems
from stepdown.prompts import DEMONSTRATIONS, load_demonstrations, load_prompts, with_demonstrations
from stepdown.store import Run, Store
from stepdown.training.sampling import plans_of, sample, write_chains, write_gold, write_plans
from stepdown.types import Messages, Plan, Problem, Prompt, Sampling
from worlds import solver, student, sums, teacher


def wavering(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Be right in three of four draws."""
    return solver(messages, sampling, sample) if sample % 4 else "Answer: 0"


def traced(store: Store, script: str | None = None) -> Run:
    player = ScriptedModel(lambda messages, sampling, sample: script, "weak") if script else student()
    return sd.run(sums(3), "trace-of-thought", student=player, teacher=teacher(), store=store)


def test_each_problem_gets_as_many_chains_as_asked_for_each_with_its_grade(store: Store, tmp_path: Path) -> None:
    corpus = sample(sums(3), teacher=ScriptedModel(wavering), chains=4, out=tmp_path / "corpus", store=store)
    assert [len(group) for group in corpus.groups()] == [4, 4, 4]
    assert (corpus.card.right, corpus.card.graded, corpus.card.teachers) == (9, 12, {"scripted": 12})


def test_more_chains_ask_only_for_the_missing_ones(store: Store, tmp_path: Path) -> None:
    asked = ScriptedModel(wavering)
    sample(sums(3), teacher=asked, chains=10, out=tmp_path / "ten", store=store)
    thirty = sample(sums(3), teacher=asked, chains=30, out=tmp_path / "thirty", store=store)
    assert len(asked.calls) == 3 * 30 and thirty.card.chains == 90


def test_a_teacher_is_shown_demonstrations_of_the_problems_kind_before_the_question(
    store: Store, tmp_path: Path
) -> None:
    asked = ScriptedModel(wavering)
    sample(sums(1), teacher=asked, chains=1, out=tmp_path / "corpus", store=store)
    roles = [message.role for message in asked.calls[0].messages]
    shown = sum(one.kind == "number" for one in DEMONSTRATIONS)
    assert roles == ["system", *["user", "assistant"] * shown, "user"]


def test_every_kind_has_four_to_ten_demonstrations_whose_answers_can_be_read() -> None:
    words = with_demonstrations(load_prompts("default"))
    for kind in ("number", "expression", "choice", "text"):
        turns = words.render(FEW_SHOT, Prompt("solve", Problem("p/0", "Which?", "A", ("x", "y"), kind)))
        assert 4 <= sum(turn.role == "assistant" for turn in turns) <= 10


def test_a_taken_place_is_refused_before_the_teacher_is_asked(store: Store, tmp_path: Path) -> None:
    asked = ScriptedModel(wavering)
    sample(sums(1), teacher=asked, chains=1, out=tmp_path / "corpus", store=store)
    with pytest.raises(UsageError, match="there already"):
        sample(sums(2), teacher=asked, chains=2, out=tmp_path / "corpus", store=store)
    assert len(asked.calls) == 1


def test_draws_that_failed_are_left_out_and_counted(store: Store, tmp_path: Path) -> None:
    def failing(messages: Messages, sampling: Sampling, sample: int) -> str | CallFailed:
        return CallFailed("busy") if "What is 1 " in messages[-1].content else solver(messages, sampling, sample)

    corpus = sample(sums(2), teacher=ScriptedModel(failing), chains=3, out=tmp_path / "corpus", store=store)
    assert corpus.card.chains == 3 and "3 draws failed" in corpus.card.notes[0]


def test_a_plan_is_right_if_one_student_who_followed_it_was(store: Store) -> None:
    runs = (traced(store, "Answer: 99"), traced(store))
    plans = plans_of(runs)
    assert [chain.grade.verdict for some in plans.values() for chain in some.values()] == ["right"] * 3


def test_a_persons_edit_takes_the_place_of_the_plan_it_mends(store: Store, tmp_path: Path) -> None:
    run = traced(store)
    plan = run.trace("sums/test/1").plan or Plan("", "")
    run.put_edit("sums/test/1", plan.edit("Add one.", author="ann"))
    corpus = write_plans([run], tmp_path / "plans")
    edited = [chain for chain in corpus if chain.teacher == "ann"]
    assert corpus.card.chains == 3 and corpus.card.edits == 1 and edited[0].text == "1. Add one."


def test_plans_without_a_word_are_left_out_of_a_corpus_of_plans_and_counted(store: Store, tmp_path: Path) -> None:
    teacher = ScriptedModel(
        lambda messages, sampling, sample: "1. Add." if "is 2 plus" in messages[-1].content else " "
    )
    run = sd.run(sums(3), "trace-of-thought", student=student(), teacher=teacher, store=store)
    corpus = write_plans([run], tmp_path / "plans")
    assert [chain.text for chain in corpus] == ["1. Add."] and corpus.card.notes == (
        "2 plans without a word are left out",
    )


def test_a_run_without_plans_makes_no_corpus_of_plans(store: Store, tmp_path: Path) -> None:
    run = sd.run(sums(1), "direct", student=student(), store=store)
    with pytest.raises(UsageError, match="no plans"):
        write_plans([run], tmp_path / "plans")
    assert write_chains(run, tmp_path / "chains").card.chains == 1


def test_gold_solutions_and_plans_are_a_corpus_too(tmp_path: Path) -> None:
    problems = load_problems("wordsums", split="train", limit=5)
    chains, plans = write_gold(problems, tmp_path / "chains"), write_gold(problems, tmp_path / "plans", plans=True)
    assert [chain.text for chain in chains] == [problem.solution for problem in problems]
    assert plans.card.content == "plan" and next(iter(plans)).text == problems[0].plan


def test_problems_without_gold_solutions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no gold chains"):
        write_gold(sums(2), tmp_path / "gold")
    assert not (tmp_path / "gold").exists()


def test_problems_without_a_gold_solution_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [Problem(f"p/{n}", f"{n} + 0?", str(n), solution="It stays." * (n % 2)) for n in range(5)]
    corpus = write_gold(Problems("p", lambda: ((None, problem) for problem in rows)), tmp_path / "gold")
    assert [chain.problem.id for chain in corpus] == ["p/1", "p/3"] and corpus.card.right == 2
    assert corpus.card.notes == ("3 problems without one are left out",)


def test_a_plan_that_was_edited_twice_is_one_edit_and_keeps_its_number(store: Store, tmp_path: Path) -> None:
    run = traced(store)
    plan = run.trace("sums/test/1").plan or Plan("", "")
    for words in ("Add two.", "Add one."):
        run.put_edit("sums/test/1", plan.edit(words, author="ann"))
    corpus = write_plans([run], tmp_path / "plans")
    assert corpus.card.edits == 1 and [chain.text for chain in corpus if chain.teacher == "ann"] == ["1. Add one."]
    assert [chain.sample for chain in corpus] == [0, 0, 0]


def test_a_users_demonstrations_replace_ours(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "1 + 1?", "chain": "One more than one.", "answer": "2"}\n')
    words = with_demonstrations(load_prompts("default"), load_demonstrations(path))
    turns = words.render(FEW_SHOT, Prompt("solve", Problem("p/0", "2 + 2?", "4")))
    assert [turn.content for turn in turns[1:]] == ["1 + 1?", "One more than one.\nAnswer: 2", "2 + 2?"]


@pytest.mark.parametrize("row", ['{"question": "1 + 1?"}', '{"question": " ", "chain": "x", "answer": "2"}', "x"])
def test_a_row_that_is_no_demonstration_is_named(row: str, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(row)
    with pytest.raises(BadRow, match="line 1"):
        load_demonstrations(tmp_path / "mine.jsonl")
