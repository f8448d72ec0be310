"""The resident engine on the command line: found, started in the background, served, ended."""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from stepdown.cli.console.terminal import say
from stepdown.cli.options import WORK as GROUP
from stepdown.cli.options import Flag
from stepdown.models import EngineAddress, engine_answers, engine_folder, find_engine, read_address, run_engine
from stepdown.runner import plain

KEEP = "STEPDOWN_KEEP"
_START_SECONDS, _LOOK = 60.0, 0.05


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """A resident engine in place of pages.

    Parameters
    ----------
    engine
        Serve no pages: keep models of this machine loaded for later `stepdown ask`s of this user, which find it by
        themselves. Needs no extra but `embedded`.
    idle
        Minutes after which an engine that is asked nothing ends.
    stop
        With --engine: end the one that runs.
    """

    engine: Flag = False
    idle: Annotated[float, Parameter(validator=Number(gt=0))] = 10.0
    stop: Flag = False


def serve_engine(options: EngineOptions) -> int:
    """Be the engine until Ctrl-C, `--stop` or the end of its patience; or end the one that runs."""
    if options.stop:
        return _stop()

    def tell(address: EngineAddress) -> None:
        say(f"the engine answers this user's `stepdown ask` (process {address.pid}; Ctrl-C ends it, and so do "
            f"{options.idle:g} idle minutes)")  # fmt: skip

    run_engine(60 * options.idle, listening=tell)
    say("the engine ended")
    return 0


def _stop() -> int:
    address = read_address()
    if address is None or not plain(engine_answers(address, stop=True)):
        say("no engine runs")
        return 0
    while plain(engine_answers(address)):
        time.sleep(_LOOK)
    say(f"the engine (process {address.pid}) ended")
    return 0


def start_engine() -> EngineAddress | None:
    """Return the engine that runs, or start one in the background that outlives this command.

    None where it does not start, which is said.
    """
    found = find_engine()
    if found is not None and plain(engine_answers(found)):
        return found
    log = engine_folder() / "engine.log"
    engine_folder().mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # -P: a file in the working folder must not stand in for a library.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stepdown", "serve", "--engine"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=engine_folder(),
            start_new_session=True,
        )
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        ended = process.poll() is not None
        found = find_engine()
        if found is not None and plain(engine_answers(found)):
            say("models stay loaded for the next `ask`; `stepdown serve --engine --stop` frees them")
            return found
        if ended:
            break
        time.sleep(_LOOK)
    say(f"the engine did not start (see {log}), so the model is loaded here")
    return None
