"""A real server of batch APIs (OpenAI's, Anthropic's, Gemini's) with a fast clock, which bills and fails on demand."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from command_line import speak

Body = dict[str, Any]
# How a batch ends, in the order in which batches come; "" is well.
ENDINGS = ("crowded", "expired", "cancelled", "500-lines", "400-lines", "late-file", "twice", "shuffled", "cut-file")


class Held:
    """A batch: its requests by name, how it is to end, and when it is over."""

    def __init__(self, remote: str, mark: str, lines: list[tuple[str, Body]], ending: str, seconds: float) -> None:
        self.remote, self.mark, self.lines, self.ending = remote, mark, lines, ending
        self.created, self.over_at = time.time(), time.monotonic() + seconds
        self.answers: list[tuple[str, int, Body]] | None = None
        self.looks, self.dialect = 0, "openai"
        self.status = "in_progress"


class BatchServer:
    """Answers batches after `seconds`; `billed` counts what was paid, by what was asked, `dollars` what it cost.

    `endings` are those of the next batches, `drops` how many creations of a batch are done and their answers lost,
    `nameless` how many are answered without an id, `busy` how many requests get a 503; its clock is so many seconds
    `behind`; lines with a field of `refuses` fail by the first of them; an `azure` one says first of files that they
    are `pending`. `urls` are those that lines and batches name. Plans and words are `speak`'s.
    """

    def __init__(
        self, *, seconds: float = 0.0, endings: Sequence[str] = (), say: Callable[[Body], str] = speak
    ) -> None:
        self.seconds, self.endings, self.say = seconds, list(endings), say
        self.drops = self.nameless = self.busy = 0
        self.behind = 0.0
        self.refuses: tuple[str, ...] = ()
        self.azure, self.ready, self.urls = False, set[str](), set[str]()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Held] = {}
        self.billed: Counter[str] = Counter()
        self.tokens = [0, 0]
        self.direct: list[Body] = []
        self.ended: Counter[str] = Counter()
        self.url = ""

    # -- work

    def forget(self) -> None:
        """Know no batch any more."""
        self.batches.clear()

    def hurry(self) -> None:
        """End the batches under way at the next look."""
        for held in self.batches.values():
            held.over_at = 0.0

    def answer(self, body: Body, dialect: str) -> Body:
        """Answer a request and bill it."""
        self.billed[json.dumps(body, sort_keys=True)] += 1
        turns = (
            body.get("messages")
            or body.get("input")
            or [{"content": "".join(part["text"] for part in one["parts"])} for one in body["contents"]]
        )
        text = self.say({"model": body.get("model", "student"), "messages": turns})
        number = body.get("n", 1)
        given, written = sum(len(str(one["content"]).split()) for one in turns), len(text.split()) * number
        self.tokens[0] += given
        self.tokens[1] += written
        if dialect == "anthropic":
            content = [{"type": "text", "text": text}]
            usage = {"input_tokens": given, "output_tokens": written}
            return {"type": "message", "model": "m", "content": content, "stop_reason": "end_turn", "usage": usage}
        if dialect == "gemini":
            counts = {"promptTokenCount": given, "candidatesTokenCount": written, "totalTokenCount": given + written}
            candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
            return {"candidates": [candidate], "usageMetadata": counts}
        if "input" in body:
            usage = {"input_tokens": given, "output_tokens": written}
            item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
            return {"status": "completed", "output": [item], "usage": usage}
        message = {"role": "assistant", "content": text}
        choices = [{"index": at, "message": message, "finish_reason": "stop"} for at in range(number)]
        return {"choices": choices, "usage": {"prompt_tokens": given, "completion_tokens": written}}

    def begin(self, mark: str, lines: list[tuple[str, Body]], dialect: str = "openai") -> Held:
        """Take a batch."""
        ending = self.endings.pop(0) if self.endings else ""
        held = Held(f"batch_{len(self.batches)}", mark, lines, ending, self.seconds)
        self.batches[held.remote], held.dialect = held, dialect
        held.created -= self.behind
        return held

    def work(self, held: Held, dialect: str) -> Held:
        """Bring a batch to where it is by now."""
        held.looks += 1
        if held.answers is None and (time.monotonic() >= held.over_at or held.status == "cancelling"):
            self.ended[held.ending] += 1
            held.answers = list(self._work(held, dialect))
        return held

    def _work(self, held: Held, dialect: str) -> Iterator[tuple[str, int, Body]]:
        stopped = held.ending in {"expired", "cancelled"} or held.status == "cancelling"
        held.status = "failed" if held.ending == "crowded" else held.ending if stopped and held.ending else "completed"
        held.status = "cancelled" if stopped and not held.ending else held.status
        if held.ending == "crowded":
            return
        done = (len(held.lines) + 1) // 2 if stopped else len(held.lines)
        for at, (name, body) in enumerate(held.lines):
            if at >= done:
                yield name, 0, {"code": f"batch_{held.status}", "message": "not worked on"}
            elif refused := [field for field in self.refuses if field in body]:
                yield name, 400, {"error": {"message": f"'{refused[0]}' is not supported with this model."}}
            elif held.ending in {"500-lines", "400-lines"} and at % 3 == 0:
                status = int(held.ending[:3])
                yield name, status, {"error": {"message": "the server had an error" if status == 500 else "no"}}
            else:
                yield name, 200, self.answer(body, dialect)

    # -- OpenAI

    async def files_post(self, request: web.Request) -> web.Response:
        form = await request.post()
        file: Any = form["file"]
        name = f"file-{len(self.files)}"
        self.files[name] = file.file.read()
        return web.json_response({"id": name, "status": "pending" if self.azure else "processed"})

    async def file_look(self, request: web.Request) -> web.Response:
        """A file of Azure's, which takes a moment before a batch can have it."""
        self.ready.add(request.match_info["file"])
        return web.json_response({"id": request.match_info["file"], "status": "processed"})

    async def batches_post(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if self.azure and asked["input_file_id"] not in self.ready:
            return web.json_response({"error": {"message": "the file is not processed"}}, status=400)
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines() if line.strip()]
        self.urls |= {asked["endpoint"], *(one["url"] for one in lines)}
        held = self.begin(asked["metadata"]["stepdown"], [(one["custom_id"], one["body"]) for one in lines])
        return self._created(request, self._openai(held))

    def _created(self, request: web.Request, value: Body) -> web.Response:
        if self.drops:
            self.drops -= 1
            assert request.transport is not None, "a request under way has a transport"
            request.transport.close()
        if self.nameless:
            self.nameless -= 1
            return web.json_response({})
        return web.json_response(value)

    def _openai(self, held: Held) -> Body:
        answers = held.answers or []
        late = held.ending == "late-file" and held.looks < 4
        counts = {"total": len(held.lines), "completed": sum(one[1] == 200 for one in answers)}
        errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached for m"}]
        return {
            "id": held.remote, "status": held.status, "created_at": int(held.created),
            "metadata": {"stepdown": held.mark},
            "request_counts": ["?"] if held.ending == "odd-counts" and held.looks < 3
            else counts | {"failed": sum(one[1] not in (0, 200) for one in answers)},
            "output_file_id": f"out-{held.remote}" if answers and not late else None,
            "error_file_id": f"err-{held.remote}" if answers and not late else None,
            "errors": {"data": errors} if held.status == "failed" else None,
        }  # fmt: skip

    async def batches_list(self, request: web.Request) -> web.Response:
        found = [self._openai(held) for held in reversed(self.batches.values())]
        operations = [self._gemini(held) for held in self.batches.values()]
        return web.json_response({"data": found, "has_more": False, "operations": operations})

    async def batch_get(self, request: web.Request) -> web.Response:
        held = self.batches.get(request.match_info["batch"])
        if held is not None and held.ending in {"denied", "forgotten"}:
            held.looks += 1
        if held is None or held.ending == "forgotten" or (held.ending == "denied" and held.looks < 4):
            return web.json_response({"error": {"message": "no such batch"}}, status=404)
        self.work(held, held.dialect)
        return web.json_response(self._gemini(held) if held.dialect == "gemini" else self._openai(held))

    async def batch_cancel(self, request: web.Request) -> web.Response:
        held = self.work(self.batches[request.match_info["batch"]], "openai")
        if held.answers is not None:
            return web.json_response({"error": {"message": "it is over"}}, status=409)
        held.status = "cancelling"
        return web.json_response(self._openai(held))

    async def file_get(self, request: web.Request) -> web.Response:
        kind, _, remote = request.match_info["file"].partition("-")
        held = self.batches[remote]
        lines = []
        for name, status, body in held.answers or []:
            if (status == 200) == (kind == "out"):
                response = {"status_code": status, "body": body} if status else None
                lines.append({"custom_id": name, "response": response, "error": None if status else body})
        if held.ending == "shuffled":
            lines.reverse()
        if held.ending == "failed-too" and kind == "out":
            lines.insert(0, {"custom_id": lines[0]["custom_id"], "response": {"status_code": 500, "body": {}}})
        if held.ending == "lost-line" and kind == "out":
            del lines[-1]
        if held.ending == "late-line" and kind == "out" and held.looks < 4:
            lines[-1:] = lines[:1]
        lines += lines[:1] if held.ending == "twice" else []
        lines[:0] = [{"custom_id": "x" * 200_000}] if held.ending == "long-line" else []
        content = "".join(json.dumps(one) + "\n" for one in lines).encode()
        if held.ending == "cut-file" and kind == "out" and held.looks < 4:
            content = content[: len(content) // 2]
        return web.Response(body=content, content_type="application/jsonl")

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.direct.append(body)
        return web.json_response(self.answer(body, "openai"))

    # -- Anthropic

    async def messages_post(self, request: web.Request) -> web.Response:
        asked = (await request.json())["requests"]
        held = self.begin("", [(one["custom_id"], one["params"]) for one in asked], "anthropic")
        return self._created(request, self._anthropic(held))

    def _anthropic(self, held: Held) -> Body:
        statuses = Counter({200: "succeeded", 0: "expired"}.get(one[1], "errored") for one in held.answers or [])
        open_lines = 0 if held.answers is not None else len(held.lines)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(held.created))
        status = "ended" if held.answers is not None else held.status
        counts = {"processing": open_lines, **statuses}
        return {"id": held.remote, "processing_status": status, "created_at": created, "request_counts": counts}

    async def messages_list(self, request: web.Request) -> web.Response:
        found = [self._anthropic(self.work(held, "anthropic")) for held in reversed(self.batches.values())]
        return web.json_response({"data": found, "has_more": False})

    async def messages_get(self, request: web.Request) -> web.Response:
        return web.json_response(self._anthropic(self.work(self.batches[request.match_info["batch"]], "anthropic")))

    async def messages_results(self, request: web.Request) -> web.Response:
        lines = []
        for name, status, body in self.batches[request.match_info["batch"]].answers or []:
            kind = {200: "succeeded", 0: "expired"}.get(status, "errored")
            result: Body = {"type": kind} | ({"message": body} if status == 200 else {"error": body} if status else {})
            lines.append(json.dumps({"custom_id": name, "result": result}))
        return web.Response(text="\n".join(lines))

    # -- Gemini

    async def gemini_post(self, request: web.Request) -> web.Response:
        asked = (await request.json())["batch"]
        lines = [(one["metadata"]["key"], one["request"]) for one in asked["inputConfig"]["requests"]["requests"]]
        return self._created(request, self._gemini(self.begin(asked["displayName"], lines, "gemini")))

    def _gemini(self, held: Held) -> Body:
        state = {"in_progress": "RUNNING", "completed": "SUCCEEDED"}.get(held.status, held.status.upper())
        done = [one for one in held.answers or [] if one[1]]
        codes = {500: 13, 400: 3}
        listed = [
            {"metadata": {"key": name}}
            | ({"response": body} if status == 200 else {"error": body["error"] | {"code": codes[status]}})
            for name, status, body in done
        ]
        stats = {"successfulRequestCount": str(sum(one[1] == 200 for one in done))}
        about = {"state": f"BATCH_STATE_{state}", "displayName": held.mark, "batchStats": stats}
        response = {"response": {"inlinedResponses": {"inlinedResponses": listed}}} if held.answers is not None else {}
        return {"name": f"batches/{held.remote}", "metadata": about, "done": held.answers is not None, **response}

    # -- serving

    @web.middleware
    async def _busy(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.busy:
            self.busy -= 1
            return web.json_response({"error": {"message": "overloaded"}}, status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._busy], client_max_size=1 << 28)
        for base in ("/v1", "/openai"):
            app.router.add_post(f"{base}/files", self.files_post)
            app.router.add_get(f"{base}/files/{{file}}", self.file_look)
            app.router.add_get(f"{base}/files/{{file}}/content", self.file_get)
            app.router.add_post(f"{base}/batches", self.batches_post)
            app.router.add_get(f"{base}/batches", self.batches_list)
            app.router.add_get(f"{base}/batches/{{batch}}", self.batch_get)
        app.router.add_post("/v1/batches/{batch}/cancel", self.batch_cancel)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/messages/batches", self.messages_post)
        app.router.add_get("/v1/messages/batches", self.messages_list)
        app.router.add_get("/v1/messages/batches/{batch}", self.messages_get)
        app.router.add_get("/v1/messages/batches/{batch}/results", self.messages_results)
        app.router.add_post("/v1/models/{model}", self.gemini_post)
        return app


@contextmanager
def batch_server(**options: Any) -> Iterator[BatchServer]:
    """Serve in a thread of its own; `url` is an OpenAI base address."""
    server, begun, loop = BatchServer(**options), threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def run() -> None:
        runner = web.AppRunner(server.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None, "it listens"
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{port}/v1"
        begun.set()
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert begun.wait(10), "the server begins"
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
