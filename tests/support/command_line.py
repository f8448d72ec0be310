"""What the tests of the command line share: problems in a file, and a server that solves them."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faulty_server import Body, FaultyServer, Speak, faulty_server
from stepdown.cli import main
from stepdown.store import Store

PLAN = "1. Take the number.\n2. Add one to it."


def speak(body: Body) -> str:
    """Add one, as a student; write a plan, as a teacher."""
    found = re.search(r"What is (\d+) plus one", body["messages"][-1]["content"])
    assert found, "every question is of this kind"
    return PLAN if body["model"] == "teacher" else f"Answer: {int(found[1]) + 1}"


def write_sums(count: int, folder: Path = Path()) -> None:
    """Write `sums.jsonl` in a folder, the working one if none is named, with as many problems."""
    rows = [{"question": f"What is {n} plus one?", "answer": str(n + 1)} for n in range(count)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def stored_runs(store: str = "stepdown.sqlite") -> list[str]:
    """Return the ids of a store's runs, oldest first."""
    with Store(store, reading=True) as opened:
        return [run.id for run in opened.runs()]


class Solved(NamedTuple):
    """A folder in which a command ran once, and the server that it asked."""

    folder: Path
    server: FaultyServer
    speak: Speak

    def copy_to(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
        """Work in a copy of the folder; the server, from now on as fresh as it was, is where models are asked."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        monkeypatch.chdir(folder)
        set_endpoint(self.server, monkeypatch)
        self.server.bodies.clear()
        self.server.speak = self.speak
        return self.server


@contextmanager
def solved_once(folder: Path, command: Sequence[str], *, speak: Speak, count: int) -> Iterator[Solved]:
    """Run a command on so many sums in a folder, for tests that each work in a copy of it."""
    write_sums(count, folder)
    with faulty_server(speak=speak) as server:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.chdir(folder)
            set_endpoint(server, monkeypatch)
            assert main(command) in (0, 1) and server.bodies
        yield Solved(folder, server, speak)


@contextmanager
def sums_at_hand(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, count: int, speak: Speak = speak
) -> Iterator[FaultyServer]:
    """Work in a folder with so many sums, while a server answers for `openai/...`."""
    monkeypatch.chdir(folder)
    write_sums(count)
    with faulty_server(speak=speak) as server:
        set_endpoint(server, monkeypatch)
        yield server


def printed(capsys: pytest.CaptureFixture[str], *tokens: str, codes: Sequence[int] = (0,)) -> list[dict[str, Any]]:
    """Run a command and return the objects that it prints."""
    capsys.readouterr()
    assert main([*tokens, "--json"]) in codes, capsys.readouterr().err
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def last_printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the last object that commands have printed."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def set_endpoint(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `openai/...` be asked at a server, with a key."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
