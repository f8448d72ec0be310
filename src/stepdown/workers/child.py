"""The process of a worker: tasks as pickles on stdin, outcomes as pickles on stdout, from and to its parent alone."""

import os
import pickle
import struct
import sys
import threading
from queue import SimpleQueue
from typing import IO

from stepdown.workers.outcomes import perform_pickled

# The length of what follows, in bytes.
HEAD = "!Q"


def read_frame(pipe: IO[bytes]) -> bytes:
    """Return the next frame; raises `EOFError` where the other side is gone, in the middle of one or before."""
    size = struct.calcsize(HEAD)
    head = pipe.read(size)
    if len(head) < size:
        raise EOFError
    (length,) = struct.unpack(HEAD, head)
    frame = pipe.read(length)
    if len(frame) < length:
        raise EOFError
    return frame


def _read(tasks: "SimpleQueue[bytes]") -> None:
    """Pass frames on until stdin ends: the parent is gone, and what is being done is for nobody."""
    try:
        while True:
            tasks.put(read_frame(sys.stdin.buffer))
    except (EOFError, OSError):
        # A library in the middle of a long step would hold an ordinary exit up.
        os._exit(0)


def main() -> None:
    """Keep stdout for outcomes, as libraries print there too, and work until the parent ends it."""
    outcomes = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    sys.path[:] = pickle.loads(tasks.get())
    while True:
        frame = perform_pickled(tasks.get())
        outcomes.write(struct.pack(HEAD, len(frame)) + frame)
        outcomes.flush()
