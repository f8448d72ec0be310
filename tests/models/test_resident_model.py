"""The resident engine: found by its file, believed by its token, done without when it is gone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from stepdown.models import EngineAddress, ResidentModel, engine_answers, engine_folder, find_engine, read_address
from stepdown.models.local import EmbeddedModel
from stepdown.models.local.engine_file import made_by, remove_address, write_address
from stepdown.models.local.loading import load_embedded
from stepdown.models.weights import fetched, models_folder
from stepdown.runner import plain
from stepdown.types import Message, Reply, Sampling

NAME = "embedded/smollm2-135m"
PROMPT, SAMPLING = (Message("user", "What is 3 plus 4?"),), Sampling(max_tokens=12)
SOMEBODY = EngineAddress(1, 1, "secret", made_by())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own that holds no weights."""
    monkeypatch.setenv("STEPDOWN_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def filled(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own with the smallest model in it, as it was made ready in the usual one."""
    monkeypatch.delenv("STEPDOWN_CACHE")
    if fetched(NAME.partition("/")[2]) is None:
        pytest.skip("needs the weights of smollm2-135m")
    there = models_folder()
    monkeypatch.setenv("STEPDOWN_CACHE", str(cache))
    (cache / "models").symlink_to(there)
    return cache


@pytest.fixture
def engine(cache: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An engine in a process of its own."""
    with started() as process:
        yield process
        process.kill()


def started(*options: str) -> "subprocess.Popen[bytes]":
    """Start an engine and wait until it says where it is."""
    command = [sys.executable, "-m", "stepdown", "serve", "--engine", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None and b"the engine answers" in process.stderr.readline()
    return process


def model(find: object = find_engine) -> ResidentModel:
    return ResidentModel(load_embedded(NAME), find)  # type: ignore[arg-type]


async def streamed(asked: ResidentModel | EmbeddedModel) -> tuple[str, Reply]:
    """Return the pieces of a streamed reply, joined, and the reply."""
    pieces = [piece async for piece in asked.stream(PROMPT, SAMPLING)]
    await asked.close()
    assert isinstance(pieces[-1], Reply)
    return "".join(piece for piece in pieces if isinstance(piece, str)), pieces[-1]


def test_the_file_says_where_the_engine_is_to_this_user_alone(cache: Path) -> None:
    write_address(SOMEBODY)
    assert find_engine() == SOMEBODY and os.stat(cache / "engine.json").st_mode & 0o777 == 0o600
    (cache / "engine.json").chmod(0o640)
    assert find_engine() is None, "others could have read the token"


def test_an_engine_of_another_version_is_not_asked(cache: Path) -> None:
    write_address(msgspec.structs.replace(SOMEBODY, made_by="stepdown 0.0.1"))
    assert find_engine() is None and read_address() is not None


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"pid": "x"}', b"[" * 4096, b"\xff"])
def test_a_damaged_file_is_none(text: bytes, cache: Path) -> None:
    (cache / "engine.json").write_bytes(text)
    (cache / "engine.json").chmod(0o600)
    assert find_engine() is None


def test_the_file_of_an_engine_that_was_followed_by_another_is_left(cache: Path) -> None:
    write_address(SOMEBODY)
    remove_address(msgspec.structs.replace(SOMEBODY, pid=2))
    assert find_engine() == SOMEBODY


@pytest.mark.slow
def test_an_engine_answers_who_has_its_token_and_no_one_else(engine: "subprocess.Popen[bytes]") -> None:
    address = find_engine()
    assert address is not None and address.pid == engine.pid and plain(engine_answers(address))
    assert not plain(engine_answers(msgspec.structs.replace(address, token="guessed")))


@pytest.mark.slow
def test_a_second_engine_is_refused_and_the_first_one_can_be_ended(engine: "subprocess.Popen[bytes]") -> None:
    command = [sys.executable, "-m", "stepdown", "serve", "--engine"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2 and "an engine runs already" in second.stderr
    assert subprocess.run([*command, "--stop"], timeout=60).returncode == 0
    assert engine.wait(10) == 0 and not (engine_folder() / "engine.json").exists()


@pytest.mark.slow
def test_an_engine_that_is_asked_nothing_ends(cache: Path) -> None:
    with started("--idle", "0.002") as process:
        assert process.wait(20) == 0
    assert read_address() is None


@pytest.mark.slow
def test_a_killed_engine_is_done_without_and_another_takes_its_place(engine: "subprocess.Popen[bytes]") -> None:
    address = find_engine()
    assert address is not None
    engine.kill()
    engine.wait()
    assert find_engine() == address and not plain(engine_answers(address)), "its file is left"
    with started() as other:
        found = find_engine()
        assert found is not None and found.pid == other.pid
        other.send_signal(signal.SIGTERM)


@pytest.mark.slow
def test_the_engine_says_what_the_model_would_say_that_is_loaded_where_there_is_none(filled: Path) -> None:
    write_address(SOMEBODY)
    alone, loaded = model(), list[str]()
    alone.on_loading = lambda loading: loaded.append(str(loading))
    text, reply = asyncio.run(streamed(alone))
    assert text and len(loaded) == 1 and loaded[0].startswith("loading smollm2-135m, about ")
    with started() as process:
        kept = model()
        first, again = (asyncio.run(streamed(kept)) for _ in range(2))
        process.terminate()
    assert first == (text, msgspec.structs.replace(reply, seconds=first[1].seconds)) and again[0] == text
    assert kept.capabilities == alone.capabilities == load_embedded(NAME).capabilities
