"""Tokens per second of a model in this process, against its engine alone in the same run.

Run: python benchmarks/embedded.py [--model smollm2-135m] [--json]. Both sides write the same number of
tokens from the same prompts, in turns; tokens per second are counted over the whole time, reading of the
prompts included. A first round is thrown away.
"""

import argparse
import asyncio
import json
import resource
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_embedded
from stepdown.types import Message, Messages, Reply, Sampling

WIDTHS = (1, 4, 8)
DRAWS = 30
TOKENS = 64
ROUNDS = 3


def prompts_for(count: int) -> list[Messages]:
    question = "Tell a long story about {0} boxes with {1} apples in each box, and about who ate them."
    return [(Message("user", question.format(n + 3, n + 4)),) for n in range(count)]


async def ask_all(model: EmbeddedModel, count: int) -> int:
    """Write `count` replies at once through `EmbeddedModel`; return the tokens written."""
    sampling = Sampling(max_tokens=TOKENS)
    replies = await asyncio.gather(*(model.reply(prompt, sampling) for prompt in prompts_for(count)))
    return count_tokens([reply for [reply] in replies])


async def draw_many(model: EmbeddedModel, count: int) -> int:
    return count_tokens(
        await model.reply(prompts_for(1)[0], Sampling(temperature=1.0, max_tokens=TOKENS, seed=1), count)
    )


def count_tokens(replies: list[Reply]) -> int:
    return sum(reply.usage.output for reply in replies if reply.usage)


def step_alone(pipeline: Any, count: int) -> int:
    """Write `count` replies at once with nothing but the pipeline; return the tokens written."""
    return run_alone(pipeline, [(prompt, {}) for prompt in prompts_for(count)])


def step_draws_alone(pipeline: Any, count: int) -> int:
    drawn = {"do_sample": True, "temperature": 1.0, "rng_seed": 1, "num_return_sequences": count}
    return run_alone(pipeline, [(prompts_for(1)[0], drawn)])


def run_alone(pipeline: Any, requests: list[tuple[Messages, dict[str, Any]]]) -> int:
    import openvino_genai

    tokenizer, handles = pipeline.get_tokenizer(), []
    for number, (prompt, settings) in enumerate(requests):
        config = openvino_genai.GenerationConfig(max_new_tokens=TOKENS, logprobs=1, **settings)
        config.set_eos_token_id(tokenizer.get_eos_token_id())
        text = tokenizer.apply_chat_template([{"role": "user", "content": prompt[0].content}], True)
        inputs = tokenizer.encode(text, add_special_tokens=False).input_ids
        handles.append(pipeline.add_request(1_000_000 + number, inputs, config))
    while pipeline.has_non_finished_requests():
        pipeline.step()
    return sum(len(output.generated_ids) for handle in handles for output in handle.read_all())


class Rate:
    """Tokens and seconds summed over rounds."""

    def __init__(self) -> None:
        self.tokens, self.seconds = 0, 0.0

    def time(self, work: Callable[[], int]) -> None:
        started = perf_counter()
        self.tokens += work()
        self.seconds += perf_counter() - started

    async def time_async(self, work: Callable[[], Awaitable[int]]) -> None:
        started = perf_counter()
        self.tokens += await work()
        self.seconds += perf_counter() - started

    @property
    def value(self) -> float:
        return self.tokens / self.seconds


async def compare(model: EmbeddedModel) -> list[dict[str, Any]]:
    """Measure both sides in turns, so that a busy neighbour slows both alike."""
    pipeline = model._share().result()._pipeline  # type: ignore[attr-defined]
    rows = []
    for case, count in [*(("at once", width) for width in WIDTHS), ("draws of one prompt", DRAWS)]:
        ours, alone = (ask_all, step_alone) if case == "at once" else (draw_many, step_draws_alone)
        through, bare = Rate(), Rate()
        await ours(model, count)
        for _ in range(ROUNDS):
            await through.time_async(partial(ours, model, count))
            bare.time(partial(alone, pipeline, count))
        ratio = through.value / bare.value
        rows.append({"case": case, "count": count, "stepdown": through.value, "alone": bare.value, "ratio": ratio})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    model = load_embedded(options.model, engine="openvino")
    started = perf_counter()
    asyncio.run(model.prepare())
    loaded = perf_counter() - started
    rows = asyncio.run(compare(model))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.json:
        for row in rows:
            print(json.dumps({"benchmark": "embedded", "model": options.model, "tokens": TOKENS, **row}))
    else:
        print(f"{options.model}: loaded in {loaded:.1f} s, at most {memory:,.0f} MB resident, {TOKENS} tokens a reply")
        print(f"{'':24}{'stepdown':>12}{'engine alone':>14}{'ratio':>8}   (tokens per second)")
        for row in rows:
            label = f"{row['count']} {row['case']}"
            print(f"{label:24}{row['stepdown']:12,.0f}{row['alone']:14,.0f}{row['ratio']:8.2f}")
    asyncio.run(model.close())


if __name__ == "__main__":
    main()
