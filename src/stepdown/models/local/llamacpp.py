"""The llama.cpp engine: its server in this process, without its port being of use to anyone else."""

import asyncio
import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from stepdown.errors import CallFailed, PromptTooLong
from stepdown.models.http.api_errors import api_error_of
from stepdown.models.http.context_length import is_overflow
from stepdown.models.local.chat_templates import ChatTemplate
from stepdown.models.local.detokenizer import stream_from_thread
from stepdown.models.local.openvino import available_cores
from stepdown.models.local.special_tokens import special_words
from stepdown.models.thinking import THINK, VisibleText, split_thinking
from stepdown.models.weights.gguf import Header
from stepdown.types import Messages, Reply, Sampling, Usage
from stepdown.untrusted import reading

# All slots share one cache of this many tokens, at least and at most.
LEAST_TOKENS, MOST_TOKENS = 16_384, 32_768


class LlamaEngine:
    """A GGUF file of any architecture that llama.cpp knows.

    Draws of one prompt go to the engine together, so that it is read once. Log-probabilities are those
    at temperature 1. With n above 1 the engine counts one draw's tokens only; the others' are counted by
    their log-probabilities.
    """

    width = 8

    def __init__(self, path: Path, header: Header) -> None:
        import xllamacpp

        self.path = path
        self._template = ChatTemplate(header.template, path, special_words(path))
        self._templated = bool(header.template)
        self._server: Any
        what = f"llama.cpp cannot load `{path}` of architecture `{header.architecture[:80]}`"
        with reading(what, "choose a GGUF of an architecture it knows, or a newer xllamacpp"):
            self._server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), path, header, self.width))
        self._pool = ThreadPoolExecutor(self.width, thread_name_prefix=f"llamacpp {path.name}")

    async def draw(self, messages: Messages, sampling: Sampling, seeds: Sequence[int]) -> list[Reply]:
        """Return one reply per seed; a cancelled caller takes its draws off the engine."""
        wanted = len(seeds) if sampling.temperature > 0 else 1
        groups = [seeds[at : at + self.width] for at in range(0, wanted, self.width)]
        groups[-1] = groups[-1][: wanted - (len(groups) - 1) * self.width]
        loop, gone = asyncio.get_running_loop(), threading.Event()
        prompt = await asyncio.to_thread(self._template.render, messages)
        requests = [self._request(prompt, sampling, group) for group in groups]
        try:
            drawn = await asyncio.gather(
                *(loop.run_in_executor(self._pool, self._ask, request, gone) for request in requests)
            )
        finally:
            gone.set()
        replies = [reply for group in drawn for reply in group]
        return replies if len(replies) == len(seeds) else replies * len(seeds)

    async def stream(self, messages: Messages, sampling: Sampling, seed: int) -> AsyncGenerator[str | Reply, None]:
        """Yield a draw piece by piece, then its reply; a consumer that leaves takes it off the engine."""
        loop, gone = asyncio.get_running_loop(), threading.Event()
        pieces: asyncio.Queue[str] = asyncio.Queue()

        def say(piece: str) -> None:
            # A loop that has closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        request = self._request(await asyncio.to_thread(self._template.render, messages), sampling, [seed])
        asking = loop.run_in_executor(self._pool, self._ask, request, gone, say)
        try:
            async with aclosing(stream_from_thread(pieces, asking)) as deltas:
                async for piece in deltas:
                    yield piece
        finally:
            gone.set()

    def close(self) -> None:
        """Wait for what is under way and free the engine."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._template.close()
        self._server = None

    def _request(self, prompt: str, sampling: Sampling, seeds: Sequence[int]) -> dict[str, Any]:
        turns = [{"role": "user", "content": prompt}]
        return {
            **({"messages": turns} if self._templated else {"prompt": prompt}),
            "stream": True,
            "stream_options": {"include_usage": True},
            "n": len(seeds),
            "seed": seeds[0],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "max_tokens": sampling.max_tokens,
            "stop": [stop for stop in sampling.stop if stop],
            "logprobs": True if self._templated else 1,
            "top_logprobs": 1,
        }

    def _ask(
        self, request: dict[str, Any], gone: threading.Event, say: Callable[[str], None] | None = None
    ) -> list[Reply]:
        # A template may begin the thoughts itself.
        thinking = self._templated and request["messages"][0]["content"].rstrip().endswith(THINK)
        drafts = [_Draft(thinking=thinking) for _ in range(request["n"])]
        ends: list[dict[str, Any]] = []

        def take(chunk: dict[str, Any]) -> bool:
            if "error" in chunk or chunk.get("usage"):
                ends.append(chunk)
            for choice in chunk.get("choices", ()):
                piece = drafts[choice["index"]].add(choice)
                if piece and say is not None:
                    say(piece)
            return gone.is_set()

        handle = self._server.handle_chat_completions if self._templated else self._server.handle_completions
        outcome = handle(request, take)
        for chunk in [*ends, outcome or {}]:
            _check(chunk)
        usage: dict[str, Any] = next((chunk["usage"] for chunk in ends if chunk.get("usage")), {})
        return [draft.close(usage, len(drafts), at) for at, draft in enumerate(drafts)]


class _Draft:
    """The parts of one draw as they come."""

    def __init__(self, *, thinking: bool) -> None:
        self.text: list[str] = []
        self.scores: list[float] = []
        self.finish = ""
        self._visible = VisibleText()
        if thinking:
            self._say(THINK)

    def _say(self, piece: str) -> str:
        self.text.append(piece)
        return self._visible.add(piece)

    def add(self, choice: dict[str, Any]) -> str:
        """Take in a part and return the text it brings, "" for a thought."""
        delta = choice.get("delta", {})
        scored = (choice.get("logprobs") or {}).get("content") or ()
        # Weights that are no numbers give scores that are none.
        self.scores += [float("nan") if token["logprob"] is None else token["logprob"] for token in scored]
        self.finish = choice.get("finish_reason") or self.finish
        return self._say(delta.get("content") or choice.get("text") or "")

    def close(self, usage: dict[str, Any], draws: int, at: int) -> Reply:
        given = int(usage.get("prompt_tokens", 0))
        cached = given if at else int(usage.get("prompt_tokens_details", {}).get("cached_tokens", 0))
        text, thought = "".join(self.text), ""
        text, thought = split_thinking(text, thought)
        counted = len(self.scores) + (self.finish == "stop")
        mean = sum(self.scores) / max(1, len(self.scores))
        return Reply(
            text=text,
            model="",
            usage=Usage(
                input=given, output=int(usage.get("completion_tokens", 0)) if draws == 1 else counted, cached=cached
            ),
            finish="length" if self.finish == "length" else "stop",
            logprob=mean if self.scores and isfinite(mean) else None,
            reasoning=thought,
        )


def _check(chunk: dict[str, Any]) -> None:
    if "error" not in chunk:
        return
    trouble = api_error_of(chunk["error"])
    kind = PromptTooLong if is_overflow(trouble.status or 400, trouble) else CallFailed
    raise kind(f"llama.cpp refused the call: `{trouble.message}`", "shorten the prompt, or lower max_tokens")


def _parameters(parameters: Any, path: Path, header: Header, width: int) -> Any:
    parameters.model.path = str(path)
    parameters.n_ctx = min(MOST_TOKENS, max(LEAST_TOKENS, header.context))
    parameters.n_parallel = width
    # One cache for all slots: draws of a shared prompt are several times faster with it.
    parameters.kv_unified = True
    # The prompt cache in memory corrupts answers when adapters are switched.
    parameters.cache_ram_mib = 0
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = available_cores()
    parameters.warmup = parameters.endpoint_slots = parameters.ui = False
    parameters.verbosity = -1
    # The file's own template is a program that would run in this process: it is rendered elsewhere, and this one says
    # the prompt as it is given. Thoughts are told apart here too, whatever the template is.
    parameters.chat_template = "{{ messages[0]['content'] }}"
    parameters.reasoning_format = type(parameters.reasoning_format)(0)
    # The server listens on a local port, which cannot be turned off; a key that nobody knows closes it.
    parameters.api_keys = [secrets.token_hex(16)]
    return parameters
