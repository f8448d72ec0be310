"""A student reads chains once: what it thinks of them, how it is kept, and which chains it has kept."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from small_lessons import chain, chains, write_base
from stepdown.corpus import Card, CorpusWriter, StudentScores, open_corpus
from stepdown.corpus.selection import load_filter, reads_elsewhere
from stepdown.corpus.student_scores import ScoreFiles
from stepdown.errors import UsageError
from stepdown.models.local import TokenScore, find_base, load_base
from stepdown.models.local.scoring import CLIP, Asked, TextScorer
from stepdown.types import Grade


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_base(tmp_path_factory.mktemp("base") / "student"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


GROUP = [chain(2, sample, text=text) for sample, text in enumerate(["Take 2.", "Add 2 to it.", "Go on. " * 9, "Add."])]


def test_a_score_is_the_mean_rank_and_surprisal_of_the_tokens_by_the_models_own_logits(student: str) -> None:
    import torch

    base = load_base(find_base(student))
    prompt, text = [5, 6, 7], [8, 9, 10, 11]
    [[found]] = TextScorer(base).score([Asked(prompt, [text])])
    logits = base.model(torch.tensor([prompt + text])).logits.detach()[0, len(prompt) - 1 : -1]
    own = logits[range(4), text]
    ranks = (1 + (logits > own[:, None]).sum(-1)).clamp(max=CLIP).float()
    assert found.tokens == 4 and found.rank == pytest.approx(float(ranks.mean()))
    assert found.surprisal == pytest.approx(float(-logits.log_softmax(-1)[range(4), text].mean()), abs=1e-4)


def test_texts_of_a_pass_do_not_see_one_another(student: str) -> None:
    asked = [Asked([5, 6, at], [[8, 9, at], [10, at]]) for at in range(11, 16)]
    scorer = TextScorer(load_base(find_base(student)))
    together = scorer.score(asked)
    alone = [[scorer.score([Asked(one.prompt, [text])])[0][0] for text in one.texts] for one in asked]
    assert scorer._apart
    pairs = [pair for some, other in zip(together, alone, strict=True) for pair in zip(some, other, strict=True)]
    for one, other in pairs:
        assert one.surprisal == pytest.approx(other.surprisal, abs=1e-3) and one.rank == pytest.approx(other.rank)


def test_a_model_that_goes_by_no_mask_reads_texts_one_by_one(student: str) -> None:
    base = load_base(find_base(student))

    class Blind(type(base.model)):  # type: ignore[misc]
        def forward(self, *tensors: Any, attention_mask: Any = None, **options: Any) -> Any:
            return super().forward(*tensors, **options)

    base.model.__class__ = Blind
    scorer, texts = TextScorer(base), [[8, 9, 10], [11, 12]]
    alone = [scorer.score([Asked([5, 6], [text])])[0][0] for text in texts]
    assert scorer.score([Asked([5, 6], texts)]) == [alone] and scorer._apart is False


def test_a_chain_is_read_once_by_whoever_asks(student: str) -> None:
    first, later = StudentScores(student), StudentScores(student)
    scores = first.of(GROUP)
    assert first.read == len(GROUP) and len({one.surprisal for one in scores}) == len(GROUP)
    assert later.of(GROUP[::-1]) == scores[::-1]
    assert later.read == 0 and later._scorer is None


def test_other_weights_read_anew(student: str, tmp_path: Path) -> None:
    StudentScores(student).of(GROUP)
    other = write_base(tmp_path / "other")
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    again = StudentScores(str(other))
    again.of(GROUP)
    assert again.read == len(GROUP)


def test_a_stream_gives_each_group_its_own_scores_whatever_was_known(student: str) -> None:
    groups = [[one, chain(number, 3)] for number, one in enumerate(chains(5, 1))]
    StudentScores(student).of(groups[2])
    streamed = StudentScores(student)
    found = list(streamed.stream([*groups, []]))
    assert streamed.read == 8 and found[-1] == []
    assert found[:-1] == [StudentScores(student).of(group) for group in groups]


@pytest.mark.parametrize("how", ["suited", "likely-for"])
def test_the_chains_that_suit_a_student_are_kept_in_their_order(student: str, how: str) -> None:
    scores = StudentScores(student).of(GROUP)
    value = [one.ratio if how == "suited" else one.surprisal for one in scores]
    best = sorted(sorted(range(4), key=value.__getitem__)[:2])
    filter = load_filter(f"per-problem=2:{how}:{student}")
    assert filter.prepare is not None
    ready = filter.prepare(lambda: iter([GROUP]))
    assert list(ready.keep(GROUP)) == [GROUP[at] for at in best]
    assert "weights" in ready.definition


def test_fewer_chains_are_among_more_and_a_view_keeps_them(student: str, tmp_path: Path) -> None:
    with CorpusWriter(tmp_path / "c", card=Card(dataset="sums/train")) as writer:
        for one in chains(4, 4):
            writer.add(one)
    kept = [list(open_corpus(tmp_path / "c").keep(f"per-problem={count}:suited:{student}")) for count in (1, 2)]
    assert [len(some) for some in kept] == [4, 8] and all(one in kept[1] for one in kept[0])
    card = open_corpus(tmp_path / "c").keep(f"per-problem=1:suited:{student}").write(tmp_path / "k").card
    assert "arXiv 2601.14249" in card.selection[0].definition


def test_a_student_there_is_not_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="gone") as refused:
        load_filter("per-problem=2:suited:gone")
    assert "smollm2-135m" in refused.value.hint
    with pytest.raises(UsageError, match="needs a student"):
        load_filter("per-problem=2:suited")


def test_pages_do_not_load_a_student() -> None:
    assert reads_elsewhere("per-problem=2:suited:x") and reads_elsewhere("per-problem=2:likely-for:x")
    assert not reads_elsewhere("per-problem=2:short")


def test_many_small_files_of_scores_become_one_and_a_cut_one_is_read_anew(tmp_path: Path) -> None:
    for key in range(20):
        files = ScoreFiles(tmp_path)
        files.add(key, TokenScore(3, 2.0, float(key)))
        files.flush()
    assert len(list(tmp_path.iterdir())) < 20
    assert ScoreFiles(tmp_path).find([19, 0, 77]) == {19: TokenScore(3, 2.0, 19.0), 0: TokenScore(3, 2.0, 0.0)}
    (tmp_path / "1-cut.scores").write_bytes(b"half a row")
    assert len(ScoreFiles(tmp_path).find(list(range(20)))) == 20


def test_a_chain_without_a_label_is_read_as_it_stands(student: str) -> None:
    silent = msgspec.structs.replace(GROUP[0], grade=Grade("wrong", None))
    [one] = StudentScores(student).of([silent])
    assert 0 < one.tokens < StudentScores(student).of([GROUP[0]])[0].tokens
