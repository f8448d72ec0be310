"""What tests of the pages share: a run whose plans can be edited, and its pages where both students answer."""

from collections.abc import Iterator

import pytest

from solving_site import solved_run, solving_site
from stepdown.store import Run, Store


@pytest.fixture
def first(store: Store) -> Run:
    """A run of three problems, number 1 wrong."""
    return solved_run(store)


@pytest.fixture
def solving(store: Store, first: Run) -> Iterator[str]:
    """The pages over that run, at which it can be solved again."""
    with solving_site(store) as address:
        yield address
