"""One real thing with each extra, run inside an environment that has it: `extras.py` does so. Prints one JSON line.

python benchmarks/extra_uses.py EXTRA     the working folder is one to be thrown away
"""

import asyncio
import http.client
import json
import os
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import stepdown as sd  # noqa: E402
from loopback_server import JsonHandler, serving  # noqa: E402

STORE = "stepdown.sqlite"
CHAINS = 60


def cli(*words: str, **environment: str) -> str:
    """Return what a command prints. Raises `CalledProcessError` where it fails."""
    command = [sys.executable, "-m", "stepdown", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode:
        raise RuntimeError(f"stepdown {' '.join(words[:3])}: exit {done.returncode}: {done.stderr[-400:]}")
    return done.stdout


def made_run(count: int = 6) -> sd.Run:
    """Return a run of word sums of which every second is right."""
    problems = [*sd.load_problems("wordsums", limit=count)]
    golds = {one.question: one.answer if place % 2 else "0.5" for place, one in enumerate(problems)}

    def solve(messages: Any, sampling: sd.Sampling, sample: int) -> str:
        return "Answer: " + next(gold for question, gold in golds.items() if question in messages[-1].content)

    return sd.run("wordsums", "direct", student=sd.ScriptedModel(solve), limit=count, store=sd.open_store(STORE))


def made_corpus() -> sd.Corpus:
    """Return a corpus of small sums, each with its chain."""
    with sd.CorpusWriter(Path("sums"), card=sd.Card(dataset="sums")) as writer:
        for n in range(CHAINS):
            problem = sd.Problem(f"sums/{n}", f"What is {n} plus {n % 5}?", str(n + n % 5))
            text = f"Take {n}. Add {n % 5}. " + "Go on. " * (n % 3)
            writer.add(sd.Chain(problem, text, "teacher", 0, sd.Grade("right", problem.answer)))
    return sd.open_corpus("sums")


class Answers(JsonHandler):
    """Says the same to whatever a chat model is asked."""

    def do_POST(self) -> None:
        assert self.body()
        said = {"index": 0, "message": {"role": "assistant", "content": "Answer: 1"}, "finish_reason": "stop"}
        self.send({"choices": [said], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})


def base() -> str:
    run = made_run()
    assert run.summary().right == 3 and "wordsums" in cli("report", run.id)
    assert sd.export_run(run, "jsonl", Path("run.jsonl")) == 6
    served(run.id)
    return "6 problems solved by a script, reported, exported, and their pages served"


def embedded() -> str:
    model = sd.load_model("embedded/smollm2-135m")
    [reply] = asyncio.run(model.reply((sd.Message("user", "What is 2 + 2?"),), sd.Sampling(max_tokens=16)))
    assert reply.text and reply.usage and reply.usage.output > 1
    return f"smollm2-135m wrote {reply.usage.output} tokens here"


def math() -> str:
    problem = sd.Problem("p", "?", "\\frac{1}{2}+x", kind="expression")
    said = (("So it is $\\boxed{x+0.5}$.", "right"), ("So it is $\\boxed{x+0.25}$.", "wrong"))
    grader = sd.load_grader("expression")
    assert [asyncio.run(grader(problem, text)).verdict for text, _ in said] == [verdict for _, verdict in said]
    return "two LaTeX answers compared with a gold expression"


def data() -> str:
    corpus = made_corpus()
    kept = corpus.keep("max-words=6")
    assert 0 < len([*kept]) < CHAINS and sd.export_run(made_run(), "parquet", Path("run.parquet")) == 6
    return f"a corpus of {CHAINS} chains written, {len([*kept])} kept by a filter, a run exported as parquet"


def report() -> str:
    cli("report", made_run().id, "--html", "report.html")
    page = Path("report.html").read_text("utf-8")
    assert "<svg" in page
    return f"a page with charts, {len(page):,} characters"


def hub() -> str:
    from small_hub import small_hub

    commit, rows = "a" * 40, "".join(json.dumps({"question": f"{n}+1?", "answer": n + 1}) + "\n" for n in range(5))
    with small_hub({("me/sums", commit, "test.jsonl"): rows.encode()}) as served:
        os.environ |= {"HF_ENDPOINT": served.url, "HF_HUB_CACHE": str(Path("cache").absolute())}
        found = [*sd.load_problems(f"hf://datasets/me/sums@{commit}/test.jsonl")]
    assert [one.answer for one in found] == ["1", "2", "3", "4", "5"]
    return "5 problems read at a commit from a stand-in for the hub"


def served(run: str) -> None:
    """Serve the run, and look at its page and at the endpoint."""
    server = subprocess.Popen(
        [sys.executable, "-m", "stepdown", "serve", "--port", "8799", "--store", STORE], stderr=subprocess.PIPE
    )
    try:
        answers = [asked(path) for path in ("/", f"/runs/{run}", "/v1/models")]
    finally:
        server.terminate()
        server.communicate()
    assert all(status == 200 for status, _ in answers) and "wordsums" in answers[1][1], answers


def asked(path: str) -> tuple[int, str]:
    """Return what the server of this machine answers, once it is there."""
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", 8799, timeout=20)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def cloud() -> str:
    import small_bucket

    chain = {"text": "1+1=2", "correct": True, "pred": "2"}
    Path("pool.jsonl").write_text(json.dumps({"question": "1+1?", "answer": "2", "chains": [chain]}) + "\n")
    bucket = small_bucket.SmallBucket()
    with serving(small_bucket.handler_for(bucket)) as url:
        os.environ["STORAGE_EMULATOR_HOST"] = url
        sd.import_corpus("pool.jsonl", f"gs://{small_bucket.BUCKET}/sums")
        assert [chain.text for chain in sd.open_corpus(f"gs://{small_bucket.BUCKET}/sums")] == ["1+1=2"]
    return f"a corpus written to and read from a stand-in for gs://, {len(bucket.objects)} objects"


def train() -> str:
    from small_lessons import FAST, write_base

    made_corpus()
    [student] = sd.train(sd.open_corpus("sums"), base=write_base(Path("base")), out="student", training=FAST)
    [reply] = asyncio.run(sd.load_model(str(student)).reply((sd.Message("user", "1+1?"),), sd.Sampling(max_tokens=4)))
    assert (student / "model.safetensors").is_file() and reply.model
    return "a base of random weights trained for 6 steps, and the student asked"


def harness() -> str:
    from harness_task import write_task

    write_task(Path())
    Path("mine.py").write_text('import stepdown as sd\nStudent = sd.ScriptedModel(["#### 11", "It is 12"])\n')
    said = cli("run", "sums.yaml", "--student", "mine.py:Student", "--limit", "2", "--json", "--store", STORE)
    assert json.loads(said)["right"] == 1
    return "a task file asked and graded by its filter: 1 of 2"


def mcp() -> str:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    run = made_run()

    async def ask() -> tuple[set[str], str]:
        started = StdioServerParameters(
            command=sys.executable, args=["-m", "stepdown", "mcp", "--store", str(Path(STORE).absolute())]
        )
        async with Client(stdio_client(started)) as client:
            tools = {one.name for one in (await client.list_tools()).tools}
            return tools, str(await client.call_tool("runs", {}))

    tools, runs = asyncio.run(ask())
    assert len(tools) == 6 and run.id in runs
    return "the official client listed 6 tools and was told the runs"


def tracker(name: str) -> str:
    from stepdown.tracking import open_tracking

    os.environ |= {"TRACKIO_DIR": str(Path("trackio").absolute()), "WANDB_MODE": "offline"}
    words: list[str] = []
    Path("card.json").write_text("{}")
    tracking = open_tracking(name, words.append)
    tracking.begin("smol/seed-0", {"steps": 2})
    for step in (1, 2):
        tracking.log({"loss": 1 / step}, step)
    tracking.keep(Path("card.json"))
    tracking.end()
    files = [path for path in Path().rglob("*") if path.is_file() and path.name != "card.json"]
    assert not words and files, words
    return f"a run of two steps and a file kept in {len(files)} files here"


def otel() -> str:
    from span_receiver import receiver, spans_of

    words = ["run", "wordsums", "--limit", "3", "--method", "direct", "--student", "openai/m"]
    with serving(Answers) as url, receiver() as (address, taken):
        cli(*words, OPENAI_BASE_URL=f"{url}/v1", OPENAI_API_KEY="none", OTEL_EXPORTER_OTLP_ENDPOINT=address)
    names = [span.name for span in spans_of(taken)]
    assert sorted(names) == ["chat m"] * 3 + ["invoke_workflow direct"] * 3, names
    return f"a run of 3 problems told a receiver on loopback in {len(names)} spans"


def inspect() -> str:
    import zstandard

    run = made_run()
    sd.export_run(run, "inspect", Path("plain.eval"))
    with zipfile.ZipFile("plain.eval") as plain, open("packed.eval", "wb") as out:
        out.write(packed({one: plain.read(one) for one in plain.namelist()}, zstandard.ZstdCompressor().compress))
    back = sd.import_traces("packed.eval", store=sd.Store("other.sqlite"))
    assert [one.solution for one in back] == [one.solution for one in run]
    return "a log with members packed by zstd read as a run of 6"


def packed(members: dict[str, bytes], pack: Callable[[bytes], bytes]) -> bytes:
    """Return a zip archive whose members are packed by method 93, which Python of this age does not write."""
    body, index = b"", b""
    for name, content in members.items():
        small, word = pack(content), name.encode()
        fields = struct.pack("<HHHIIIHH", 93, 0, 33, zipfile.crc32(content), len(small), len(content), len(word), 0)
        index += (
            b"PK\1\2" + struct.pack("<HHH", 63, 63, 0) + fields + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + word
        )
        body += b"PK\3\4" + struct.pack("<HH", 63, 0) + fields + word + small
    count = len(members)
    return body + index + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(index), len(body), 0)


