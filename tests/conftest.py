"""What tests of several files are given: small weights, a store, and its pages served on a real port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stepdown.errors import EndpointRefused
from stepdown.models.catalogue import fetch
from stepdown.store import Store


@pytest.fixture(scope="session")
def weights() -> Path:
    try:
        return fetch("smollm2-135m")
    except EndpointRefused as refused:
        pytest.skip(f"the weights cannot be had here: {refused.what}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.fixture
def site(store: Store) -> Iterator[str]:
    from served import served
    from stepdown.web.state import State

    with served(lambda: State(store.path)) as address:
        yield address
