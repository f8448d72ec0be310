"""What tests of the command line share: a server behind it, and a folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import speak, write_sums
from faulty_server import FaultyServer, faulty_server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server that answers, a folder of its own with six problems, and the key the server is asked with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    write_sums(6)
    with faulty_server(speak=speak) as started:
        monkeypatch.setenv("OPENAI_BASE_URL", started.url)
        yield started
