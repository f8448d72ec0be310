"""The command `stepdown`, which is also `python -m stepdown`."""

import os
import sys
import threading
from contextlib import suppress
from importlib import import_module

from stepdown.completion import COMPLETE, TypedWords, complete

INTERRUPTED = 130
# How the names of threads begin that load a model.
LOADER = "load model"


def make_table() -> TypedWords:
    """Return what can be typed, from the commands themselves."""
    made: TypedWords = import_module("stepdown.cli.completion_words").completion_words()
    return made


def main() -> int:
    """Run the command line; what a shell asks at every Tab is answered without loading it."""
    if sys.argv[1:2] == [COMPLETE]:
        return complete(sys.argv[2:], make_table)
    try:
        code: int = import_module("stepdown.cli").main()
    except KeyboardInterrupt:  # while modules were loaded: nothing was begun
        code = INTERRUPTED
    return leave(code) if code == INTERRUPTED else code


def leave(code: int) -> int:
    """Return the code; where a model is being loaded, end the process with it now, as its thread would be waited for.

    What was answered is stored by then, and a model that is half made ready does not count.
    """
    if any(thread.name.startswith(LOADER) for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
