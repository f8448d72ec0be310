"""A real OpenAI-compatible server in this process that fails on demand, for tests."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from aiohttp import web

Body = dict[str, Any]
Speak = Callable[[Body], str]
Fault = str | Body | tuple[int, Body]

STATUSES = {
    "400-long": (
        400,
        {"error": {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"}},
    ),
    "400-long-code": (400, {"error": {"message": "please shorten it", "code": "context_length_exceeded"}}),
    "400-long-llamacpp": (
        400,
        {
            "error": {
                "code": 400,
                "message": "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
                "type": "exceed_context_size_error",
            }
        },
    ),
    "400-long-vllm": (
        400,
        {
            "object": "error",
            "message": "The decoder prompt (length 4926) is longer than the maximum model length of 4096.",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    "400-long-ollama": (400, {"error": "the input length exceeds the context length"}),
    "401": (401, {"error": {"message": "Incorrect API key provided: sk-very-secret", "code": "invalid_api_key"}}),
    "403": (403, {"error": {"message": "this project may not use the model"}}),
    "404": (404, {"error": {"message": "model 'm' not found", "code": "model_not_found"}}),
    "429": (429, {"error": {"message": "Rate limit reached"}}),
    "429-now": (429, {"error": {"message": "Rate limit reached"}}),
    "429-soon": (429, {"error": {"message": "Rate limit reached"}}),
    "429-tomorrow": (429, {"error": {"message": "Daily limit reached"}}),
    "quota": (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    "500": (500, {"error": {"message": "the server had an error"}}),
    "503": (503, {"error": {"message": "overloaded"}}),
    "301": (301, {}),
    "no-temperature": (
        400,
        {"error": {"message": "Unsupported value: 'temperature' does not support 0.0", "param": "temperature"}},
    ),
    "no-max-tokens": (
        400,
        {"error": {"message": "'max_tokens' is not supported; use 'max_completion_tokens'", "param": "max_tokens"}},
    ),
    "no-n": (400, {"error": {"message": "'n' : number must be at most 1; n > 1 is not supported"}}),
}
RETRY_AFTER = {"429-now": "0", "429-soon": "3", "429": "7", "429-tomorrow": "86400"}
HEADERS = {fault: {"Retry-After": seconds} for fault, seconds in RETRY_AFTER.items()}


class Runs(Protocol):
    """A server that runs in a thread of its own until it is stopped."""

    async def run(self, started: threading.Event) -> None: ...
    def stop(self) -> None: ...


Served = TypeVar("Served", bound=Runs)


class FaultyServer:
    """Answers each request with the next fault of `faults`, and well once they are used up.

    A fault is a status and its body, a key of `STATUSES`, or `drop`, `cut`, `malformed`, `html`, `empty`, `hang`,
    `long-stream`, `broken-stream`, or a dict, which is the response to send. `speak` turns a request's body into the
    reply's text. `bodies`, `paths` and `headers` keep what was received, in order. `one_choice` ignores `n`, as Ollama
    does.
    """

    def __init__(self, faults: Sequence[Fault], speak: Speak, *, one_choice: bool = False) -> None:
        self.faults, self.speak, self.one_choice = list(faults), speak, one_choice
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.flying = self.peak = 0
        self.url = ""
        self._stopping = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.paths.append(request.path_qs)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        try:
            fault = self.faults.pop(0) if self.faults else None
            return await (self._fail(request, fault) if fault else self._speak(request, body))
        finally:
            self.flying -= 1

    async def list_models(self, request: web.Request) -> web.Response:
        if self.faults:
            fault = self.faults.pop(0)
            status, body = fault if isinstance(fault, tuple) else STATUSES[str(fault)]
            return web.json_response(body, status=status)
        return web.json_response({"data": [{"id": "small"}, {"id": "large"}]})

    async def _fail(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if isinstance(fault, tuple):
            return web.json_response(fault[1], status=fault[0])
        if isinstance(fault, dict):
            return web.json_response(fault)
        if fault in STATUSES:
            status, body = STATUSES[fault]
            return web.json_response(body, status=status, headers=HEADERS.get(fault))
        if fault in {"malformed", "html", "empty"}:
            text = {"malformed": '{"choices": [{"mess', "html": "<html></html>", "empty": '{"choices": []}'}[fault]
            return web.Response(text=text, content_type="application/json")
        if fault in {"long-stream", "broken-stream"}:
            wrong = STATUSES["400-long-llamacpp"][1] if fault == "long-stream" else {"error": "the disk is full"}
            return web.Response(text=f"data: {json.dumps(wrong)}\n\n", content_type="text/event-stream")
        if fault == "hang":
            await self._stopping.wait()
        if fault == "cut":
            response = web.StreamResponse(headers={"Content-Length": "5000"})
            await response.prepare(request)
            await response.write(b'{"choices": [')
        assert request.transport is not None, "a request under way has a transport"
        request.transport.close()
        return web.Response()

    async def _speak(self, request: web.Request, body: Body) -> web.StreamResponse:
        text = self.speak(body)
        if body.get("stream"):
            return await self._stream(request, text)
        count = 1 if self.one_choice else body.get("n", 1)
        said = {"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
        choices = [{"index": index, "finish_reason": "stop"} | said for index in range(count)]
        usage = {"prompt_tokens": 10, "completion_tokens": 3 * count}
        return web.json_response({"model": body["model"], "choices": choices, "usage": usage})

    async def _stream(self, request: web.Request, text: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events: list[Body] = [{"choices": [{"delta": {"content": word + " "}}]} for word in text.split()]
        events += [{"choices": [{"delta": {}, "finish_reason": "length"}]}]
        events += [{"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}]
        for event in events:
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def run(self, started: threading.Event) -> None:
        app = web.Application()
        app.router.add_get("/v1/models", self.list_models)
        app.router.add_post("/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        self._loop = asyncio.get_running_loop()
        started.set()
        await self._stopping.wait()
        await runner.cleanup()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)


def say_fine(body: Body) -> str:
    return "The answer is 4."


@contextmanager
def faulty_server(*faults: Fault, speak: Speak = say_fine, one_choice: bool = False) -> Iterator[FaultyServer]:
    """Serve in a thread of its own, so that plain and asynchronous callers can both be tested."""
    with serving(FaultyServer(faults, speak, one_choice=one_choice)) as server:
        yield server


@contextmanager
def serving(server: Served) -> Iterator[Served]:
    """Let a server answer while the `with` lasts."""
    started = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(started)), daemon=True)
    thread.start()
    assert started.wait(10), "the server starts within 10 s"
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
