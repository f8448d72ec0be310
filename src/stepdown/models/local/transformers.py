"""The transformers engine: a model folder run by PyTorch, many draws written together by one thread."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import Any

from stepdown.errors import CallFailed, MissingExtra, PromptTooLong, UsageError
from stepdown.models.local.chat_templates import template_of
from stepdown.models.local.draws import RowDraw
from stepdown.models.local.places import WIDTHS, Place, place_of
from stepdown.models.stop_strings import cut_at_stop
from stepdown.types import Messages, Reply, Sampling
from stepdown.untrusted import reading

NO_CODE = {"trust_remote_code": False}


class TransformersEngine:
    """A model folder or a GGUF file behind transformers, on a graphics card where there is one.

    Up to `width` draws are written at once, a token of each at a step; others join them between two steps, and whoever
    has ended leaves. Each draw is drawn by numbers of its own, so that a seed repeats it whatever shares its steps, but
    for roundings. Where memory runs out, `width` is halved, and what was under way goes on in smaller batches.
    On a CPU it computes in float32, on a card in the dtype of the weights. Log-probabilities are those at temperature
    1. Loading takes seconds and blocks. `place` is by default what `place_of` says.
    """

    def __init__(self, folder: Path, *, place: Place | None = None) -> None:
        self.path = folder
        self._torch, transformers = _import_libraries(folder)
        place = place or place_of(folder)
        hint = "the folder needs config.json, model.safetensors and tokenizer.json of one model"
        bars = without_bars(transformers.utils.logging) if folder.is_dir() else redirect_stderr(StringIO())
        with loading_folder(f"transformers cannot load `{folder}`", hint), bars:
            index, options, weights = _options(folder, transformers)
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(index, **options)
            self._template = template_of(self._tokenizer, folder)
            model = load_whole_model(index, dtype=place.dtype, **options, **weights)
            self._ends = _end_tokens(model, self._tokenizer)
            self._context = int(getattr(model.config, "max_position_embeddings", 0) or 2048)
        self._model = model.to(place.device).eval()
        self._words = int(model.get_input_embeddings().weight.shape[0])
        from stepdown.models.local.row_scheduler import RowScheduler

        self._scheduler = RowScheduler(self._model, self._take, width=WIDTHS[place.device], name=folder.name)

    @property
    def width(self) -> int:
        """How many draws are written at once at most."""
        return self._scheduler.width

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
        draws = [RowDraw(prompt, sampling, seed, min(room, sampling.max_tokens)) for seed in wanted]
        self._scheduler.put(draws)
        try:
            replies = list(await asyncio.gather(*(asyncio.wrap_future(draw.future) for draw in draws)))
        finally:
            # Where one fails, nobody waits for the others.
            for draw in draws:
                draw.future.cancel()
        return replies if len(replies) == len(seeds) else replies * len(seeds)

    async def stream(self, messages: Messages, sampling: Sampling, seed: int) -> AsyncGenerator[str | Reply, None]:
        """Yield a draw's text in one piece once it is written, then its reply."""
        [reply] = await self.draw(messages, sampling, [seed])
        if reply.text:
            yield reply.text
        yield reply

    def _tokens(self, prompt: str) -> list[int]:
        """Return a prompt's tokens; raises `CallFailed` for one that the weights do not have.

        On a graphics card such a token would end the process's work there, for all calls.
        """
        tokens: list[int] = self._tokenizer(prompt, add_special_tokens=not self._template.source)["input_ids"]
        if max(tokens, default=0) >= self._words:
            raise CallFailed(
                f"the tokenizer of `{self.path}` writes a token `{max(tokens)}`, and its weights have `{self._words}`",
                "take tokenizer and weights of one model",
            )
        return tokens

    def close(self) -> None:
        """Stop the thread after what is under way; what waits fails."""
        self._scheduler.close()
        self._template.close()

    def _take(self, draw: RowDraw, token: int, score: float) -> None:
        """Add a token to a draw, and say how the draw ended if it did."""
        draw.tokens.append(token)
        draw.score += score
        stops = [stop for stop in draw.sampling.stop if stop]
        if token in self._ends or not isfinite(score):
            draw.finish = "stop"
        elif len(draw.tokens) >= draw.room:
            draw.finish = "length"
        if draw.finish or (stops and self._may_stop(draw, stops)):
            whole = self._text(draw.tokens)
            draw.text = cut_at_stop(whole, stops)
            draw.finish = "stop" if draw.text != whole else draw.finish

    def _may_stop(self, draw: RowDraw, stops: Sequence[str]) -> bool:
        """Whether a stop string stands at the end of what was written: reading all of it at each token takes longer."""
        # A character has four bytes at most, and a token one at least, or is none of the text.
        end = self._text(draw.tokens[-max(len(stop) for stop in stops) * 4 - 8 :])
        return any(stop in end for stop in stops)

    def _text(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def _options(path: Path, transformers: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the folder to load from, what both loaders take, and what that of the weights takes beside it."""
    common = {"local_files_only": True, **NO_CODE}
    if path.is_dir():
        return str(path), common, {"use_safetensors": True}
    weights = {"quantization_config": transformers.GgufConfig(dequantize=True)}
    return str(path.resolve().parent), {"gguf_file": path.name, **common}, weights


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


def load_whole_model(name: str, **options: Any) -> Any:
    """Return transformers' causal language model of a folder or a name of the hub.

    Raises `ValueError` where weights of it are missing, which transformers would draw at random.
    """
    from transformers import AutoModelForCausalLM

    model, found = AutoModelForCausalLM.from_pretrained(name, output_loading_info=True, **options)
    if missing := sorted(found["missing_keys"]):
        raise ValueError(f"weights of its architecture are missing: {len(missing)}, such as {missing[0]}")
    return model


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
