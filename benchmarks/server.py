"""A small OpenAI-compatible server, at no latency or a fixed one, for measuring clients; it takes spans by OTLP too.

python benchmarks/server.py PORT [MS]
"""

import asyncio
import json
import sys

from aiohttp import web

TEXT = "Let us work through it. " + "so we add the parts " * 8 + "\n\nAnswer: 42"


LATENCY = web.AppKey("latency", float)


async def answer(request: web.Request) -> web.Response:
    body = json.loads(await request.read())
    if latency := request.app[LATENCY]:
        await asyncio.sleep(latency)
    choices = [
        {"index": index, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
        for index in range(body.get("n") or 1)
    ]
    usage = {"prompt_tokens": 50, "completion_tokens": 60, "total_tokens": 110}
    reply = {"object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}
    return web.Response(body=json.dumps(reply).encode(), content_type="application/json")


async def take(request: web.Request) -> web.Response:
    """Take what an exporter of spans hands over."""
    await request.read()
    return web.Response(content_type="application/x-protobuf")


def main() -> None:
    app = web.Application()
    app[LATENCY] = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_post("/v1/traces", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
