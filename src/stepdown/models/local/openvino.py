"""The OpenVINO engine: one continuous batching pipeline, stepped by its own thread while there is work."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from typing import Any

from stepdown.errors import CallFailed, EndpointRefused, PromptTooLong, StepdownError
from stepdown.models.local.chat_templates import ChatTemplate
from stepdown.models.local.detokenizer import Detokenizer, stream_from_thread
from stepdown.models.local.special_tokens import special_words
from stepdown.models.stop_strings import cut_at_stop
from stepdown.models.weights.genai import import_genai
from stepdown.models.weights.gguf import Header, openvino_copy
from stepdown.models.weights.openvino_form import converted
from stepdown.types import Messages, Reply, Sampling, Usage
from stepdown.untrusted import reading

ARCHITECTURES = frozenset({"llama", "qwen2", "qwen3"})
# A step holds Python's lock, so that a prompt is read in pieces of this many tokens to let others on.
STEP_TOKENS = 256
MOST_AT_ONCE = 64
DRAWS_TOGETHER = 32
# The tokenizer made from a GGUF file cuts longer prompts to this many tokens without a word, whatever the
# model's context and whatever max_length it is given: a prompt that fills it counts as too long.
TOKENIZER_TOKENS = 8192
CACHE_GIGABYTES = (1, 4)


@dataclass(slots=True, eq=False)
class _Speech:
    """A draw that is said while it is written: what it has so far, named as the engine names it in its outputs."""

    pieces: Detokenizer
    say: Callable[[str], None]
    generated_ids: list[int] = field(default_factory=list)
    generated_log_probs: list[float] = field(default_factory=list)
    finish_reason: Any = None


@dataclass(slots=True, eq=False)
class _Job:
    """One request of the event loop: the draws of one prompt, under way in groups that read it once."""

    messages: Messages
    sampling: Sampling
    seeds: Sequence[int]
    future: asyncio.Future[list[Reply]]
    loop: asyncio.AbstractEventLoop
    speech: _Speech | None = None
    prompt: Any = None
    length: int = 0
    handles: list[Any] = field(default_factory=list)


class OpenVinoEngine:
    """A GGUF file behind OpenVINO GenAI's continuous batching pipeline, on the CPU.

    It runs in OpenVINO's own format, of the `form` `int8` or `int4`, made in `folder` once; or, with "", as it is.
    `halves` has a form computed in bfloat16, its activations in 8 bits with a scale for each 128.
    The key and value cache is bounded (an eighth of the memory, 1 to 4 GB); the draws of a call read
    their prompt once. Loading takes seconds and blocks; it and each step hold Python's interpreter lock.
    Greedy text depends in the last digits on what else is in the batch, and so do draws: they repeat byte
    for byte (for the same seed and n) only when one request at a time is under way. Log-probabilities, where `logprobs`
    asks for them, are those of the distribution drawn from; they cost a tenth of a step at 32 replies at once. A file
    of unquantized weights is run in float32, keys and values too.
    """

    width = 32

    def __init__(
        self,
        path: Path,
        header: Header,
        folder: Path,
        form: str = "",
        *,
        halves: bool = False,
        logprobs: bool = False,
    ) -> None:
        self._logprobs = int(logprobs)
        self.path, self.context = path, header.context
        self._template = ChatTemplate(header.template, path, special_words(path))
        self._genai = import_genai()
        with reading(f"OpenVINO cannot load `{path}`", "try STEPDOWN_ENGINE=llamacpp"):
            source = converted(path, header, form, folder, self._genai) if form else openvino_copy(path, header, folder)
            self._pipeline = self._genai.ContinuousBatchingPipeline(
                str(source), self._scheduler(), "CPU", _properties(header, form, halves=halves), _UNPINNED
            )
            self._tokenizer = self._pipeline.get_tokenizer()
            self._stop_tokens = self._pipeline.get_config().stop_token_ids
        self._inbox: SimpleQueue[_Job | None] = SimpleQueue()
        self._jobs: list[_Job] = []
        self._count = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"openvino {path.name}", daemon=True)
        self._thread.start()

    def _scheduler(self) -> Any:
        scheduler = self._genai.SchedulerConfig()
        scheduler.cache_size = _cache_gigabytes()
        scheduler.max_num_seqs = MOST_AT_ONCE
        scheduler.max_num_batched_tokens = STEP_TOKENS
        # A prompt that is partly in the cache is read with other roundings: a call would not repeat itself.
        scheduler.enable_prefix_caching = False
        return scheduler

    async def draw(self, messages: Messages, sampling: Sampling, seeds: Sequence[int]) -> list[Reply]:
        """Return one reply per seed; a cancelled caller takes its draws off the engine."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Reply]] = loop.create_future()
        self._put(_Job(messages, sampling, seeds, future, loop))
        return await future

    async def stream(self, messages: Messages, sampling: Sampling, seed: int) -> AsyncGenerator[str | Reply, None]:
        """Yield a draw piece by piece, then its reply; a consumer that leaves takes it off the engine."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Reply]] = loop.create_future()
        pieces: asyncio.Queue[str] = asyncio.Queue()
        speech = _Speech(Detokenizer(self._decode, sampling.stop), lambda piece: _post(loop, pieces.put_nowait, piece))
        self._put(_Job(messages, sampling, [seed], future, loop, speech))
        async with aclosing(stream_from_thread(pieces, future)) as deltas:
            async for piece in deltas:
                yield piece

    def _put(self, job: _Job) -> None:
        self._inbox.put(job)
        if self._stopped.is_set():
            self._refuse("it was closed")

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def close(self) -> None:
        """Stop the thread after its present step; what is under way fails."""
        self._inbox.put(None)
        self._thread.join()
        self._template.close()

    def _work(self) -> None:
        reason = "it was closed"
        try:
            while self._admit():
                self._pipeline.step()
                self._settle()
        except RuntimeError as error:
            reason = str(error)
        finally:
            self._stopped.set()
            self._refuse(reason)

    def _refuse(self, reason: str) -> None:
        """Answer everything that is under way or waits with the reason why it will not be."""
        stopped = EndpointRefused(f"the engine of `{self.path}` stopped ({reason})", "run the same command again")
        jobs, self._jobs = self._jobs, []
        for job in [*jobs, *self._take()]:
            if job is not None:
                _deliver(job, stopped)

    def _admit(self) -> bool:
        """Take in what waits; sleep while there is nothing to do. False once the engine is to close."""
        idle = not self._jobs and not self._pipeline.has_non_finished_requests()
        arrived = [self._inbox.get()] if idle else self._take()
        for job in arrived:
            if job is not None:
                self._start(job)
        return None not in arrived

    def _take(self) -> list[_Job | None]:
        taken: list[_Job | None] = []
        with suppress(Empty):
            while True:
                taken.append(self._inbox.get_nowait())
        return taken

    def _start(self, job: _Job) -> None:
        try:
            self._tokenize(job)
            configs = self._configs(job)
        except StepdownError as error:
            _deliver(job, error)
        except RuntimeError as error:
            _deliver(job, CallFailed(f"the engine refused the prompt ({str(error).splitlines()[-1]})"))
        else:
            self._launch(job, configs)
            self._jobs.append(job)

    def _tokenize(self, job: _Job) -> None:
        text = self._template.render(job.messages)
        job.prompt = self._tokenizer.encode(text, add_special_tokens=not self._template.source).input_ids
        job.length = job.prompt.shape[1]
        most = min(self.context, TOKENIZER_TOKENS)
        if job.length >= most:
            raise PromptTooLong(
                f"a prompt of `{job.length}` tokens or more does not fit the `{most}` that the engine reads",
                "shorten the question or the plan; STEPDOWN_ENGINE=llamacpp reads up to the model's whole context",
            )

    def _configs(self, job: _Job) -> list[Any]:
        """One configuration per group of draws; a greedy draw is made once, however often it is wanted."""
        seeds = job.seeds if job.sampling.temperature > 0 else job.seeds[:1]
        groups = [seeds[at : at + DRAWS_TOGETHER] for at in range(0, len(seeds), DRAWS_TOGETHER)]
        return [self._config(job.sampling, group, self.context - job.length) for group in groups]

    def _config(self, sampling: Sampling, seeds: Sequence[int], room: int) -> Any:
        config = self._genai.GenerationConfig()
        config.set_eos_token_id(self._tokenizer.get_eos_token_id())
        config.stop_token_ids = self._stop_tokens
        config.max_new_tokens = min(sampling.max_tokens, room)
        config.logprobs = self._logprobs
        config.stop_strings = {stop for stop in sampling.stop if stop}
        config.include_stop_str_in_output = True
        if sampling.temperature > 0:
            config.do_sample, config.rng_seed, config.num_return_sequences = True, seeds[0], len(seeds)
            config.temperature, config.top_p = sampling.temperature, sampling.top_p
        return config

    def _launch(self, job: _Job, configs: list[Any]) -> None:
        for config in configs:
            self._count += 1
            job.handles.append(self._pipeline.add_request(self._count, job.prompt, config))

    def _settle(self) -> None:
        running = self._genai.GenerationStatus.RUNNING
        for job in list(self._jobs):
            if job.future.cancelled():
                self._drop(job)
                continue
            if job.speech is not None:
                self._say(job.speech, job.handles[0])
            if all(handle.get_status() != running for handle in job.handles):
                self._finish(job)

    def _say(self, speech: _Speech, handle: Any) -> None:
        """Read the tokens that are new and say what they add to the text."""
        tokens: list[int] = []
        while handle.can_read():
            for output in handle.read().values():
                tokens += output.generated_ids
                speech.generated_log_probs += output.generated_log_probs
                speech.finish_reason = output.finish_reason
        speech.generated_ids += tokens
        if piece := speech.pieces.add(tokens) if tokens else "":
            speech.say(piece)

    def _drop(self, job: _Job) -> None:
        for handle in job.handles:
            handle.cancel()
        self._jobs.remove(job)

    def _finish(self, job: _Job) -> None:
        self._jobs.remove(job)
        finished = self._genai.GenerationStatus.FINISHED
        if any(handle.get_status() != finished for handle in job.handles):
            too_big = f"`{job.length}` tokens and their reply do not fit the engine's cache"
            _deliver(job, PromptTooLong(too_big, "shorten the prompt, or lower max_tokens"))
            return
        drawn = (output for handle in job.handles for output in self._outputs(job, handle))
        outputs = [job.speech] if job.speech else list(drawn)
        replies = [self._read(job, output, at) for at, output in enumerate(outputs)]
        _deliver(job, replies if len(replies) == len(job.seeds) else replies * len(job.seeds))

    def _outputs(self, job: _Job, handle: Any) -> list[Any]:
        """The engine gives draws by falling likelihood, which would make the first ones a biased choice."""
        outputs: list[Any] = handle.read_all()
        Random(job.seeds[0]).shuffle(outputs)
        return outputs

    def _read(self, job: _Job, output: Any, at: int) -> Reply:
        whole = self._decode(output.generated_ids)
        text = cut_at_stop(whole, job.sampling.stop)
        ran_out = output.finish_reason == self._genai.GenerationFinishReason.LENGTH and text == whole
        scores = output.generated_log_probs if self._logprobs else ()
        shared = job.length if at % DRAWS_TOGETHER else 0
        return Reply(
            text=text,
            model="",
            usage=Usage(input=job.length, output=len(output.generated_ids), cached=shared),
            finish="length" if ran_out else "stop",
            logprob=sum(scores) / len(scores) if scores else None,
        )


def _deliver(job: _Job, outcome: list[Reply] | StepdownError) -> None:
    def settle() -> None:
        if job.future.done():
            return
        if isinstance(outcome, StepdownError):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

    _post(job.loop, settle)


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *values: str) -> None:
    # A loop that has closed has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *values)


# OpenVINO would bind threads to cores while they compute: a busy core then holds up all, and processes share one core.
_UNPINNED = {"ENABLE_CPU_PINNING": False}


def _properties(header: Header, form: str, *, halves: bool) -> dict[str, Any]:
    """Return what OpenVINO is told; unquantized weights are run as transformers runs them in float32.

    Its defaults keep keys and values in 8 bits and may calculate in 16: the greedy text of a student then differs.
    Its own format calculates in 32 bits unless `halves`: with AMX, 16 are slower at few replies at once.
    """
    threads = {"INFERENCE_NUM_THREADS": available_cores(), **_UNPINNED}
    if form:
        activations = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 128} if form == "int4" or halves else {}
        return {**threads, "INFERENCE_PRECISION_HINT": "bf16" if halves else "f32", **activations}
    exact = {"KV_CACHE_PRECISION": "f32", "INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    return {**threads, **(exact if header.half else {})}


def available_cores() -> int:
    """The number of cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cache_gigabytes() -> int:
    least, most = CACHE_GIGABYTES
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return least
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(least, min(most, memory // 8_000_000_000))
