"""What tests of several files are given: small weights, a store, and its pages served on a real port."""

import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

from real_data import FILES, here
from stepdown.errors import EndpointRefused
from stepdown.models.weights.downloads import fetch
from stepdown.store import Store

# The same examples at every run and no clock: a commit that passes here passes there. To look further, run
# `pytest --hypothesis-profile=default`.
settings.load_profile("ci")

# All that is made while tests are collected stays: looking for garbage among it takes a third of that time.
gc.disable()

# What a machine's own environment says of models, keys, addresses and proxies: tests run without, and only fetching
# weights with it. Where weights lie is no matter of a test.
SET_BY_THE_MACHINE = re.compile(
    r"STEPDOWN_(?!CACHE$|WHEELS$).*|OLLAMA_HOST|HF_.*|.*(_API_KEY|_BASE_URL|_PROXY|_proxy)"
    r"|OTEL_.*|NO_COLOR|FORCE_COLOR|COLUMNS|(LOCAL_)?(RANK|WORLD_SIZE)|(ACCELERATE|SLURM)_.*"
)
PATH = list[str]()
MACHINE = {name: os.environ.pop(name) for name in list(os.environ) if SET_BY_THE_MACHINE.fullmatch(name)}

# huggingface_hub reads its environment once, at its first import: before any test has set a variable of it.
with suppress(ImportError):
    import huggingface_hub.constants  # noqa: F401

# Files whose tests share what takes long to make: a cluster of three nodes.
SHARED_SETUP = {"test_ray.py"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests of whole published files that are not on this machine; `make data` fetches what it can."""
    names = {item: [name for mark in item.iter_markers("whole") for name in mark.args] for item in items}
    config.hook.pytest_deselected(items=[item for item in items if not all(map(here, names[item]))])
    items[:] = [item for item in items if all(map(here, names[item]))]
    # Two workers of `--dist worksteal` begin with a half each and take from the end of the other's: what shares a
    # costly fixture must not lie there.
    items.sort(key=lambda item: item.path.name not in SHARED_SETUP)


def pytest_collection_finish() -> None:
    gc.enable()


def pytest_report_header() -> str:
    return f"published files here: {sum(here(name) is not None for name in FILES)} of {len(FILES)} (`make data`)"


def pytest_runtest_setup() -> None:
    # What is there before a test is not looked through again after it, which makes the collection quick.
    gc.freeze()
    PATH[:] = sys.path


def pytest_runtest_teardown() -> None:
    # A file or connection left open fails the test that left it, not whichever runs when garbage is next collected.
    gc.collect()


def pytest_runtest_logfinish() -> None:
    # Code of a user's file leaves its folder there.
    sys.path[:] = PATH


@pytest.fixture(scope="session")
def weights() -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in MACHINE.items():
            monkeypatch.setenv(name, value)
        try:
            return fetch("smollm2-135m")
        except EndpointRefused as refused:
            pytest.skip(f"the weights cannot be had here: {refused.what}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """The same store, opened a second time, as another process would."""
    with Store(store.path) as opened:
        yield opened


@pytest.fixture
def site(store: Store) -> Iterator[str]:
    from served import served
    from stepdown.web.state import State

    with served(lambda: State(store.path)) as address:
        yield address
