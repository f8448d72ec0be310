"""The transformers engine: a model folder run by PyTorch, what waits read and written in batches by one thread."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from stepdown.errors import CallFailed, EndpointRefused, MissingExtra, PromptTooLong, StepdownError, UsageError
from stepdown.models.local.chat_templates import template_of
from stepdown.models.stop_strings import cut_at_stop
from stepdown.types import Finish, Messages, Reply, Sampling, Usage
from stepdown.untrusted import reading

# Calls that are made together arrive one by one: a batch waits this many seconds for the others.
GATHERING = 0.01
NO_CODE = {"trust_remote_code": False}


@dataclass(slots=True, eq=False)
class _Row:
    """One draw under way: its prompt, the tokens drawn so far and the sum of their log-probabilities."""

    prompt: list[int]
    sampling: Sampling
    seed: int
    room: int
    future: "Future[Reply]" = field(default_factory=Future)
    generator: Any = None
    tokens: list[int] = field(default_factory=list)
    score: float = 0.0
    text: str = ""
    finish: str = ""


class TransformersEngine:
    """A folder of config, safetensors weights and tokenizer behind transformers, in float32 on a CPU.

    Up to `width` draws are written at once; what comes later waits until these have ended. Each draw has its own
    generator, so that a seed repeats it whatever shares its batch, but for roundings. Log-probabilities are those
    at temperature 1. Loading takes seconds and blocks.
    """

    width = 16

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._torch, transformers = _import_libraries(folder)
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        dtype = self._torch.float32 if self._device == "cpu" else "auto"
        hint = "the folder needs config.json, model.safetensors and tokenizer.json of one model"
        with loading_folder(f"transformers cannot load `{folder}`", hint), without_bars(transformers.utils.logging):
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, **NO_CODE)
            self._template = template_of(self._tokenizer, folder)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=dtype, **NO_CODE
            )
            self._ends = _end_tokens(model, self._tokenizer)
            self._context = int(getattr(model.config, "max_position_embeddings", 0) or 2048)
        self._model = model.to(self._device).eval()
        self._inbox: SimpleQueue[_Row | None] = SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"transformers {folder.name}", daemon=True)
        self._thread.start()

    async def draw(self, messages: Messages, sampling: Sampling, seeds: Sequence[int]) -> list[Reply]:
        """Return one reply per seed; a cancelled caller takes its draws off the engine."""
        prompt = self._tokens(await asyncio.to_thread(self._template.render, messages))
        room = self._context - len(prompt)
        if room < 1:
            raise PromptTooLong(
                f"a prompt of `{len(prompt)}` tokens does not fit the `{self._context}` that the model reads",
                "shorten the question or the plan",
            )
        wanted = seeds if sampling.temperature > 0 else seeds[:1]
        rows = [_Row(prompt, sampling, seed, min(room, sampling.max_tokens)) for seed in wanted]
        for row in rows:
            self._inbox.put(row)
        if self._stopped.is_set():
            self._refuse()
        replies = list(await asyncio.gather(*(asyncio.wrap_future(row.future) for row in rows)))
        return replies if len(replies) == len(seeds) else replies * len(seeds)

    async def stream(self, messages: Messages, sampling: Sampling, seed: int) -> AsyncGenerator[str | Reply, None]:
        """Yield a draw's text in one piece once it is written, then its reply."""
        [reply] = await self.draw(messages, sampling, [seed])
        if reply.text:
            yield reply.text
        yield reply

    def _tokens(self, prompt: str) -> list[int]:
        tokens: list[int] = self._tokenizer(prompt, add_special_tokens=not self._template.source)["input_ids"]
        return tokens

    def close(self) -> None:
        """Stop the thread after the batch under way; what waits fails."""
        self._inbox.put(None)
        self._thread.join()
        self._template.close()

    def _work(self) -> None:
        try:
            while rows := self._gather():
                self._serve(rows)
        finally:
            self._stopped.set()
            self._refuse()

    def _refuse(self) -> None:
        with suppress(Empty):
            while True:
                row = self._inbox.get_nowait()
                if row is not None:
                    _settle(row, EndpointRefused(f"the engine of `{self.path}` was closed", "run it again"))

    def _gather(self) -> list[_Row]:
        """Return up to `width` rows of what waits; none once the engine is to close."""
        rows: list[_Row] = []
        until = 0.0
        while len(rows) < self.width:
            try:
                row = self._inbox.get(timeout=max(0.0, until - monotonic())) if rows else self._inbox.get()
            except Empty:
                break
            if row is None:
                self._inbox.put(None)
                break
            until = until or monotonic() + GATHERING
            rows.append(row)
        return rows

    def _serve(self, rows: list[_Row]) -> None:
        try:
            with self._torch.inference_mode():
                self._write([row for row in rows if not row.future.cancelled()])
        except (RuntimeError, IndexError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            # Torch looks a token up that the weights do not have with an IndexError.
            fits = isinstance(error, RuntimeError)
            hint = "lower --concurrency" if fits else "take tokenizer and weights of one model"
            for row in rows:
                _settle(row, CallFailed(f"the engine failed on a batch ({reason})", hint))
        finally:
            # What else may end the thread leaves nobody waiting; replies that were given stay.
            for row in rows:
                _settle(row, EndpointRefused(f"the engine of `{self.path}` stopped", "run the same command again"))

    def _write(self, rows: list[_Row]) -> None:
        """Write a batch to its end, one token of every row at a time; rows that have ended leave it."""
        tokens, mask = self._padded(rows)
        cache = None
        while rows:
            scores, cache = self._read(tokens, mask, cache)
            chosen = self._choose(rows, scores)
            picked = scores.gather(1, chosen.unsqueeze(1)).squeeze(1).tolist()
            for row, token, score in zip(rows, chosen.tolist(), picked, strict=True):
                self._take(row, token, score)
            going = [index for index, row in enumerate(rows) if not row.finish and not row.future.cancelled()]
            self._answer(rows)
            if len(going) < len(rows):
                kept = self._torch.tensor(going, dtype=self._torch.long, device=self._device)
                rows, chosen, mask = [rows[index] for index in going], chosen[kept], mask[kept]
                if rows:
                    cache.batch_select_indices(kept)
            tokens, mask = chosen.unsqueeze(1), self._torch.cat([mask, self._torch.ones_like(mask[:, :1])], 1)

    def _padded(self, rows: Sequence[_Row]) -> tuple[Any, Any]:
        """Return prompts, padded on the left to the longest, and the mask of what counts; rows by tokens."""
        longest = max((len(row.prompt) for row in rows), default=0)
        gaps = [longest - len(row.prompt) for row in rows]
        tokens = [[0] * gap + row.prompt for gap, row in zip(gaps, rows, strict=True)]
        mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
        return self._torch.tensor(tokens, device=self._device), self._torch.tensor(mask, device=self._device)

    def _read(self, tokens: Any, mask: Any, cache: Any) -> tuple[Any, Any]:
        """Return the log-probabilities of every row's next token, rows by vocabulary, and the grown cache."""
        places = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        output = self._model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1].float().log_softmax(-1), output.past_key_values

    def _choose(self, rows: Sequence[_Row], scores: Any) -> Any:
        chosen = scores.argmax(-1)
        for index, row in enumerate(rows):
            if row.sampling.temperature > 0:
                chosen[index] = self._drawn(row, scores[index])
        return chosen

    def _drawn(self, row: _Row, scores: Any) -> Any:
        if row.generator is None:
            row.generator = self._torch.Generator().manual_seed(row.seed)
        shares = (scores.cpu() / row.sampling.temperature).softmax(-1)
        if row.sampling.top_p < 1:
            ordered, places = shares.sort(descending=True)
            late = ordered.cumsum(0) - ordered >= row.sampling.top_p
            shares[places[late]] = 0.0
        return shares.multinomial(1, generator=row.generator)[0]

    def _take(self, row: _Row, token: int, score: float) -> None:
        """Add a token to a row, and say how the row ended if it did."""
        row.tokens.append(token)
        row.score += score
        full, stops = len(row.tokens) >= row.room, [stop for stop in row.sampling.stop if stop]
        if token in self._ends:
            row.finish = "stop"
        elif full:
            row.finish = "length"
        if stops or row.finish:
            whole = self._tokenizer.decode(row.tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            row.text = cut_at_stop(whole, stops)
            row.finish = "stop" if row.text != whole else row.finish

    def _answer(self, rows: Sequence[_Row]) -> None:
        for row in rows:
            if row.finish:
                usage = Usage(input=len(row.prompt), output=len(row.tokens))
                mean = row.score / len(row.tokens) if isfinite(row.score) else None
                finish: Finish = "length" if row.finish == "length" else "stop"
                _settle(row, Reply(text=row.text, model="", usage=usage, finish=finish, logprob=mean))


def _settle(row: _Row, outcome: Reply | StepdownError) -> None:
    # A caller that went away has cancelled its future.
    with suppress(InvalidStateError):
        if isinstance(outcome, Reply):
            row.future.set_result(outcome)
        else:
            row.future.set_exception(outcome)


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)


@contextmanager
def loading_folder(what: str, hint: str) -> Iterator[None]:
    """Raise `UsageError` for whatever transformers raises over a stranger's model; one with code of its own is refused.

    Pass `NO_CODE` to every loader inside: without it, transformers asks at the terminal and runs what it is given.
    """

    def refused(words: str) -> UsageError:
        if "trust_remote_code" in words or "custom code" in words:
            return UsageError(
                f"{what}: it brings code of its own, which is never run",
                "take a model of an architecture that transformers knows by itself",
            )
        return UsageError(f"{what} ({words})", hint)

    with reading(what, hint, make=refused):
        yield


@contextmanager
def without_bars(logging: Any) -> Iterator[None]:
    """Leave out transformers' own progress bars, which are on for the whole process or not at all."""
    enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


def _import_libraries(folder: Path) -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtra(error.name or "transformers", "train", f"answering with `{folder}`") from None
    return torch, transformers
