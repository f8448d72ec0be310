"""A local OpenAI-compatible server whose replies have lengths and latencies drawn from distributions, for plans.

python benchmarks/latency_server.py PORT [--first 0.08] [--speed 600] [--sigma 0.4] [--one-choice] [--seed 1]

A reply's length in tokens is lognormal around 60 and follows from its prompt and draw; a request takes a lognormal
time to the first token (median `--first` seconds), then its longest reply at `--speed` tokens per second. With
`--one-choice` it ignores `n`, as Ollama does. GET /stats counts requests, replies and the most in flight.
"""

import argparse
import asyncio
import hashlib
import json
import random
from math import exp
from typing import Any

from aiohttp import web

LENGTH = 60


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.requests = self.replies = self.flying = self.peak = 0

    def text(self, prompt: str, draw: int) -> str:
        digest = hashlib.blake2b(f"{prompt}|{draw}|{self.requests}".encode(), digest_size=8).digest()
        drawn = random.Random(digest)
        length = max(8, round(LENGTH * exp(drawn.gauss(0, self.options.sigma))))
        lines = [f"{index}. Add {drawn.randrange(100)} to it." for index in range(1, 4)]
        words = " ".join(str(drawn.randrange(1000)) for _ in range(length))
        return ("\n".join([*lines, words])[: 4 * length - 12] + f"\nAnswer: {drawn.randrange(100)}").strip()

    async def answer(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = json.loads(await request.read())
        self.requests += 1
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        prompt = "\n".join(message["content"] for message in body["messages"])
        count = 1 if self.options.one_choice else body.get("n") or 1
        texts = [self.text(prompt, draw) for draw in range(count)]
        lengths = [len(text) // 4 for text in texts]
        first = self.options.first * exp(self.random.gauss(0, self.options.sigma))
        await asyncio.sleep(first + max(lengths) / self.options.speed)
        self.flying -= 1
        self.replies += count
        choices = [
            {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": sum(lengths)}
        reply = {"object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}
        return web.json_response(reply)

    async def stats(self, request: web.Request) -> web.Response:
        return web.json_response({"requests": self.requests, "replies": self.replies, "peak": self.peak})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--first", type=float, default=0.08)
    parser.add_argument("--speed", type=float, default=600.0)
    parser.add_argument("--sigma", type=float, default=0.4)
    parser.add_argument("--one-choice", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    server, app = Server(parser.parse_args()), web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    app.router.add_get("/stats", server.stats)
    web.run_app(app, host="127.0.0.1", port=server.options.port, print=None)


if __name__ == "__main__":
    main()
