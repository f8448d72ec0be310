"""A command in a real pseudo-terminal of its own, which a test reads and types into."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

_MOST_WAIT = 60.0  # seconds; the machine may be busy


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TerminalSession:
    """`stepdown` with some words at a terminal; `screen` is all that it wrote, with plain line ends."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._master, slave = os.openpty()
        # A session of its own that opens the terminal gets it for its own, so that Ctrl-C reaches it as a signal.
        command = [
            "sh",
            "-c",
            'exec "$@" <"$0" >"$0" 2>&1',
            os.ttyname(slave),
            sys.executable,
            "-m",
            "stepdown",
            *words,
        ]
        # Where the tests run in the background, Ctrl-C is ignored, and whatever they start would ignore it too.
        self._process = subprocess.Popen(command, cwd=folder, start_new_session=True, preexec_fn=_heed_ctrl_c)
        self._slave, self._read = slave, b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """End what a failed test left behind."""
        self._process.kill()
        self._process.wait()
        os.close(self._slave)
        os.close(self._master)

    @property
    def screen(self) -> str:
        # A read may end within a character.
        return self._read.decode(errors="replace").replace("\r\n", "\n")

    def type_at(self, question: str, text: str) -> None:
        """Wait until the last line begins with a question, then type."""
        end = time.monotonic() + _MOST_WAIT
        while not (self.screen.rpartition("\n")[2].startswith(question) and self.screen.endswith(": ")):
            assert time.monotonic() < end and self._process.poll() is None, self.screen
            self._look()
        before = len(self._read)
        os.write(self._master, text.encode())
        while text.endswith("\n") and b"\n" not in self._read[before:] and time.monotonic() < end:
            self._look()  # until it is echoed

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        end = time.monotonic() + _MOST_WAIT
        while self._process.poll() is None and time.monotonic() < end:
            self._look()
        self._look()
        return self._process.wait(1)

    def _look(self) -> None:
        if select.select([self._master], [], [], 0.05)[0]:
            self._read += os.read(self._master, 65_536)
