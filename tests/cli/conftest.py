"""What tests of the command line share: a server behind it, and a folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import sums_at_hand
from faulty_server import FaultyServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A server that answers, a folder of its own with six problems, and the key the server is asked with."""
    with sums_at_hand(tmp_path, monkeypatch, count=6) as started:
        yield started
