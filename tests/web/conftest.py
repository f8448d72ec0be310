"""What tests of the pages share: a run whose plans can be edited, and its pages where both students answer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from solving_site import solved_run, solving_site
from stepdown.store import Run, Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def first(store: Store) -> Run:
    """A run of three problems, number 1 wrong."""
    return solved_run(store)


@pytest.fixture
def solving(store: Store, first: Run) -> Iterator[str]:
    """The pages over that run, at which it can be solved again."""
    with solving_site(store) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """One browser for a file's tests; longer, and its event loop would be in the way of others."""
    from playwright.sync_api import expect

    from browser import PATIENCE, chromium

    expect.set_options(timeout=PATIENCE)
    with chromium() as started:
        yield started
