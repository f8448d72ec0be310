"""Draws of a student are written together by transformers: they come and go, and none has a say in another's text."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from chat_calls import run
from small_students import LINES, TRAINS, small_student
from stepdown.errors import CallFailed, EndpointRefused
from stepdown.models.local.draws import RowDraw
from stepdown.models.local.loading import load_student
from stepdown.models.local.row_batch import RowBatch
from stepdown.models.local.transformers import TransformersEngine
from stepdown.types import Message, Messages, Reply, Sampling

pytestmark = [pytest.mark.slow, *TRAINS]
ASKED: list[Messages] = [(Message("user", line * times),) for line in LINES for times in (1, 3, 7)]
WARM = Sampling(temperature=1.0, max_tokens=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_student(tmp_path_factory.mktemp("students") / "x", kind="qwen2")


@pytest.fixture
def engine(folder: Path) -> Iterator[Any]:
    made = TransformersEngine(folder)
    yield made
    made.close()


async def drawn(engine: Any, place: int, sampling: Sampling) -> Reply:
    replies: list[Reply] = await engine.draw(ASKED[place % len(ASKED)], sampling, [place])
    return replies[0]


def alone(engine: Any, count: int, sampling: Sampling) -> list[Reply]:
    return [run(drawn(engine, place, sampling)) for place in range(count)]


async def in_turn(engine: Any, samplings: list[Sampling]) -> list[Reply]:
    """The replies to questions of which each comes a moment after the one before."""
    tasks = []
    for place, sampling in enumerate(samplings):
        tasks.append(asyncio.create_task(drawn(engine, place, sampling)))
        await asyncio.sleep(0.003 * (place % 4))
    return await asyncio.gather(*tasks)


def heights(engine: Any, most: int = 1000, error: type[BaseException] | None = None) -> list[int]:
    """The rows of each forward from now on; more than `most` raise what a device says that has no memory left."""
    import torch

    seen: list[int] = []

    def look(_: Any, __: Any, named: dict[str, Any]) -> None:
        seen.append(len(named["input_ids"]))
        if seen[-1] > most:
            raise (error or torch.OutOfMemoryError)("CUDA out of memory. Tried to allocate 20.00 MiB")

    engine._model.register_forward_pre_hook(look, with_kwargs=True)
    return seen


def test_a_short_draw_that_comes_late_ends_while_a_long_one_is_under_way(engine: Any) -> None:
    seen = heights(engine)

    async def both() -> tuple[int, bool]:
        long = asyncio.create_task(drawn(engine, 0, Sampling(temperature=1.0, max_tokens=200)))
        while len(seen) < 20:
            await asyncio.sleep(0)
        await drawn(engine, 1, Sampling(max_tokens=2))
        return len(seen), (not long.done()) and bool((await long).text)

    steps, under_way = run(both())
    assert under_way and 2 in seen and 20 < steps < len(seen)


def test_the_text_of_a_draw_does_not_depend_on_who_comes_and_goes(engine: Any) -> None:
    lengths = [40, 3, 24, 1, 60, 12, 5, 30, 18, 2, 44, 9, 27, 6, 50, 15, 33, 4, 21, 8]
    for sampling in (Sampling(), WARM, Sampling(temperature=0.8, top_p=0.7)):
        asked = [Sampling(sampling.temperature, top_p=sampling.top_p, max_tokens=length) for length in lengths]
        apart = [run(drawn(engine, place, one)) for place, one in enumerate(asked)]
        seen = heights(engine)
        together = run(in_turn(engine, asked))
        assert [one.text for one in together] == [one.text for one in apart]
        assert [one.usage for one in together] == [one.usage for one in apart] and max(seen) > 3


def test_where_memory_runs_out_batches_are_halved_and_every_draw_is_written(engine: Any) -> None:
    expected = [reply.text for reply in alone(engine, 16, WARM)]
    seen = heights(engine, most=4)
    assert [reply.text for reply in run(in_turn(engine, [WARM] * 16))] == expected
    assert max(seen) > 4 and engine.width <= 4 and Counter(seen)[engine.width] > 24


def test_a_draw_that_does_not_fit_alone_fails_and_the_next_one_is_written(engine: Any) -> None:
    hook = heights(engine, most=0)
    with pytest.raises(CallFailed, match="do not fit the memory"):
        run(drawn(engine, 0, WARM))
    assert hook == [1]
    engine._model._forward_pre_hooks.clear()
    assert run(drawn(engine, 0, WARM)).text


def test_what_a_batch_raises_fails_its_draws_and_the_next_one_is_written(engine: Any) -> None:
    heights(engine, most=0, error=IndexError)
    with pytest.raises(CallFailed, match="failed on a batch"):
        run(drawn(engine, 0, WARM))
    engine._model._forward_pre_hooks.clear()
    assert run(drawn(engine, 0, WARM)).text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_the_thread_leaves_nobody_waiting(folder: Path) -> None:
    class Panic(BaseException):
        """As Rust's reach Python."""

    engine = TransformersEngine(folder)
    heights(engine, most=0, error=Panic)
    for _ in range(2):
        with pytest.raises(EndpointRefused, match="stopped"):
            run(drawn(engine, 0, WARM), 20)
    engine.close()


