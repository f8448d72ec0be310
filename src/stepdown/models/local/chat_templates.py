"""Chat templates of strangers' models, rendered in a process of their own, in bounded time and memory."""

import json
import os
import selectors
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import IO, Any

from stepdown.errors import CallFailed
from stepdown.models.system_messages import fold_system, has_system
from stepdown.types import Messages

# The process bounds its own seconds of the processor. These are of the clock, for a machine that keeps it waiting: a
# template that is honest must not be refused because something else is busy.
START_SECONDS, SECONDS = 60.0, 300.0
_CHUNK = 1 << 16
# A text of 8 million characters, as JSON writes them.
_LONGEST = 8 * 8_000_000
_WORKER = Path(__file__).with_name("template_worker.py")
_ENDLESS = "it does not end, or takes more memory than a prompt may"
# One failure may be a machine that is too busy.
_MOST_FAILURES = 2


class ChatTemplate:
    """A model's chat template; "" joins the messages' texts with blank lines.

    `words` are what it may name beside the messages, such as `bos_token`. Any thread may render; the process starts
    with the first text and ends with `close` or with this one.
    """

    def __init__(self, source: str, name: object, words: dict[str, str] | None = None) -> None:
        self.source, self._name, self._words = source, name, words or {}
        self._lock = threading.Lock()
        self._held: list[subprocess.Popen[bytes]] = []
        self._failures = 0
        weakref.finalize(self, _kill, self._held)

    def render(self, messages: Messages, *, begins: bool = True) -> str:
        """Return the prompt of messages, up to where the reply begins if it `begins`; blocks.

        A system line that the template refuses or leaves out is said in the user's turn. Raises `CallFailed` with
        the template's words where it refuses, runs without end or takes too much memory; one that did so twice is not
        run again.
        """
        if not self.source:
            return "\n\n".join(message.content for message in messages)
        text, error = self._ask(messages, begins)
        if error != _ENDLESS and has_system(messages) and (error or not _says_system(text, messages)):
            folded, refused = self._ask(fold_system(messages), begins)
            # A template may rewrite what it says: then its own text of a system line stands.
            if not refused and (error or _says_system(folded, messages)):
                return folded
        if error:
            what = f"the chat template of `{self._name}` refused this prompt: {_line(error)}"
            raise CallFailed(what, "mend the template, or choose another model")
        return text

    def close(self) -> None:
        """End the process."""
        with self._lock:
            _kill(self._held)

    def _ask(self, messages: Messages, begins: bool) -> tuple[str, str]:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        wish = {"template": self.source, "messages": turns, "words": self._words, "begins": begins}
        with self._lock:
            if self._failures >= _MOST_FAILURES:
                return "", _ENDLESS
            process = self._held[0] if self._held else self._start()
            answer = _exchange(process, json.dumps(wish).encode() + b"\n", SECONDS)
            if answer is None:
                _kill(self._held)
                self._failures += 1
                return "", _ENDLESS
        return str(answer.get("text", "")), str(answer.get("error", ""))

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            # -P: a file in the working folder must not stand in for a library.
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C at the terminal is for the parent.
            start_new_session=True,
        )
        self._held.append(process)
        if _exchange(process, b"", START_SECONDS) is None:
            _kill(self._held)
            raise CallFailed("no process for chat templates could be started", "free some memory, then try again")
        return process


def template_of(tokenizer: Any, name: object) -> ChatTemplate:
    """Return the template of a tokenizer of transformers; raises `ValueError` for several of which none is default."""
    source = tokenizer.get_chat_template() if tokenizer.chat_template else ""
    words = {key: word for key, word in tokenizer.special_tokens_map.items() if isinstance(word, str)}
    return ChatTemplate(source, name, words)


def _kill(processes: "list[subprocess.Popen[bytes]]") -> None:
    while processes:
        process = processes.pop()
        process.kill()
        process.communicate()


def _exchange(process: "subprocess.Popen[bytes]", wish: bytes, seconds: float) -> dict[str, Any] | None:
    """Return the answer to a line, None where the process ends, is silent for too long, or says too much."""
    assert process.stdin is not None and process.stdout is not None, "both are pipes"
    try:
        process.stdin.write(wish)
        process.stdin.flush()
        answer = json.loads(_read_line(process.stdout, time.monotonic() + seconds))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def _read_line(pipe: IO[bytes], until: float) -> bytes:
    """Return the line that ends what a pipe says; raises `TimeoutError`, and `ValueError` for an end without one."""
    parts, size = list[bytes](), 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not parts or not parts[-1].endswith(b"\n"):
            if not selector.select(max(0.0, until - time.monotonic())):
                raise TimeoutError
            parts.append(os.read(pipe.fileno(), _CHUNK))
            size += len(parts[-1])
            if not parts[-1] or size > _LONGEST:
                raise ValueError("no line")
    return b"".join(parts)


def _says_system(text: str, messages: Messages) -> bool:
    return all(message.content.strip() in text for message in messages if message.role == "system")


def _line(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:300]
