"""Does a student's fast way of serving write the same greedy text as transformers in float32, and how fast?

Run: python benchmarks/students.py FOLDER [--problems 50] [--tokens 64] [--engine openvino] [--json]. The questions
are wordsums' dev problems in the student's own prompt set. `same` counts equal texts, `answers` equal answers.
"""

import argparse
import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from rows import print_row

from stepdown.answers import conclusion
from stepdown.methods import CHAIN_OF_THOUGHT
from stepdown.models.local.embedded import EmbeddedModel
from stepdown.models.local.loading import load_student
from stepdown.problems import load_problems
from stepdown.prompts import load_prompts
from stepdown.types import Messages, Problem, Prompt, Reply, Sampling


async def write_all(model: EmbeddedModel, asked: Sequence[Messages], *, width: int, tokens: int) -> list[Reply]:
    gate = asyncio.Semaphore(width)

    async def write(messages: Messages) -> Reply:
        async with gate:
            return (await model.reply(messages, Sampling(max_tokens=tokens)))[0]

    return await asyncio.gather(*(write(messages) for messages in asked))


async def measure(folder: str, engine: str, asked: Sequence[Messages], *, widths: Sequence[int], tokens: int) -> Any:
    """Return the replies and the tokens per second at each width, the engine loaded and warm before."""
    model = load_student(folder, engine=engine)
    await write_all(model, asked[:2], width=2, tokens=4)
    found = {}
    for width in widths:
        started = perf_counter()
        replies = await write_all(model, asked, width=width, tokens=tokens)
        speed = sum(reply.usage.output for reply in replies if reply.usage) / (perf_counter() - started)
        found[width] = (replies, speed)
    await model.close()
    return found


def compare(problems: Sequence[Problem], slow: Sequence[Reply], fast: Sequence[Reply]) -> dict[str, Any]:
    pairs = list(zip(slow, fast, strict=True))
    same = sum(one.text == other.text for one, other in pairs)
    answers = sum(
        conclusion(one.text, problem.kind).found == conclusion(other.text, problem.kind).found
        for problem, (one, other) in zip(problems, pairs, strict=True)
    )
    return {"same": same, "answers": answers, "of": len(pairs), "share": round(same / len(pairs), 3)}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--problems", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    problems = list(load_problems("wordsums", split="dev", limit=options.problems))
    words = load_prompts(load_student(options.folder).capabilities.prompts or "student")
    asked = [words.render(CHAIN_OF_THOUGHT, Prompt("solve", problem)) for problem in problems]
    reference = await measure(options.folder, "transformers", asked, widths=[16], tokens=options.tokens)
    slow, speed = reference[16]
    rows: list[dict[str, Any]] = [{"engine": "transformers", "width": 16, "tokens_per_second": round(speed, 1)}]
    found = await measure(options.folder, options.engine, asked, widths=options.widths, tokens=options.tokens)
    for width, (fast, speed) in found.items():
        row = {"engine": options.engine, "width": width, "tokens_per_second": round(speed, 1)}
        rows.append(row | compare(problems, slow, fast))
    for row in rows:
        print_row({"benchmark": "students", **row}, as_json=options.json)


if __name__ == "__main__":
    asyncio.run(main())
