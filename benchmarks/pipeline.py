"""Requests per second of a whole run against a bare aiohttp loop, on one local server in one process run.

python benchmarks/pipeline.py [URL] [--problems 2000] [--flight 64] [--spans] [--quick] [--json]

URL is an OpenAI-compatible server at no latency; without it one is started here. Both sides send the same bodies: a
bare loop of `flight` workers over aiohttp, then Trace-of-Thought over the problems, stored and graded, as the command
line runs it. The ratio is the figure; rates are this machine's. `--spans` measures besides what a call takes more of a
processor where each is handed over as a span (extra `otel`), to a receiver on loopback in a process of its own.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import aiohttp
from all import server

from stepdown.graders import load_grader
from stepdown.loops import run_loop
from stepdown.methods import TRACE_OF_THOUGHT
from stepdown.models import load_model
from stepdown.problems import load_problems
from stepdown.prompts import DEFAULT
from stepdown.runner import Task, close_models, run_task
from stepdown.store import Store
from stepdown.types import Plan, Prompt

BAR = 0.6


def write_problems(count: int, folder: Path) -> Path:
    """Write word sums to a file, so that generating them is in nobody's time."""
    folder.mkdir(exist_ok=True)
    path = folder / "wordsums.jsonl"
    rows = ({"question": p.question, "answer": p.answer} for p in load_problems("wordsums", limit=count))
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def bodies(problems: Path) -> list[bytes]:
    """The 2 x count requests a run of Trace-of-Thought sends, ready made."""
    made = []
    for problem in load_problems(str(problems)):
        for prompt in (Prompt("plan", problem), Prompt("solve", problem, Plan("1. Add.", "teacher"))):
            messages = [{"role": m.role, "content": m.content} for m in DEFAULT.render(TRACE_OF_THOUGHT, prompt)]
            made.append(json.dumps({"model": "mock", "messages": messages, "max_tokens": 1024}).encode())
    return made


async def bare(url: str, requests: list[bytes], flight: int) -> float:
    """Post the requests with `flight` workers, read and parse each reply, and return requests per second."""
    waiting = iter(requests)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for body in waiting:
                async with session.post(
                    f"{url}/chat/completions", data=body, headers={"content-type": "application/json"}
                ) as reply:
                    assert json.loads(await reply.read())["choices"]

        start = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(flight)))
        return len(requests) / (time.perf_counter() - start)


async def whole(problems: Path, flight: int, store: Path) -> tuple[float, float, int]:
    """Run Trace-of-Thought and return calls per second, CPU seconds per call, and the number of calls."""
    task = Task(
        problems=load_problems(str(problems)),
        method=TRACE_OF_THOUGHT,
        student=load_model("openai/student", concurrency=flight),
        teacher=load_model("openai/teacher", concurrency=flight),
        grader=load_grader(),
    )
    with Store(store) as opened:
        start, cpu = time.perf_counter(), time.process_time()
        outcome = await run_task(task, opened)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        await close_models(task)
    assert outcome.counts.graded == outcome.counts.total, outcome.counts
    return outcome.counts.calls / seconds, cpu / outcome.counts.calls, outcome.counts.calls


def measure(url: str, count: int, flight: int) -> dict[str, float]:
    """Measure both sides, the bare loop before and after, and return the figures of one row."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problems = write_problems(count, folder)
        requests = bodies(problems)
        # Both sides warm up: the server, and each side's imports.
        asyncio.run(bare(url, requests[:400], flight))
        run_loop(whole(write_problems(200, folder / "warm"), flight, folder / "warm.sqlite"))
        before = asyncio.run(bare(url, requests, flight))
        rate, cpu, calls = run_loop(whole(problems, flight, folder / "bench.sqlite"))
        after = asyncio.run(bare(url, requests, flight))
    bare_rate = (before + after) / 2
    return {
        "calls": calls,
        "flight": flight,
        "bare_per_s": round(bare_rate),
        "stepdown_per_s": round(rate),
        "ratio": round(rate / bare_rate, 3),
        "cpu_us_per_call": round(cpu * 1e6),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def with_spans(url: str, receiver: str, count: int, flight: int) -> dict[str, float]:
    """Return CPU microseconds per call of whole runs without spans and with them, three of each in turn."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{receiver}/traces")))
    trace.set_tracer_provider(provider)
    taken: dict[str, list[float]] = {"true": [], "false": []}
    with tempfile.TemporaryDirectory() as name:
        problems = write_problems(count, Path(name))
        for turn, off in enumerate(("true", "false") * 4):
            os.environ["OTEL_SDK_DISABLED"] = off
            cpu = time.process_time()
            _, _, calls = run_loop(whole(problems, flight, Path(name, f"{turn}.sqlite")))
            provider.force_flush()
            taken[off].append((time.process_time() - cpu) / calls)
    # The first of each warms up.
    without, spanned = (round(sum(some[1:]) / 3 * 1e6) for some in taken.values())
    return {"without_spans_us": without, "with_spans_us": spanned, "spans_us_per_call": spanned - without}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--flight", type=int, default=64)
    parser.add_argument("--spans", action="store_true", help="measure besides what spans take")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    count = 500 if options.quick else options.problems
    with nullcontext(options.url) if options.url else server() as url:
        row = measure(url, count, options.flight)
        if options.spans:
            with server(ours=True) as receiver:
                row |= with_spans(url, receiver, count, options.flight)
    if options.json:
        print(json.dumps({"bench": "pipeline", **row}))
    else:
        for name, value in row.items():
            print(f"{name:>16}  {value:,}")
    verdict = f"{'met' if row['ratio'] >= BAR else 'MISSED'}: {row['ratio']} of a bare aiohttp loop, bar {BAR}"
    print(verdict, file=sys.stderr if options.json else sys.stdout)


if __name__ == "__main__":
    main()
