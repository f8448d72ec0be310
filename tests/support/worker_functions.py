"""Functions that workers are asked to call in tests: those of a test's own file are not to be found by name."""

import os
import signal
import time
from pathlib import Path

from stepdown.errors import BadRow


def square(number: int) -> int:
    return number * number


def process_id(_: int) -> int:
    return os.getpid()


def folder(_: int) -> str:
    return os.getcwd()


def card(_: int) -> str:
    """The graphics card that Ray gave this process."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


def threads(_: int) -> str:
    return os.environ.get("OMP_NUM_THREADS", "")


def refuse_three(number: int) -> int:
    if number == 3:
        raise BadRow("rows.jsonl", 7, "answer", "a number")
    return number


def divide(number: int) -> float:
    return 1 / number


def die_once(marker: Path) -> str:
    """Kill the own process the first time, and answer the second."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return marker.name


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(path: Path) -> int:
    """Say in `path` that this process has begun, and hold it until somebody ends it."""
    path.write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def no_pickle(_: int) -> object:
    return lambda: None
