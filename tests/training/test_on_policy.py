"""On-policy distillation: the reward is the paper's, and a teacher that reads otherwise is refused."""

import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring_server import scoring_server
from small_lessons import FAST, chains, examples, logged, same_weights
from small_students import TEMPLATE, TRAINS, small_model, small_tokenizer
from stepdown.errors import EndpointRefused, UsageError
from stepdown.models import find_scorer
from stepdown.models.local import find_base
from stepdown.models.weights import read_card
from stepdown.training import Training, TrainingProgress, train
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.laid_rows import lay_rows, prompts_of, rows_of
from stepdown.training.objectives.on_policy import floored
from stepdown.training.packing import PackedDataset
from stepdown.training.scoring_teachers import EndpointTeacher, LocalTeacher, TokenizerReading
from stepdown.training.teacher_checks import CONVERSATIONS, with_teacher
from stepdown.training.writing import answering, write_draws

pytestmark = TRAINS


def near_model() -> Any:
    """A model on the way from the base to another one."""
    import torch

    model, other = small_model(), small_model(seed=1)
    with torch.no_grad():
        for own, their in zip(model.parameters(), other.parameters(), strict=True):
            own.lerp_(their, 0.3)
    return model


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teachers") / "near"
    near_model().save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    return folder


# Two passes a step, of short texts: a draw takes a pass of the model for each of its tokens.
LESSONS = chains(24, 1)


def on_policy(teacher: object, **changes: Any) -> Training:
    few = {"objective": "on-policy", "teacher": str(teacher), "allow": ("weak-teacher",), "learning_rate": 2e-2}
    few |= {"full": True, "steps": 10, "batch": 24, "tokens_per_pass": 600, "evaluations": 1}
    return msgspec.structs.replace(FAST, **{**few, **changes})


def test_a_token_the_teacher_rules_out_costs_no_more_than_the_floor() -> None:
    import torch

    gained = torch.tensor([-1e4, -2.0, 0.0, 1.5])
    by_hand = [math.log(0.1), *(math.log(0.9 * math.exp(one) + 0.1) for one in (-2.0, 0.0, 1.5))]
    assert floored(gained, 0.9).tolist() == pytest.approx(by_hand, abs=1e-6)
    assert floored(gained, 1.0).tolist() == gained.tolist()


def test_packed_rows_are_read_back_with_the_start_they_share() -> None:
    prompts, texts = [[1, 2, 3, 4], [1, 2, 5]], [[7, 8], [9]]
    laid = lay_rows(prompts, texts, shared=2)
    assert rows_of(laid) == [[1, 2, 3, 4, 7, 8], [1, 2, 5, 9]]
    assert prompts_of(laid) == prompts


def test_the_loss_is_of_the_students_own_draws_as_teacher_and_student_find_them_likely(
    base: Path, teacher: Path
) -> None:
    import torch

    found = examples(base, chains(3, 1), on_policy(teacher))
    packed, model, other = PackedDataset(found, None, 1), small_model(), near_model()
    use_block_diagonal_attention(model)
    found.objective.begin(model, packed.batches(range(3), tokens=200))
    batch = packed.lay([0, 1, 2])
    torch.manual_seed(3)
    assert found.objective.write is not None
    found.objective.write(model, [packed.lay([2]), packed.lay([0, 1])])
    loss = found.objective.loss(model, batch)
    torch.manual_seed(3)
    with answering(model):
        draws = write_draws(model, prompts_of(batch), longest=max(batch["target_lengths"]), end=2)
    by_hand = list[tuple[float, float, int]]()
    for prompt, draw in zip(prompts_of(batch), draws, strict=True):
        row = torch.tensor([[*prompt, *draw]])
        own, their = (one(row).logits[0, len(prompt) - 1 : -1].log_softmax(-1) for one in (small_model(), other))
        pairs = ((float(own[place, token]), float(their[place, token])) for place, token in enumerate(draw))
        by_hand += [(mine, yours - mine, len(draw)) for mine, yours in pairs]
    rewards = [math.log(0.9 * math.exp(gained) + 0.1) for _, gained, _ in by_hand]
    mean = sum(rewards) / len(rewards)
    wanted = sum(-(reward - mean) * own / size for reward, (own, _, size) in zip(rewards, by_hand, strict=True))
    assert len({tuple(draw) for draw in draws}) == 3 and abs(wanted) > 0.1
    assert float(loss.value) == pytest.approx(wanted, rel=1e-3)
    assert float(loss.figures["reverse_kl"]) == pytest.approx(-sum(gain / size for _, gain, size in by_hand), rel=1e-4)


