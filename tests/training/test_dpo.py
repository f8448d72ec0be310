"""Preference tuning: the loss is the paper's, pairs stay pairs, and what cannot be preferred is refused at once."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corpora import write_corpus
from small_lessons import DPO, chains, examples, logged, pair, pairs, same_weights
from small_students import TRAINS, small_model
from stepdown.corpus import REJECTED, Card, open_corpus
from stepdown.errors import UnknownName, UsageError
from stepdown.exchange import export_corpus
from stepdown.models.local import find_base, load_base
from stepdown.models.weights import read_card
from stepdown.training import TrainingProgress, model_setup, train
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.datasets import INCIDENTAL, prepare_datasets
from stepdown.training.packing import PackedDataset
from stepdown.training.settings import USUAL_TOKENS
from stepdown.types import Chain, fingerprint

pytestmark = TRAINS


@pytest.fixture(scope="module")
def student(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(pairs(), base=base, out=tmp_path_factory.mktemp("students") / "x", training=DPO)[0]


def logprob(model: Any, prompt: Sequence[int], completion: Sequence[int]) -> float:
    """Log p(completion | prompt) of one row alone, by the definition."""
    import torch

    logits = model(torch.tensor([[*prompt, *completion]])).logits[0].log_softmax(-1)
    return sum(float(logits[len(prompt) + at - 1, token]) for at, token in enumerate(completion))


def test_the_loss_of_packed_pairs_is_equation_seven(base: Path) -> None:
    found = examples(base, pairs(5), DPO)
    packed, before, now = PackedDataset(found, None, 1), small_model(seed=0), small_model(seed=1)
    by_hand = []
    for number in range(5):
        prompt = found.prompts[found.problem_of[2 * number]]
        won, lost = (
            logprob(now, prompt, found.completions[row]) - logprob(before, prompt, found.completions[row])
            for row in (2 * number, 2 * number + 1)
        )
        by_hand.append(math.log1p(math.exp(-0.5 * (won - lost))))
    for model in (before, now):
        use_block_diagonal_attention(model)
    found.objective.begin(before, packed.batches(range(5), tokens=200))
    loss = found.objective.loss(now, found.objective.collate(packed.lay([0, 3, 1, 4, 2])))
    assert max(by_hand) > 1.5 * min(by_hand)
    assert float(loss.value) == pytest.approx(sum(by_hand), rel=1e-4)


@pytest.mark.parametrize(
    ("objective", "beta", "said"),
    [("sft", None, None), ("dpo", None, None), ("dpo", 0.1, None), ("dpo", 0.5, 0.5), ("dpo-norm", None, 5.0),
     ("dpo-norm", 5.0, 5.0)],
)  # fmt: skip
def test_what_a_training_is_known_by_says_its_beta_as_it_first_did(
    base: Path, objective: str, beta: float | None, said: float | None
) -> None:
    found = next(prepare_datasets(pairs(6), load_base(find_base(base)), DPO, None, lambda _: None))
    known = msgspec.structs.replace(found, training=msgspec.structs.replace(DPO, objective=objective, beta=beta))
    written = msgspec.structs.replace(known.training, **{**INCIDENTAL, "tokens_per_pass": USUAL_TOKENS, "beta": said})
    whole = [written, found.base.name, found.base.source, found.examples.fingerprint, [one.id for one in found.dev]]
    assert known.identity == fingerprint([*whole, list(found.beside)])


def test_the_length_normalised_loss_divides_each_gain_by_its_tokens(base: Path) -> None:
    found = examples(base, pairs(4), msgspec.structs.replace(DPO, objective="dpo-norm", beta=None))
    packed, before, now = PackedDataset(found, None, 1), small_model(seed=0), small_model(seed=1)
    by_hand = []
    for number in range(4):
        prompt = found.prompts[found.problem_of[2 * number]]
        texts = [found.completions[row] for row in (2 * number, 2 * number + 1)]
        won, lost = ((logprob(now, prompt, one) - logprob(before, prompt, one)) / len(one) for one in texts)
        by_hand.append(math.log1p(math.exp(-5 * (won - lost))))
    for model in (before, now):
        use_block_diagonal_attention(model)
    found.objective.begin(before, packed.batches(range(4), tokens=200))
    loss = found.objective.loss(now, found.objective.collate(packed.lay([2, 0, 1, 3])))
    assert float(loss.value) == pytest.approx(sum(by_hand), rel=1e-4)


def test_a_student_starts_at_chance_and_comes_to_prefer_the_chosen(student: Path) -> None:
    log, card = student / "log.jsonl", read_card(student)
    assert logged(log)[0] == pytest.approx(math.log(2), abs=1e-4) and logged(log, "margin")[0] == pytest.approx(0)
    assert logged(log)[-1] < logged(log)[0] and logged(log, "margin")[-1] > 0
    assert logged(log, "dev_margin")[-1] > 0 and logged(log, "preferred")[-1] == 1
    assert card is not None and (card.lessons.content, card.lessons.target) == ("preference", "preference")
    assert (card.training["objective"], card.training["beta"], card.dev[0].total) == ("dpo", 0.5, 2)


def test_it_is_said_how_far_the_base_has_read_before_the_first_step(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_setup, "SECONDS", 0.0)
    seen = list[TrainingProgress]()
    training = msgspec.structs.replace(DPO, steps=1, evaluations=0, tokens_per_pass=200)
    train(pairs(), base=base, out=tmp_path / "x", training=training, progress=seen.append)
    said = [one.words for one in seen if "has read" in one.words]
    assert len(said) > 1 and said[0].startswith("before the first step: the base has read ")


def stop(progress: TrainingProgress) -> None:
    if progress.step == 4:
        raise KeyboardInterrupt


def test_an_interrupted_training_resumes_to_the_same_student(base: Path, student: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(pairs(), base=base, out=tmp_path / "x", training=DPO, progress=stop)
    train(pairs(), base=base, out=tmp_path / "x", training=DPO)
    assert logged(tmp_path / "x" / "log.jsonl") == logged(student / "log.jsonl")
    assert same_weights(tmp_path / "x", student)


def test_pairs_stay_together_however_a_step_is_split(base: Path, student: Path, tmp_path: Path) -> None:
    whole = msgspec.structs.replace(DPO, tokens_per_pass=10_000)
    [other] = train(pairs(), base=base, out=tmp_path / "x", training=whole)
    assert logged(other / "log.jsonl") == pytest.approx(logged(student / "log.jsonl"), abs=1e-4)


@pytest.mark.parametrize(
    ("some", "words"),
    [
        (chains(3), "half of no pair"),
        (pairs(3)[:-1], "half of no pair"),
        ([pair(1)[0], pair(2)[1]], "is paired with one on"),
        ([pair(1)[0], msgspec.structs.replace(pair(1)[0], variant=REJECTED)], "are the same"),
    ],
)
def test_what_is_no_pair_is_refused_before_a_base_is_looked_for(some: list[Chain], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        train(some, base="nowhere", out=tmp_path / "x", training=DPO)


def test_settings_that_no_objective_has_are_refused(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{"objective": "ppo"}, {"target": "label"}, {"beta": 0.0}]
    for change in changes:
        with pytest.raises(UsageError):
            train(pairs(), base="nowhere", out=tmp_path / "x", training=msgspec.structs.replace(DPO, **change))
    with pytest.raises(UnknownName, match="ppo"):
        train(pairs(), base="nowhere", out=tmp_path, training=msgspec.structs.replace(DPO, objective="ppo"))


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    for name, content, some in (("chains", "chain", chains(3)), ("pairs", "preference", pairs(3))):
        card = msgspec.convert({"dataset": "sums", "content": content}, Card)
        write_corpus(tmp_path / name, some, card=card)
    return tmp_path


def test_a_corpus_of_the_other_kind_is_refused_with_a_way_out(corpora: Path) -> None:
    for name, objective, way in (("chains", "dpo", "stepdown prefer"), ("pairs", "sft", "--objective dpo")):
        training = msgspec.structs.replace(DPO, objective=objective)
        with pytest.raises(UsageError, match="is to learn from") as refused:
            train(open_corpus(corpora / name), base="nowhere", out=corpora / "x", training=training)
        assert way in refused.value.hint


def test_nothing_takes_one_text_of_a_pair_for_a_chain(corpora: Path) -> None:
    found = open_corpus(corpora / "pairs")
    assert "| pairs | 3 of chains |" in (corpora / "pairs" / "README.md").read_text()
    with pytest.raises(UsageError, match="one text of a pair"):
        found.keep("right")
    assert len(list(found.keep("all"))) == 6
    with pytest.raises(UsageError, match="nothing to imitate"):
        export_corpus(found, "messages", corpora / "out.jsonl")
