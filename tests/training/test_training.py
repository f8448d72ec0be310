"""A student is trained on what it should be, in an order fixed before; killed, it goes on as if nothing had been."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from places import SUPPORT
from small_lessons import FAST, chain, chains, examples, logged, losses, same_weights
from small_students import TRAINS, small_model, small_tokenizer
from stepdown.errors import UsageError
from stepdown.models.local import find_base, load_base, to_bf16
from stepdown.models.weights.students import read_card
from stepdown.training import TrainingProgress, train
from stepdown.training.attention import use_block_diagonal_attention
from stepdown.training.checkpoints import Checkpoints, best_step
from stepdown.training.evaluation import DevSet, score_dev
from stepdown.training.independence import rows_are_independent
from stepdown.training.model_setup import add_adapter
from stepdown.training.packing import PackedDataset, count_micro_batches, shared_start, split_by_tokens
from stepdown.training.sampling_order import sampling_order
from stepdown.training.settings import evenly_spread

pytestmark = TRAINS


@pytest.fixture(scope="module")
def student(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("students") / "x"
    told: list[TrainingProgress] = []
    [found] = train(chains(), base=base, out=out, training=FAST, progress=told.append)
    assert [one.step for one in told if one.loss is not None] == [1, 2, 3, 4, 5, 6]
    assert "checked 72 chains of 24 problems" in told[0].words
    return found


# --- the order of visits


def test_balanced_visits_each_problem_once_before_any_again() -> None:
    owners = [0, 0, 0, 0, 1, 2, 2, 3]
    order = sampling_order(owners, visits="balanced", steps=6, batch=2, seed=1).reshape(3, 4)
    assert [sorted(owners[place] for place in some) for some in order] == [[0, 1, 2, 3]] * 3


def test_balanced_visits_draw_all_chains_of_a_problem_alike() -> None:
    order = sampling_order([0, 0, 0, 1], visits="balanced", steps=300, batch=10, seed=1).ravel().tolist()
    assert all(abs(order.count(place) - 500) < 70 for place in (0, 1, 2))
    assert order.count(3) == 1500


def test_concatenated_visits_take_every_chain_once_before_any_again() -> None:
    order = sampling_order([0, 0, 0, 1], visits="concatenate", steps=4, batch=2, seed=1).reshape(2, 4)
    assert [sorted(some) for some in order.tolist()] == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("visits", ["balanced", "concatenate"])
def test_the_order_is_a_function_of_corpus_settings_and_seed(visits: str) -> None:
    first, again, other = (
        sampling_order([0, 0, 1, 2, 3], visits=visits, steps=5, batch=4, seed=seed).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_more_steps_begin_as_fewer_did() -> None:
    short, long = (
        sampling_order(list(range(9)), visits="concatenate", steps=s, batch=4, seed=0).tolist() for s in (3, 9)
    )
    assert long[:3] == short


def test_passes_of_a_step_hold_all_its_rows_in_about_equal_parts() -> None:
    groups = split_by_tokens([10, 70, 30, 30, 20, 40], 2)
    assert sorted(place for group in groups for place in group) == [0, 1, 2, 3, 4, 5]
    assert [sum([10, 70, 30, 30, 20, 40][place] for place in group) for group in groups] == [100, 100]


@pytest.mark.parametrize(("count", "expected"), [(0, ()), (1, (10,)), (4, (2, 5, 8, 10)), (20, tuple(range(1, 11)))])
def test_marks_are_spread_over_the_steps_and_end_with_the_last(count: int, expected: tuple[int, ...]) -> None:
    assert evenly_spread(count, 10) == expected


# --- rows without padding


@pytest.mark.parametrize("shared", [0, 7])
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_packed_rows_have_the_losses_and_gradients_they_have_alone(kind: Any, shared: int, base: Path) -> None:
    model = small_model(kind)
    use_block_diagonal_attention(model)
    found = examples(base, chains())
    order = sampling_order([0, 1], visits="balanced", steps=1, batch=2, seed=0)
    packed, together = losses(model, PackedDataset(found, order, 1, shared=shared), [[0, 2, 7, 5]])
    alone, apart = losses(model, PackedDataset(found, order, 1), [[0], [2], [7], [5]])
    assert packed == pytest.approx(alone, rel=1e-5)
    assert all(one.allclose(other, atol=1e-4, rtol=1e-3) for one, other in zip(together, apart, strict=True))


@pytest.mark.parametrize("in_bf16", [False, True])
def test_a_model_that_lets_rows_see_one_another_is_found_out(in_bf16: bool, base: Path) -> None:
    model = small_model()
    if in_bf16:
        to_bf16(model)
    order = sampling_order([0, 3, 6, 9], visits="balanced", steps=1, batch=4, seed=0)
    passes = PackedDataset(examples(base, chains()), order, 1)
    use_block_diagonal_attention(model)
    assert rows_are_independent(model, passes)
    model.forward = leaking(model.forward)
    assert not rows_are_independent(model, passes)


def leaking(forward: Any) -> Any:
    def leak(*, input_ids: Any, row_lengths: list[int], **options: Any) -> Any:
        return forward(input_ids=input_ids, row_lengths=[sum(row_lengths)], **options)

    return leak


def test_the_question_is_masked_and_the_end_token_is_learned(base: Path) -> None:
    found = examples(base, [chain(3)])
    one = PackedDataset(found, sampling_order([0], visits="balanced", steps=1, batch=1, seed=0), 1)[0]
    text = small_tokenizer().decode(one["targets"].tolist())
    assert text == "Take 3. Add 3.\nAnswer: 6<|im_end|>"
    assert one["input_ids"][0, one["kept"] + 1].tolist() == one["targets"].tolist()


def test_what_all_prompts_begin_with_stands_once(base: Path) -> None:
    found = examples(base, chains())
    opening = small_tokenizer().decode(found.prompts[0][: shared_start(found)])
    assert opening == "<|im_start|>user\nWhat is "
    one = PackedDataset(found, None, 1, shared=shared_start(found)).lay([0, 5])
    assert one["row_lengths"][0] + sum(one["row_lengths"][1:]) == one["input_ids"].shape[1]


def test_passes_are_as_many_as_the_longest_step_needs(base: Path) -> None:
    found = examples(base, chains())
    order = sampling_order(found.problem_of, visits="balanced", steps=3, batch=8, seed=0)
    passes = PackedDataset(found, order, 1)
    most = max(passes.step_tokens(step) for step in range(3))
    assert count_micro_batches(passes, tokens=most, world=1) == 1
    assert count_micro_batches(passes, tokens=-(-most // 4), world=2) == 4
    assert count_micro_batches(passes, tokens=0, world=1) == count_micro_batches(passes, tokens=1, world=1) == 8


def test_a_special_token_in_a_chain_is_text(base: Path) -> None:
    found = examples(base, [chain(1, text="<|im_end|> Add.")])
    assert list(found.completions[0]).count(small_tokenizer().eos_token_id) == 1


# --- training


def test_a_student_remembers_its_training_and_learns(student: Path) -> None:
    card = read_card(student)
    assert card is not None
    assert (card.steps, card.seed, len(card.dev), card.lessons.chains) == (6, 0, 2, 72)
    assert card.training["learning_rate"] == 5e-4
    assert card.step in (3, 6)
    assert logged(student / "log.jsonl")[-1] < logged(student / "log.jsonl")[0]
    assert [path.name for path in student.parent.iterdir()] == ["x"]


def test_a_training_whose_loss_is_no_number_ends_at_that_step_and_writes_no_student(base: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    wild = msgspec.structs.replace(FAST, learning_rate=1e30, warmup=0)
    with pytest.raises(UsageError, match=r"the loss is `nan` at step [23] of 6: the training ran away"):
        train(chains(), base=base, out=tmp_path / "x", training=wild, progress=told.append)
    assert not (tmp_path / "x").exists() and next(one.step for one in told if one.loss is not None) == 1
    assert "NaN" not in Checkpoints(tmp_path / "x").log.read_text()


def test_a_warmup_longer_than_the_training_is_refused() -> None:
    for given in (FAST.steps, 0.5):
        msgspec.structs.replace(FAST, warmup=given).check()
    with pytest.raises(UsageError, match="`warmup` of `7` steps is longer than the training of `6`"):
        msgspec.structs.replace(FAST, warmup=FAST.steps + 1).check()


def test_dev_problems_are_never_trained_on(base: Path) -> None:
    found = examples(base, chains(), msgspec.structs.replace(FAST, dev=50))
    held_out = found.hold_out()
    assert len(held_out) == 2
    assert {found.problem_of[place] for place in found.split(held_out)[0]} == set(range(24)) - set(held_out)


def test_the_same_command_leaves_a_student_as_it_is_and_another_is_refused(base: Path, student: Path) -> None:
    before = (student / "card.json").stat().st_mtime_ns
    assert train(chains(), base=base, out=student, training=FAST) == [student]
    assert (student / "card.json").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="another training") as refused:
        train(chains(), base=base, out=student, training=msgspec.structs.replace(FAST, steps=7))
    assert "--out" in refused.value.hint, "taste and study, which have no --force, say so too"


def test_several_students_are_not_put_inside_one(base: Path, student: Path) -> None:
    with pytest.raises(UsageError, match="is one student"):
        train(chains(), base=base, out=student, training=FAST, seeds=2)
    assert not (student / "seed-0").exists()


def test_how_a_step_is_split_into_passes_changes_nothing(base: Path, student: Path, tmp_path: Path) -> None:
    whole = msgspec.structs.replace(FAST, tokens_per_pass=10_000)
    [other] = train(chains(), base=base, out=tmp_path / "x", training=whole)
    assert logged(other / "log.jsonl") == pytest.approx(logged(student / "log.jsonl"), abs=1e-5)


def test_several_seeds_are_several_students_of_the_same_dev_problems(base: Path, tmp_path: Path) -> None:
    short = msgspec.structs.replace(FAST, steps=2, full=True, learning_rate=1e-3, evaluations=1)
    dev = [chain(number).problem for number in (1, 2, 3)]
    found = train(chains(), base=base, out=tmp_path / "x", training=short, dev=dev, seeds=2)
    assert [path.name for path in found] == ["seed-0", "seed-1"]
    cards = [read_card(path) for path in found]
    assert [card.dev[0].total for card in cards if card] == [2, 2]
    assert not same_weights(*found)


def test_another_student_in_the_place_of_a_later_seed_is_refused_before_the_first_is_trained(
    base: Path, tmp_path: Path
) -> None:
    short = msgspec.structs.replace(FAST, steps=1, evaluations=0)
    train(chains(), base=base, out=tmp_path / "x" / "seed-1", training=msgspec.structs.replace(short, seed=1, rank=4))
    with pytest.raises(UsageError, match="seed-1` is a student of another training"):
        train(chains(), base=base, out=tmp_path / "x", training=short, seeds=2)
    assert not (tmp_path / "x" / "seed-0").exists()
    assert len(train(chains(), base=base, out=tmp_path / "x", training=short, seeds=2, force=True)) == 2


def test_each_seed_shuffles_sentences_in_its_own_way_as_it_would_alone(base: Path, tmp_path: Path) -> None:
    lessons = [chain(n, text=f"Take {n}. Look at it. Think. Go on. Add some.") for n in range(24)]
    short = msgspec.structs.replace(FAST, target="shuffled", steps=1, evaluations=0)
    found = train(lessons, base=base, out=tmp_path / "x", training=short, seeds=2)
    cards = [read_card(path) for path in found]
    assert [card.notes[-1] for card in cards if card] == [
        f"the sentences of each chain are shuffled by seed {seed}" for seed in (0, 1)
    ]
    told: list[TrainingProgress] = []
    for path, card in zip(found, cards, strict=True):
        assert card is not None
        alone = msgspec.structs.replace(short, seed=card.seed)
        assert examples(base, lessons, alone).fingerprint == card.lessons.fingerprint
        train(iter(lessons), base=base, out=path, training=alone, progress=told.append)
    assert len({card.lessons.fingerprint for card in cards if card}) == 2
    assert [one.words for one in told if "already" in one.words] == [f"`{path}` is there already" for path in found]


def test_a_stream_of_chains_is_not_shuffled_for_several_seeds(base: Path, tmp_path: Path) -> None:
    shuffled = msgspec.structs.replace(FAST, target="shuffled")
    with pytest.raises(UsageError, match="a stream can be read only once"):
        train(iter(chains()), base=base, out=tmp_path / "x", training=shuffled, seeds=2)


def test_another_tokenizer_or_another_chain_is_another_command(base: Path, tmp_path: Path) -> None:
    other, short = tmp_path / "base", msgspec.structs.replace(FAST, steps=1, evaluations=0)
    shutil.copytree(base, other)
    [found] = train(chains(), base=other, out=tmp_path / "x", training=short)
    with pytest.raises(UsageError, match="another training"):
        train(chains()[:-1], base=other, out=found, training=short)
    (other / "tokenizer.json").write_text("no tokenizer")
    with pytest.raises(UsageError, match="cannot load the base"):
        train(chains(), base=other, out=found, training=short)


CHILD = """
import sys
sys.path.insert(0, {support!r})
from small_lessons import FAST, chains
from stepdown.training import train
train(chains(), base={base!r}, out={out!r}, training=FAST, progress={progress})
"""


def child(base: Path, out: Path, progress: str) -> list[str]:
    code = CHILD.format(support=str(SUPPORT), base=str(base), out=str(out), progress=progress)
    script = out.with_suffix(".py")
    script.write_text(code)
    return [str(script)]


def test_a_killed_training_goes_on_to_the_same_losses_and_weights(base: Path, student: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    kill = "lambda one: one.step == 4 and __import__('os').kill(__import__('os').getpid(), 9)"
    done = subprocess.run([sys.executable, *child(base, out, kill)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert {path.name for path in (tmp_path / ".x.training").glob("step-*")} >= {"step-3"}
    assert not out.exists()
    train(chains(), base=base, out=out, training=FAST)
    assert logged(out / "log.jsonl") == logged(student / "log.jsonl")
    assert same_weights(out, student)


def test_a_folder_in_which_another_process_trains_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    work, second = Checkpoints(tmp_path / "x"), Checkpoints(tmp_path / "x")
    with work.held():
        work.begin("this training")
        work.append({"step": 1, "loss": 2.0})
        with pytest.raises(UsageError, match="another process trains in"), second.held():
            pass
        assert work.rows() == [{"step": 1, "loss": 2.0}]
    with second.held():
        second.begin("another", force=True)
        assert second.rows() == [] and second.steps() == []


def test_a_half_written_checkpoint_is_never_gone_on_with(base: Path, student: Path, tmp_path: Path) -> None:
    work = Checkpoints(tmp_path / "x")
    work.begin("this training")
    (work.partial() / "optimizer.pt").write_bytes(b"half")
    assert work.steps() == []
    work.log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert work.rows() == [{"step": 1, "loss": 2.0}]
    with pytest.raises(UsageError, match="another training was interrupted"):
        work.begin("another")


def test_of_the_best_checkpoint_its_weights_alone_are_kept_beside_the_last(tmp_path: Path) -> None:
    work = Checkpoints(tmp_path / "x")
    work.begin("this training")
    files = ("model.safetensors", "optimizer.pt", "scheduler.pt")
    for step, best in ((1, 1), (2, 2), (3, 2), (4, 2)):
        partial = work.partial()
        for name in files:
            (partial / name).write_bytes(b"x")
        work.accept(step, best)
    assert work.steps() == [2, 4]
    assert [path.name for path in work.checkpoint(2).iterdir()] == ["model.safetensors"]
    assert sorted(path.name for path in work.checkpoint(4).iterdir()) == sorted(files)


def test_a_log_is_cut_off_where_training_goes_on(tmp_path: Path) -> None:
    work = Checkpoints(tmp_path / "x")
    work.begin("this training")
    for step in (1, 2, 3):
        work.append({"step": step, "loss": 1.0 / step})
    assert [row["step"] for row in work.rewind(2)] == [1, 2] == [row["step"] for row in work.rows()]


def test_the_best_checkpoint_has_most_right_and_is_the_earliest_of_equals() -> None:
    scored = [{"step": step, "right": right, "dev": right / 4} for step, right in ((2, 1), (4, 3), (6, 3))]
    assert best_step([{"step": 6, "loss": 0.1}, *scored]) == 4
    assert best_step([{"step": 6, "loss": 0.1}]) is None


def test_of_checkpoints_with_as_many_right_the_one_of_least_held_out_loss_is_best() -> None:
    scored = [
        {"step": step, "right": 3, "dev": 0.75, "dev_loss": loss} for step, loss in ((2, 0.6), (4, 0.4), (6, 0.5))
    ]
    assert best_step(scored) == 4


def test_asking_the_dev_problems_leaves_every_weight_as_it_was(base: Path) -> None:
    import torch

    loaded = load_base(find_base(base))
    model = add_adapter(loaded.model, FAST)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    dev = DevSet(tuple(chain(n).problem for n in (1, 2)), ([5, 6, 7], [8, 9]), 4)
    assert score_dev(dev, model, loaded.tokenizer)["total"] == 2
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
