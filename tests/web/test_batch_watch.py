"""A server takes up the batches of its store while it runs."""

import asyncio
from pathlib import Path

import pytest

from batch_server import batch_server
from command_line import write_sums
from stepdown.cli import main
from stepdown.runner import BatchClient
from stepdown.store import Store
from stepdown.web.app import make_app
from stepdown.web.jobs import batch_watch
from stepdown.web.state import State


def test_a_server_takes_up_what_batches_have_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(batch_watch, "PAUSE", 0.01)
    write_sums(3)

    async def work() -> None:
        state = State(Path("stepdown.sqlite"))
        app = make_app(state)
        async with app.router.lifespan_context(app), asyncio.timeout(20):
            while BatchClient(state.store).batches.all(only_open=True):
                await asyncio.sleep(0.01)

    with batch_server() as server:
        monkeypatch.setenv("LAB_BASE_URL", server.url)
        command = ["run", "sums.jsonl", "--student", "openai-api/lab/student", "--method", "cot", "--batch", "--leave"]
        assert main(command) == 6
        asyncio.run(work())
    with Store("stepdown.sqlite", reading=True) as store:
        assert store.value("select count(*) from calls") == 3 == store.value("select answered from batches")
