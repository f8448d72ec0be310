"""What the tests of models share."""

from pathlib import Path

import pytest


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that holds no `.env`."""
    monkeypatch.chdir(tmp_path)