def test_where_one_draw_of_a_call_fails_its_others_are_written_no_further(engine: Any) -> None:
    take, seen = engine._scheduler._take, heights(engine)

    def spoil(draw: Any, token: int, score: float) -> None:
        take(draw, token, float("nan") if draw.seed == 2 and len(draw.tokens) == 4 else score)

    engine._scheduler._batch._take = spoil
    with pytest.raises(CallFailed, match="no numbers"):
        run(engine.draw(ASKED[0], Sampling(temperature=1.0, max_tokens=200), [1, 2, 3]))
    engine.close()
    assert 3 in seen and len(seen) < 100


def test_a_caller_who_goes_away_while_others_leave_ends_no_batch(engine: Any) -> None:
    class Going(Future[Reply]):
        """One that is cancelled after it was first looked at."""

        def done(self) -> bool:
            return self.cancelled() or not self.cancel()

    ended, there = (RowDraw([1], WARM, seed, 4) for seed in range(2))
    ended.finish, there.future = "stop", Going()
    batch = RowBatch(engine._model, lambda draw, token, score: None)
    batch.rows = [there, ended]
    assert batch.leave() == [ended] and batch.rows == [there] and there.future.cancelled()
    assert batch.leave() == [there] and not batch.rows


def test_width_follows_free_memory(engine: Any) -> None:
    alone(engine, 1, WARM)
    token = 2 * 2 * 2 * 16 * 4
    assert engine._scheduler._bytes == token
    need = max(len(engine._tokens(engine._template.render(messages))) for messages in ASKED) + WARM.max_tokens
    memory = int(5.5 * need * token / 0.7)
    engine._scheduler._put_back([])
    engine._scheduler.free_memory = lambda: memory - engine._scheduler._batch.held_bytes
    seen = heights(engine)
    assert len(run(in_turn(engine, [WARM] * 16))) == 16 and 4 <= max(seen) <= 8


def test_a_broken_card_ends_the_engine_and_says_so(folder: Path) -> None:
    import torch

    engine = TransformersEngine(folder)
    heights(engine, most=0, error=torch.AcceleratorError)
    for _ in range(2):
        with pytest.raises(EndpointRefused, match="graphics card failed") as refused:
            run(drawn(engine, 0, WARM))
    assert "run the same command again" in refused.value.hint
    engine.close()


def test_scores_that_are_no_numbers_are_refused_and_spoil_no_neighbour(engine: Any) -> None:
    [expected] = alone(engine, 1, WARM)
    weight = engine._model.get_input_embeddings().weight
    [token] = engine._tokenizer("~", add_special_tokens=False)["input_ids"]
    weight.data[token] = float("nan")

    async def together() -> list[Any]:
        asked = [drawn(engine, 0, WARM), engine.draw((Message("user", "~"),), WARM, [5])]
        return await asyncio.gather(*asked, return_exceptions=True)

    for _ in range(2):
        well, ill = run(together())
        assert well.text == expected.text and isinstance(ill, CallFailed) and "no numbers" in str(ill)


def test_an_engine_that_is_closed_ends_what_is_under_way_first(folder: Path) -> None:
    engine = TransformersEngine(folder)
    seen = heights(engine)

    async def close() -> tuple[Reply, bool]:
        under_way = asyncio.create_task(drawn(engine, 0, Sampling(temperature=1.0, max_tokens=120)))
        while len(seen) < 10:
            await asyncio.sleep(0)
        await asyncio.to_thread(engine.close)
        with pytest.raises(EndpointRefused, match="was closed"):
            await drawn(engine, 1, WARM)
        return await under_way, len(seen) > 20

    reply, went_on = run(close())
    assert reply.text and went_on and not engine._scheduler._thread.is_alive()


def test_draws_of_one_prompt_read_it_once(engine: Any) -> None:
    seen = heights(engine)
    replies = run(engine.draw(ASKED[0], WARM, list(range(12))))
    assert seen[0] == 1 and max(seen) == 12 and len({reply.text for reply in replies}) == 12


def test_a_model_that_keeps_more_than_keys_writes_one_row_at_a_time(engine: Any) -> None:
    engine._scheduler._batch.shares = False
    seen = heights(engine)
    texts = [reply.text for reply in run(in_turn(engine, [WARM] * 3))]
    assert set(seen) == {1}
    engine._scheduler._put_back([])
    assert engine._scheduler._batch.shares and texts == [reply.text for reply in alone(engine, 3, WARM)]


def test_a_model_with_a_sliding_window_writes_the_same_beside_others(tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    from small_students import small_tokenizer

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MistralConfig(
        vocab_size=320, num_key_value_heads=1, sliding_window=16, initializer_range=0.4, eos_token_id=2, **sizes
    )
    MistralForCausalLM(config).save_pretrained(tmp_path)
    small_tokenizer().save_pretrained(tmp_path)
    engine = TransformersEngine(tmp_path)
    expected = [reply.text for reply in alone(engine, 9, WARM)]
    assert [reply.text for reply in run(in_turn(engine, [WARM] * 9))] == expected
    assert not engine._scheduler._batch.rows and engine._scheduler._batch.shares
    engine.close()


@pytest.mark.skipif(not find_spec("openvino_genai"), reason="needs the extra `embedded`")
def test_a_student_is_served_by_transformers_where_there_is_a_card(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEPDOWN_ENGINE", raising=False)
    here = load_student(str(folder))
    assert here.engine != "transformers" and here.width != 128
    monkeypatch.setattr("stepdown.models.local.places.device", lambda: "cuda")
    card = load_student(str(folder))
    assert (card.engine, card.width) == ("transformers", 128)
    assert (card.capabilities.source or "").endswith("/transformers/cuda/float16")
    assert load_student(str(folder), engine=here.engine).engine == here.engine
