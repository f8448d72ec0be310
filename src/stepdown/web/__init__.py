"""Pages in a browser to watch, read and edit at `/`, and an OpenAI-compatible endpoint at `/v1`."""

import webbrowser

from stepdown.store import Run, Store
from stepdown.types import Trace
from stepdown.web.config import Config, load_config
from stepdown.web.state import Places, State

__all__ = [
    "Config",
    "Places",
    "State",
    "load_config",
    "open_page",
]


def open_page(shown: Run | Trace, *, store: Store | None = None, browser: bool = True) -> str:
    """Open the page of a run or a trace in a browser and return its address, good as long as this process lives.

    The pages are those of `stepdown serve`, on this machine only. A trace is looked for in the runs of `store`
    (default: the default store), the newest first. `browser` False opens nothing, where the browser is on another
    machine. Raises `UsageError` where no run has the trace.
    """
    from stepdown.web.notebook import page_of

    where = page_of(shown, store)
    if browser:
        webbrowser.open(where)
    return where
