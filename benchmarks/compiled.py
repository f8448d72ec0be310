"""The environment of a program that is installed: its modules compiled once, whatever this shell says of that."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def compiled(*commands: list[str]) -> Iterator[dict[str, str]]:
    """Give an environment in which what these arguments of Python import is compiled."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = kept | {"PYTHONPYCACHEPREFIX": folder}
        for command in commands:
            subprocess.run([sys.executable, *command], check=True, capture_output=True, env=environment)
        yield environment
