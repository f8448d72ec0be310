"""A model in a process of its own answers as it would here, holds nobody up, and its death is survived."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest

from chat_calls import run
from stepdown.errors import EndpointRefused, PromptTooLong, UsageError
from stepdown.models import EndpointModel, load_model
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_embedded
from stepdown.models.local.subprocess_model import SubprocessModel
from stepdown.runner import load_model_or_run
from stepdown.store import Store
from stepdown.types import Message, Reply, Sampling

extras = all(find_spec(package) for package in ("openvino_genai", "gguf"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not extras, reason="needs the extra `embedded`")]

NAME = "embedded/smollm2-135m"
APPLES = (Message("user", "Tom has 3 boxes with 4 apples in each box. He eats 2 apples. How many apples are left?"),)
T = TypeVar("T")


@pytest.fixture(scope="session")
def model(weights: Path) -> Iterator[SubprocessModel]:
    model = load_model(NAME, on="process")
    assert isinstance(model, SubprocessModel) and model.process_id is None
    run(model.prepare())
    yield model
    run(model.close())


def test_it_is_known_by_what_its_model_is_known_by(weights: Path, tmp_path: Path) -> None:
    here = load_embedded(NAME)
    with Store(tmp_path / "s.sqlite") as store:
        load = partial(load_model, on="process")
        apart = load_model_or_run(NAME, store, load=load)
        assert isinstance(load_model_or_run("openai-api/here/m", store, load=load), EndpointModel)
    assert isinstance(apart, SubprocessModel) and apart.capabilities.local
    assert [apart.name, apart.capabilities, apart.width] == [here.name, here.capabilities, here.width]
    assert (apart.engine, apart.process_id) == (here.engine, None)


@pytest.fixture(autouse=True)
def address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE_BASE_URL", "http://127.0.0.1:9/v1")


def test_pieces_arrive_before_the_end_and_make_up_the_greedy_text(model: SubprocessModel) -> None:
    async def work() -> None:
        *pieces, streamed = [piece async for piece in model.stream(APPLES, Sampling(max_tokens=24))]
        [whole] = await model.reply(APPLES, Sampling(max_tokens=24))
        assert isinstance(streamed, Reply) and len(pieces) > 12
        assert "".join(str(piece) for piece in pieces) == streamed.text == whole.text
        assert (streamed.usage, streamed.finish, streamed.model) == (whole.usage, "length", NAME)

    run(work())


def test_many_are_answered_at_once_across_event_loops(model: SubprocessModel) -> None:
    async def work() -> list[list[Reply]]:
        asked = [(Message("user", f"Repeat the number {n}{n}{n}."),) for n in range(1, 5)]
        return await asyncio.gather(*(model.reply(messages, Sampling(max_tokens=16)) for messages in asked))

    texts = [reply.text for [reply] in run(work())]
    assert sum(f"{n}{n}{n}" in text for n, text in enumerate(texts, 1)) >= 3


def test_a_listener_who_leaves_frees_the_engine(model: SubprocessModel) -> None:
    async def work() -> Reply:
        endless = (Message("user", "Count from one to ten thousand in words."),)
        for _ in range(4):
            async with aclosing(model.stream(endless, Sampling(temperature=1.0, max_tokens=4000))) as pieces:
                await anext(pieces)
        [reply] = await model.reply(APPLES, Sampling(max_tokens=4))
        return reply

    assert run(work()).seconds < 30


def test_errors_arrive_by_class_and_words(model: SubprocessModel) -> None:
    with pytest.raises(UsageError, match="draws nothing"):
        run(model.reply(APPLES, Sampling(max_tokens=0)))
    with pytest.raises(PromptTooLong, match="8192") as failed:
        run(model.reply((Message("user", "word " * 9000),), Sampling(max_tokens=4)))
    assert failed.value.hint.startswith("shorten the question")


def test_the_event_loop_goes_on_while_the_child_reads_a_prompt(model: SubprocessModel) -> None:
    story = (Message("user", "Tell me a story about a dog who went to sea. " * 60),)

    async def work() -> tuple[float, float]:
        asking, worst, started = (
            asyncio.ensure_future(model.reply(story, Sampling(max_tokens=1))),
            0.0,
            time.monotonic(),
        )
        while not asking.done():
            before = time.monotonic()
            await asyncio.sleep(0)
            worst = max(worst, time.monotonic() - before)
        return worst, time.monotonic() - started

    worst, whole = run(work())
    assert worst < whole / 6


def test_a_child_that_dies_refuses_its_calls_and_the_next_call_starts_another(model: SubprocessModel) -> None:
    async def work() -> None:
        first = model.process_id
        asking = asyncio.ensure_future(model.reply(APPLES, Sampling(max_tokens=3000)))
        async with aclosing(model.stream(APPLES, Sampling(max_tokens=3000))) as pieces:
            await anext(pieces)
            os.kill(first or 0, signal.SIGKILL)
            with pytest.raises(EndpointRefused, match=r"smollm2-135m` ended \(exit status -9\)"):
                [_ async for _ in pieces]
        with pytest.raises(EndpointRefused, match="ended"):
            await asking
        [reply] = await model.reply(APPLES, Sampling(max_tokens=4))
        assert reply.text == "Tom has 3" and model.process_id not in {first, None}

    run(work())


def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    nowhere = EmbeddedModel(str(tmp_path / "nowhere.gguf"), lambda: tmp_path, engine="openvino", digest="0" * 64)
    model = SubprocessModel(nowhere)
    with pytest.raises(EndpointRefused, match=r"there is no .*nowhere\.gguf"):
        run(model.reply(APPLES, Sampling()))
    run(model.close())


def test_closing_ends_the_child_and_may_be_done_twice(tmp_path: Path) -> None:
    async def work() -> None:
        model = load_model(NAME, on="process")
        assert isinstance(model, SubprocessModel)
        loading = asyncio.ensure_future(model.prepare())
        await asyncio.sleep(0)
        child = model.process_id or 0
        await model.close()
        await model.close()
        with pytest.raises(EndpointRefused, match="ended"):
            await loading
        assert is_gone(child)

    run(work())


PARENT = f"""
import asyncio
from stepdown.models import load_model

async def work():
    model = load_model({NAME!r}, on="process")
    preparing = asyncio.ensure_future(model.prepare())
    await asyncio.sleep(0)
    print(model.process_id, flush=True)
    await asyncio.sleep(600)

asyncio.run(work())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
        parent.kill()
    until = time.monotonic() + 60
    while not is_gone(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert is_gone(child)


def is_gone(process: int) -> bool:
    """Whether a process has ended, though nobody may have taken note of it yet."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state.rpartition(")")[2].split()[0] == "Z"
