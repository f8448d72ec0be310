"""Thirty draws of one few-shot prompt in one call, which reads it once, against thirty calls; tokens per second.

python benchmarks/sampling.py [--model smollm2-135m] [--draws 30] [--rounds 2] [--json]

The prompt is the first training word sum after our demonstrations, as `stepdown sample` asks it. Both sides write as
many tokens as they like, at most 64 each, at T = 1; a first round is thrown away, and sides take turns.
"""

import argparse
import asyncio
from time import perf_counter

from rows import print_row

from stepdown.methods import FEW_SHOT
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_embedded
from stepdown.problems import load_problems
from stepdown.prompts import load_prompts, with_demonstrations
from stepdown.types import Messages, Prompt, Reply, Sampling

SAMPLING = Sampling(temperature=1.0, max_tokens=64)


def prompt() -> Messages:
    problem = load_problems("wordsums", split="train", limit=1)[0]
    return with_demonstrations(load_prompts("default")).render(FEW_SHOT, Prompt("solve", problem))


async def shared(model: EmbeddedModel, draws: int) -> list[Reply]:
    return await model.reply(prompt(), SAMPLING, draws)


async def separate(model: EmbeddedModel, draws: int) -> list[Reply]:
    return [reply for [reply] in await asyncio.gather(*(model.reply(prompt(), SAMPLING) for _ in range(draws)))]


async def measure(model: EmbeddedModel, draws: int, rounds: int) -> dict[str, object]:
    seconds, tokens = {"shared": 0.0, "separate": 0.0}, {"shared": 0, "separate": 0}
    length = 0
    for turn in range(rounds + 1):
        for side, draw in (("shared", shared), ("separate", separate)):
            began = perf_counter()
            replies = await draw(model, draws)
            if turn:
                seconds[side] += perf_counter() - began
                tokens[side] += sum(reply.usage.output for reply in replies if reply.usage)
                length = replies[0].usage.input if replies[0].usage else 0
    rates = {side: tokens[side] / seconds[side] for side in seconds}
    await model.close()
    return {
        "benchmark": "sampling",
        "model": model.name,
        "draws": draws,
        "prompt_tokens": length,
        "shared_tokens_per_s": round(rates["shared"], 1),
        "separate_tokens_per_s": round(rates["separate"], 1),
        "ratio": round(rates["shared"] / rates["separate"], 2),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--model", default="smollm2-135m")
    options.add_argument("--draws", type=int, default=30)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    found = asyncio.run(measure(load_embedded(given.model), given.draws, given.rounds))
    print_row(found, as_json=given.json)


if __name__ == "__main__":
    main()
