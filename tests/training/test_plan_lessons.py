"""Corpora of plans that helped: written with what each was worth, and learned as plans, by SFT and by preference."""

from pathlib import Path

import msgspec
import pytest

from small_lessons import DPO, examples, pairs
from stepdown.cli import main
from stepdown.cli.verbs.train import target_of
from stepdown.corpus import CHOSEN, REJECTED, open_corpus, read_plan_lineages
from stepdown.errors import UsageError
from stepdown.methods import TRACE_OF_THOUGHT
from stepdown.prompts import load_prompts
from stepdown.store import Store
from stepdown.training import Training, check_content
from stepdown.training.datasets import set_apart
from stepdown.training.examples import Examples
from stepdown.training.objectives import load_objective
from stepdown.types import Prompt
from valued_plans import ADD, GUESS, TELLS, alone, with_plans

PLANS = [(TELLS, "rr"), (ADD, "rr"), (GUESS, "ww")]
OF_PLANS = Training(objective="dpo", target="plan")


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> Path:
    """Two corpora, written by the command: plans that helped, and pairs."""
    planned, plain = with_plans(store, PLANS), alone(store, "ww")
    command = ["plan-values", planned.id, "--without", plain.id, "--store", str(store.path)]
    assert main([*command, "--out", str(tmp_path / "plans"), "--pairs", str(tmp_path / "pairs")]) == 0
    return tmp_path


def test_plans_that_helped_are_a_corpus_of_plans(folder: Path) -> None:
    corpus = open_corpus(folder / "plans")
    assert (corpus.card.content, target_of(corpus, "chain")) == ("plan", "plan")
    assert [(chain.text, chain.grade.why) for chain in corpus] == [(ADD, "2 of 2 right with it, 0 of 2 without")]
    check_content(corpus, Training(target="plan"))


def test_pairs_have_the_better_plan_first_which_tells_nothing(folder: Path) -> None:
    corpus = open_corpus(folder / "pairs")
    assert (corpus.card.content, corpus.card.texts, target_of(corpus, "chain")) == ("preference", "plan", "plan")
    assert [(chain.text, chain.variant) for chain in corpus] == [(ADD, CHOSEN), (GUESS, REJECTED)]


def test_what_a_plan_was_worth_goes_with_it_through_keep(folder: Path) -> None:
    assert main(["keep", str(folder / "plans"), "no-leak", "--out", str(folder / "kept")]) == 0
    for name in ("plans", "kept"):
        [lineage] = read_plan_lineages(folder / name).values()
        assert (lineage.value, lineage.right, lineage.graded_without, lineage.student) == (1.0, 2, 2, "s")


def test_preferences_among_plans_are_asked_for_as_plans_are(folder: Path) -> None:
    objective = load_objective(OF_PLANS)
    [group] = objective.groups(open_corpus(folder / "pairs"))
    example = objective.example(group)
    asked = load_prompts("student").render(TRACE_OF_THOUGHT, Prompt("plan", group[0].problem))
    assert example is not None and (example.question, example.completions) == (asked, (ADD, GUESS))
    assert OF_PLANS.method == "delegate"


def test_pairs_of_plans_are_not_learned_as_chains_nor_the_other_way_round(folder: Path) -> None:
    corpus = open_corpus(folder / "pairs")
    check_content(corpus, OF_PLANS)
    with pytest.raises(UsageError, match="holds pairs of plans, and the target is `chain`"):
        check_content(corpus, DPO)


def test_held_out_pairs_of_plans_choose_the_checkpoint(base: Path) -> None:
    training = msgspec.structs.replace(DPO, target="plan")
    found: Examples = examples(base, pairs(), training)
    assert len(set_apart(found, training, None)[1]) == 2
    assert set_apart(found, training, [pairs()[0].problem]) == (set(), ())


def test_where_no_plan_helped_nothing_is_written(store: Store, tmp_path: Path) -> None:
    planned, plain = with_plans(store, [(GUESS, "ww")]), alone(store, "rr")
    command = ["plan-values", planned.id, "--without", plain.id, "--store", str(store.path)]
    assert main([*command, "--out", str(tmp_path / "plans")]) == 2
    assert main([*command, "--pairs", str(tmp_path / "pairs")]) == 2
    assert not list(tmp_path.glob("p*"))


def test_plans_and_pairs_are_written_both_or_neither(store: Store, tmp_path: Path) -> None:
    planned, plain = with_plans(store, [(ADD, "rr")]), alone(store, "ww")  # one plan helped, and has none beside it
    command = ["plan-values", planned.id, "--without", plain.id, "--store", str(store.path)]
    assert main([*command, "--out", str(tmp_path / "plans"), "--pairs", str(tmp_path / "pairs")]) == 2
    assert not list(tmp_path.glob("p*"))
    assert main([*command, "--out", str(tmp_path / "plans")]) == 0
