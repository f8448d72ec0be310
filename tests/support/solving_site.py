"""A run of three problems whose plans can be edited and solved again, and its pages on a real port."""

from collections.abc import Iterator
from contextlib import contextmanager

from served import served
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Run, Store
from stepdown.web.state import State
from worlds import follower, sums, teacher

NAMES = ("openai/student", "openai/other")


def solved_run(store: Store) -> Run:
    """A run of three problems, number 1 wrong."""
    return run(sums(3), "trace-of-thought", student=ScriptedModel(follower, NAMES[0]), teacher=teacher(), store=store)


@contextmanager
def solving_site(store: Store) -> Iterator[str]:
    """The address of the pages over a store, at which both students answer."""

    def make() -> State:
        state = State(store.path)
        state.person = "Ann"
        state.models |= {name: ScriptedModel(follower, name) for name in NAMES}
        return state

    with served(make) as address:
        yield address
