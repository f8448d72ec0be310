"""What the tests of training share: a small base, made once, and which of them are slow."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from small_lessons import write_base
from two_processes import LESSONS, train_small

# What tests with a model of torch: importing it alone takes seconds.
SLOW = {"base", "folder", "student", "alone", "real_base"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    for item in here:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two small layers with random weights, in transformers' form; nobody writes into it."""
    if not find_spec("torch"):
        pytest.skip("needs the extra `train`")
    return write_base(tmp_path_factory.mktemp("bases") / "small")


@pytest.fixture(scope="session")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The students of one process that several processes are to train too, each in a folder of its kind."""
    folder = tmp_path_factory.mktemp("alone")
    for kind in LESSONS:
        train_small(base, folder / kind, kind)
    return folder
