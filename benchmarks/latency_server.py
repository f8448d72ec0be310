"""A local OpenAI-compatible server whose replies have lengths and latencies drawn from distributions, for plans.

python benchmarks/latency_server.py PORT [--first 0.08] [--speed 600] [--sigma 0.4] [--one-choice] [--seed 1]
    [--log FILE] [--drop SHARE] [--lose SHARE]

A reply's length in tokens is lognormal around 60 and follows from its prompt and draw; a request takes a lognormal
time to the first token (median `--first` seconds), then its longest reply at `--speed` tokens per second. With
`--one-choice` it ignores `n`, as Ollama does. `--log` keeps a line for each request that came (`asked`), whose answer
was written (`answered`), and so would be billed, and that was sent (`sent`), which outlives a kill. Of the requests
`--drop` are cut off when they come, and `--lose` once their answer is written.
"""

import argparse
import asyncio
import hashlib
import json
import random
from math import exp
from pathlib import Path
from typing import Any

from aiohttp import web

LENGTH = 60


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.random = random.Random(options.seed)
        self.requests = self.replies = 0
        self.faults = random.Random(options.seed + 1)
        self.log = options.log.open("a", buffering=1) if options.log else None

    def text(self, prompt: str, draw: int) -> str:
        digest = hashlib.blake2b(f"{prompt}|{draw}|{self.requests}".encode(), digest_size=8).digest()
        drawn = random.Random(digest)
        length = max(8, round(LENGTH * exp(drawn.gauss(0, self.options.sigma))))
        lines = [f"{index}. Add {drawn.randrange(100)} to it." for index in range(1, 4)]
        words = " ".join(str(drawn.randrange(1000)) for _ in range(length))
        return ("\n".join([*lines, words])[: 4 * length - 12] + f"\nAnswer: {drawn.randrange(100)}").strip()

    def note(self, event: str, prompt: str) -> None:
        if self.log:
            self.log.write(f"{event} {hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()}\n")

    async def answer(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = json.loads(await request.read())
        self.requests += 1
        fate = self.faults.random()
        prompt = "\n".join(message["content"] for message in body["messages"])
        self.note("asked", body["model"] + prompt)
        if fate < self.options.drop:
            return self.cut_off(request)
        count = 1 if self.options.one_choice else body.get("n") or 1
        texts = [self.text(prompt, draw) for draw in range(count)]
        lengths = [len(text) // 4 for text in texts]
        first = self.options.first * exp(self.random.gauss(0, self.options.sigma))
        await asyncio.sleep(first + max(lengths) / self.options.speed)
        self.replies += count
        self.note("answered", body["model"] + prompt)
        if fate > 1 - self.options.lose:
            return self.cut_off(request)
        choices = [
            {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": sum(lengths)}
        reply = {"object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}
        response = web.json_response(reply)
        await response.prepare(request)
        await response.write_eof()
        self.note("sent", body["model"] + prompt)
        return response

    def cut_off(self, request: web.Request) -> web.Response:
        assert request.transport is not None, "a request under way has a transport"
        request.transport.abort()
        return web.Response()

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "m"}, {"id": "student"}, {"id": "teacher"}]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--first", type=float, default=0.08)
    parser.add_argument("--speed", type=float, default=600.0)
    parser.add_argument("--sigma", type=float, default=0.4)
    parser.add_argument("--one-choice", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--drop", type=float, default=0.0)
    parser.add_argument("--lose", type=float, default=0.0)
    server, app = Server(parser.parse_args()), web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    app.router.add_get("/v1/models", server.models)
    web.run_app(app, host="127.0.0.1", port=server.options.port, print=None)


if __name__ == "__main__":
    main()