def fast() -> str:
    from stepdown.loops import run_loop

    async def kind() -> str:
        return type(asyncio.get_running_loop()).__module__

    with serving(Answers) as url:
        os.environ |= {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none"}
        run = sd.run("wordsums", "direct", student="openai/m", limit=20, store=sd.open_store(STORE))
    assert len(run) == 20 and run.summary().graded == 20 and run_loop(kind()) == "uvloop"
    return "20 calls over plain HTTP, in uvloop's loop"


def ray() -> str:
    run = made_run(40)
    cli("grade", run.id, "--grader", "lenient", "--on", "ray", "--store", STORE, RAY_ADDRESS="local")
    assert sd.Store(STORE).run(run.id).grader.startswith("lenient")
    return "40 solutions graded on a cluster of this machine"


def everything() -> str:
    from stepdown.extras import EXTRAS, missing

    there = [extra for extra in EXTRAS if extra not in ("mlflow", "wandb", "ray")]
    assert not [extra for extra in there if missing(extra)]
    return f"{base()}; {len(there)} extras are there"


def docs() -> str:
    command = [sys.executable, str(ROOT / "docs" / "make_site.py"), str(Path("site").absolute())]
    subprocess.run(command, check=True, capture_output=True)
    pages = [*Path("site").rglob("*.html")]
    assert len(pages) > 20
    return f"the site built: {len(pages)} pages"


USES: dict[str, Callable[[], str]] = {
    "base": base, "embedded": embedded, "math": math, "data": data, "report": report, "hub": hub,
    "cloud": cloud, "train": train, "harness": harness, "mcp": mcp, "otel": otel, "inspect": inspect, "fast": fast,
    "ray": ray, **{name: partial(tracker, name) for name in ("trackio", "mlflow", "wandb")}, "all": everything,
    "docs": docs,
}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps({"did": USES[sys.argv[1]]()}))