def test_a_teacher_is_let_go_of_once_the_student_is_trained(base: Path, teacher: Path) -> None:
    found, model = examples(base, chains(2, 1), on_policy(teacher)), small_model()
    use_block_diagonal_attention(model)
    objective: Any = found.objective
    objective.begin(model, PackedDataset(found, None, 1).batches(range(2), tokens=200))
    held = weakref.ref(objective.teacher)
    assert held() is not None
    objective.end()
    assert held() is None


@pytest.fixture(scope="module")
def student(base: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("students") / "x"
    return train(LESSONS, base=base, out=out, training=on_policy(teacher))[0]


def test_a_student_comes_nearer_to_its_teacher(student: Path, teacher: Path) -> None:
    apart, card = logged(student / "log.jsonl", "reverse_kl"), read_card(student)
    assert len(apart) == 10 and sum(apart[-3:]) < 0.92 * sum(apart[:3])
    assert card is not None and card.training["teacher"] == str(teacher) and card.training["teacher_source"]


def test_a_step_draws_the_same_texts_however_it_is_split(base: Path, teacher: Path, tmp_path: Path) -> None:
    found = []
    for tokens in (200, 9000):
        training, seen = on_policy(teacher, steps=1, evaluations=0, tokens_per_pass=tokens), list[TrainingProgress]()
        [out] = train(LESSONS, base=base, out=tmp_path / str(tokens), training=training, progress=seen.append)
        said = " ".join(one.words for one in seen)
        found.append((logged(out / "log.jsonl", "draw_tokens"), logged(out / "log.jsonl", "reverse_kl"), said))
    (few, apart, in_many), (one, together, in_one) = found
    assert "1 pass of" in in_one and "1 pass of" not in in_many
    assert few == one and apart == pytest.approx(together, rel=1e-2)


def test_the_tokens_of_the_log_are_what_the_teacher_reads(student: Path) -> None:
    counted, draws = logged(student / "log.jsonl", "tokens"), logged(student / "log.jsonl", "draw_tokens")
    steps = [after - before for before, after in zip([0, *counted], counted, strict=False)]
    # Every question of these lessons is of as many tokens, and 24 draws are made in a step.
    [asked] = {round(step - 24 * drawn) for step, drawn in zip(steps, draws, strict=True)}
    card = read_card(student)
    assert asked % 24 == 0 and asked > 24 * 8 and len(steps) == 10
    assert card is not None and card.tokens == counted[-1]


def stop(progress: TrainingProgress) -> None:
    if progress.step == 4:
        raise KeyboardInterrupt


def test_an_interrupted_training_draws_what_it_would_have_drawn(
    base: Path, teacher: Path, student: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(LESSONS, base=base, out=tmp_path / "x", training=on_policy(teacher), progress=stop)
    train(LESSONS, base=base, out=tmp_path / "x", training=on_policy(teacher))
    assert logged(tmp_path / "x" / "log.jsonl") == logged(student / "log.jsonl")
    assert same_weights(tmp_path / "x", student)


def swapped(folder: Path) -> None:
    """Give two tokens each other's number: as many tokens, and none of another name."""
    path = folder / "tokenizer.json"
    known = msgspec.json.decode(path.read_bytes())
    words = known["model"]["vocab"]
    one, other = sorted(words, key=words.get)[100:102]
    words[one], words[other] = words[other], words[one]
    path.write_bytes(msgspec.json.encode(known))


def renamed_end(folder: Path) -> None:
    tokenizer = small_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(folder)


def merged_otherwise(folder: Path) -> None:
    """Leave out a merge: the same numbers, and texts read as other tokens."""
    path = folder / "tokenizer.json"
    known = msgspec.json.decode(path.read_bytes())
    known["model"]["merges"] = known["model"]["merges"][1:]
    path.write_bytes(msgspec.json.encode(known))


def templated_otherwise(folder: Path) -> None:
    small_tokenizer(template="You are helpful.\n" + TEMPLATE).save_pretrained(folder)


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (swapped, "another vocabulary than the student: 2 tokens differ"),
        (renamed_end, "ends its texts with token `0`, and the student with `2`"),
        (merged_otherwise, "as other tokens than the student"),
        (templated_otherwise, "renders a conversation otherwise"),
    ],
)
def test_a_teacher_that_reads_otherwise_is_refused_before_anything_is_trained(
    base: Path, teacher: Path, tmp_path: Path, plant: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "planted"
    small_model(seed=1).save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    plant(folder)
    with pytest.raises(UsageError) as refused:
        train(LESSONS, base=base, out=tmp_path / "x", training=on_policy(folder))
    assert words in refused.value.what and str(folder) in refused.value.what
    assert not (tmp_path / "x").exists()


def test_a_teacher_no_better_than_the_student_is_refused_with_both_figures(base: Path, tmp_path: Path) -> None:
    settings = on_policy(base, allow=())
    with pytest.raises(UsageError, match=r"solves 0 of 2 dev problems, and the student 0 before"):
        train(LESSONS, base=base, out=tmp_path / "x", training=settings)


@pytest.mark.parametrize("change", ["dev", "evaluations"])
def test_without_dev_problems_nothing_shows_a_weak_teacher_so_it_is_refused(base: Path, change: str) -> None:
    settings = on_policy(base, allow=(), **{change: 0})
    with pytest.raises(UsageError, match="no dev problems that would show that") as refused:
        with_teacher(settings, find_base(str(base)), LESSONS)
    assert "hold some out" in refused.value.hint and "--allow weak-teacher" in refused.value.hint


def test_a_planner_has_no_dev_problems_that_would_show_a_weak_teacher(base: Path) -> None:
    with pytest.raises(UsageError, match="no dev problems") as refused:
        with_teacher(on_policy(base, allow=(), target="plan"), find_base(str(base)), LESSONS)
    assert refused.value.hint == "train although: `--allow weak-teacher`"


@pytest.mark.parametrize("many", ["no teacher", "stream"])
def test_what_cannot_be_compared_is_refused(base: Path, tmp_path: Path, many: str) -> None:
    corpus, teacher = (iter(LESSONS), base) if many == "stream" else (LESSONS, "")
    with pytest.raises(UsageError, match="needs a teacher" if many == "no teacher" else "a stream only once"):
        train(corpus, base=base, out=tmp_path / "x", training=on_policy(teacher))


def test_an_endpoint_scores_as_the_same_weights_do_here(
    base: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = lay_rows([[5, 6, 7], [8, 9]], [[10, 11, 2], [12, 2]])
    with scoring_server(teacher) as address:
        monkeypatch.setenv("VLLM_BASE_URL", address)
        found = EndpointTeacher(find_scorer("vllm/small")).logprobs(laid)
    here = LocalTeacher(find_base(str(teacher)), "cpu").logprobs(laid)
    assert found.tolist() == pytest.approx(here.tolist(), abs=1e-4) and len(found) == 5


def test_a_student_learns_of_a_teacher_behind_an_endpoint(
    base: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"steps": 2, "batch": 4}
    with scoring_server(teacher) as address:
        monkeypatch.setenv("VLLM_BASE_URL", address)
        train(LESSONS, base=base, out=tmp_path / "x", training=on_policy("vllm/small", **few))
    train(LESSONS, base=base, out=tmp_path / "y", training=on_policy(teacher, **few))
    far, near = (logged(tmp_path / name / "log.jsonl", "reverse_kl") for name in "xy")
    assert far == pytest.approx(near, abs=1e-3) and len(far) == 2


def test_an_endpoint_that_ends_its_texts_otherwise_is_refused(
    base: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = TokenizerReading(small_tokenizer(), "small").prompt(CONVERSATIONS[0])
    [[first]] = LocalTeacher(find_base(str(teacher)), "cpu").write([prompt], longest=1, end=-1)
    assert first != small_tokenizer().eos_token_id, "its likeliest reply is empty, and ends with another token"
    with scoring_server(teacher, end=first) as address:
        monkeypatch.setenv("VLLM_BASE_URL", address)
        with pytest.raises(UsageError, match=r"`vllm/small` does not end its texts with token `2`, as the student"):
            train(LESSONS, base=base, out=tmp_path / "x", training=on_policy("vllm/small"))


def test_an_endpoint_that_keeps_log_probabilities_to_itself_is_refused(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scoring_server(teacher, silent=True) as address:
        monkeypatch.setenv("VLLM_BASE_URL", address)
        with pytest.raises(EndpointRefused, match="does not tell the log-probabilities of a prompt"):
            EndpointTeacher(find_scorer("vllm/small")).logprobs(lay_rows([[5, 6]], [[7]]))
