"""What `--estimate` says against what a run then takes, on local servers; and the simulation against scripted models.

python benchmarks/estimate.py [--quick] [--only WORDS] [--plan] [--json]

Each setting runs some problems first, as a user would, so that the store has tokens and latencies; then the estimate
for more problems, and the real run, must agree: calls, tokens, dollars, seconds and bytes within the bounds. `--plan`
prints the plan of docs/scale.md for 1,000,000 problems x 30 chains: tokens and bytes of 200 word sums, simulated time,
and the constants that `--estimate` assumes of a model it has never asked; then those of a scripted model, asked of 50
problems before, whose latencies are drawn from the same distributions. The servers of the fleets are never contacted.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from all import free_port, wait_for

from stepdown.custom import CustomModel
from stepdown.graders import load_grader
from stepdown.methods import load_method
from stepdown.models import Prices, load_model
from stepdown.problems import load_problems
from stepdown.runner import Estimate, Estimated, Task, close_models, estimate, run_task
from stepdown.runner.estimate import DRIVER, SIMULATION
from stepdown.runner.simulation import SimulatedCaller, simulate
from stepdown.store import Store
from stepdown.text import duration, money, size
from stepdown.training import sampling_task, write_chains
from stepdown.types import Capabilities, Messages, Reply, Sampling, Usage

HERE = Path(__file__).parent
SLACK = 1.15  # what a busy machine may add to the bar of the simulation


class Setting(msgspec.Struct, frozen=True):
    """What is run: `before` problems first, then `problems`; `concurrency` None lets the width be found."""

    name: str
    method: str
    problems: int
    before: int = 40
    concurrency: int | None = 16
    samples: int = 1
    server: str = "plain"


SETTINGS = (
    Setting("direct, 8 at once", "direct", 400, concurrency=8),
    Setting("direct, 32 at once", "direct", 1200, concurrency=32),
    Setting("trace-of-thought, 16 at once", "trace-of-thought", 500),
    Setting("least-to-most, 16 at once", "least-to-most", 120),
    Setting("self-refine, 16 at once", "self-refine", 120),
    Setting("five samples a problem, 8 at once", "chain-of-thought", 200, concurrency=8, samples=5),
    Setting("five samples, a server of one choice", "chain-of-thought", 150, samples=5, server="one-choice"),
    Setting("chains into a corpus, ten a problem", "sample", 150, concurrency=8, samples=10),
    Setting("width found by trying", "direct", 1500, concurrency=None),
)


class Price:
    """A dollar for a million tokens in, two for a million out."""

    def cost(self, model: str, usage: Usage | None, /) -> float | None:
        return None if usage is None else (usage.input + 2 * usage.output) / 1e6


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Start the servers and give their addresses by name."""
    found, processes = {}, []
    try:
        for name, more in (("plain", ()), ("one-choice", ("--one-choice",))):
            port = free_port()
            command = [sys.executable, str(HERE / "latency_server.py"), str(port), *more]
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            wait_for(port)
            found[name] = f"http://127.0.0.1:{port}/v1"
        yield found
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def task_of(setting: Setting, count: int) -> Task:
    split = "train" if setting.method == "sample" else "test"
    problems = load_problems("wordsums", split=split, limit=count)
    student, teacher = (
        load_model(f"openai/{name}", concurrency=setting.concurrency) for name in ("student", "teacher")
    )
    if setting.method == "sample":
        return sampling_task(problems, teacher, chains=setting.samples)
    method = load_method(setting.method)
    sampling = Sampling(temperature=0.7 if setting.samples > 1 else 0.0, max_tokens=400)
    return Task(
        problems=problems, method=method, student=student, teacher=teacher if method.plan else None,
        grader=load_grader(), sampling=sampling, teacher_sampling=Sampling(max_tokens=400), samples=setting.samples,
    )  # fmt: skip


def paid(store: Store) -> tuple[int, int, float]:
    """Return the calls, tokens and dollars that a store has paid for."""
    runs = [run.id for run in store.runs()]
    usages = [usage for _, usage in store.paid(runs)] if runs else []
    return len(usages), sum(one.input + one.output for one in usages), sum(Price().cost("", one) or 0 for one in usages)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))


async def measure(setting: Setting, folder: Path) -> tuple[Estimate, dict[str, float]]:
    """Return what was estimated and what a run took."""
    path = folder / "store.sqlite"
    with Store(path) as store:
        task = task_of(setting, setting.before)
        await run_task(task, store)
        await close_models(task)
    task = task_of(setting, setting.problems)
    with Store(path) as store:
        found, before = await estimate(task, store, Price()), paid(store)
    before_size, began = size_of(folder), time.perf_counter()
    with Store(path) as store:
        outcome = await run_task(task, store)
        seconds = time.perf_counter() - began
        await close_models(task)
        after = paid(store)
        corpus = 0
        if found.corpus is not None:
            write_chains(outcome.run, folder / "corpus")
            corpus = size_of(folder / "corpus")
    calls, tokens, dollars = (new - old for new, old in zip(after, before, strict=True))
    grown = size_of(folder) - before_size - corpus
    return found, {
        "calls": calls,
        "tokens": tokens,
        "dollars": dollars,
        "seconds": seconds,
        "store": grown,
        "corpus": corpus,
    }


def compare(found: Estimate, real: dict[str, float]) -> list[tuple[str, Estimated, float]]:
    """Return each figure's estimate beside what it was."""
    whole = {
        "calls": found.asked, "tokens": found.all_tokens, "dollars": found.dollars, "seconds": found.seconds,
        "store": found.store, "corpus": found.corpus,
    }  # fmt: skip
    return [(name, one, real[name]) for name, one in whole.items() if one is not None]


def settings(chosen: Sequence[Setting]) -> Iterator[dict[str, object]]:
    """Run the settings and yield a row for each figure."""
    with servers() as addresses:
        os.environ["OPENAI_API_KEY"] = "none"
        for setting in chosen:
            os.environ["OPENAI_BASE_URL"] = addresses[setting.server]
            with tempfile.TemporaryDirectory() as folder:
                found, real = asyncio.run(measure(setting, Path(folder)))
            for name, one, was in compare(found, real):
                yield {
                    "setting": setting.name, "figure": name, "low": one.low, "estimate": one.value, "high": one.high,
                    "real": was, "within": one.low - 1e-9 <= was <= one.high + 1e-9,
                }  # fmt: skip


class Sleeping(CustomModel):
    """A scripted model that answers after a time drawn from a lognormal distribution."""

    capabilities = Capabilities(source="sleeping", local=True)

    def __init__(self, width: int, seed: int = 1, median: float = 0.1, sigma: float = 0.5) -> None:
        self.name, self.width = "sleeping", width
        self.median, self.sigma, self.random = median, sigma, random.Random(seed)

    def draw(self, chance: random.Random, draws: int = 1) -> float:
        return max(self.median * chance.lognormvariate(0, self.sigma) for _ in range(draws))

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        await asyncio.sleep(seconds := self.draw(self.random, n))
        return [Reply("Answer: 42", self.name, Usage(10, 5), seconds=seconds)] * n


class Turns(Sleeping):
    """The same, which answers no more at once than its width, as an endpoint's limits see to."""

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        if not hasattr(self, "turns"):
            self.turns = asyncio.Semaphore(self.width)
        async with self.turns:
            return await super().reply(messages, sampling, n)


async def really(width: int, problems: int, samples: int, folder: Path) -> float:
    """Return the seconds that scripted models take in a real run."""
    model = Turns(width)
    task = Task(
        problems=load_problems("wordsums", limit=problems), method=load_method("direct"), student=model,
        grader=load_grader(), samples=samples, sampling=Sampling(temperature=float(samples > 1)),
    )  # fmt: skip
    task.settings()
    with Store(folder / f"{width}-{samples}.sqlite") as store:
        began = time.perf_counter()
        await run_task(task, store)
        return time.perf_counter() - began


def simulated() -> Iterator[dict[str, object]]:
    """Compare the simulation with scripted models that are really run: workers, and draws of a prompt."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(really(8, 8, 1, Path(folder)))  # imports and the grader's first formula
        for width, problems, samples in ((1, 60, 1), (4, 200, 1), (32, 1500, 1), (8, 200, 10)):
            real = asyncio.run(really(width, problems, samples, Path(folder)))
            caller = SimulatedCaller("sleeping", Sleeping(width).draw, width, width)
            shapes = {(((0, samples),),): problems}
            guesses = [simulate(shapes, [caller], driver=DRIVER.value, seed=seed).seconds for seed in range(20)]
            middle = sorted(guesses)[len(guesses) // 2]
            low, high = min(guesses) * SIMULATION.low, max(guesses) * SIMULATION.high * SLACK
            yield {
                "setting": f"{width} workers, {problems} problems x {samples}", "figure": "simulated", "low": low,
                "estimate": middle, "high": high, "real": real, "within": low <= real <= high,
            }  # fmt: skip


# Who is asked, requests in flight per server, servers. 14 requests of 30 draws, a third of which are still written at
# any moment, at 60 tokens per second each, are the 9,000 tokens per second that a large run had of one H100
# (FinePhrase: 486 G tokens in 612 GPU-days).
PLANS = (
    ("openai/gpt-4o-mini", 64, 1),
    ("openai/gpt-4o-mini", 512, 1),
    ("vllm/Qwen/Qwen3-8B", 14, 1),
    ("vllm/Qwen/Qwen3-8B", 14, 8),
    ("vllm/Qwen/Qwen3-8B", 14, 64),
)


def plan() -> None:
    """Print the plan as a table."""
    os.environ["OPENAI_API_KEY"] = "none"
    print("| model | servers x requests | requests | tokens out + in | money | time | GPU-hours | store | corpus |")
    print("|:---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, flight, count in PLANS:
        addresses = [f"http://127.0.0.1:{9000 + index}/v1" for index in range(count)] if "vllm" in name else None
        model = load_model(name, concurrency=flight, servers=addresses)
        task = sampling_task(load_problems("wordsums", split="train", limit=200), model, chains=30)
        with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "plan.sqlite") as store:
            one = asyncio.run(estimate(task, store, Prices(), of=1_000_000))
        print_plan(name, f"{count} x {flight}", one, count if addresses else 0)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "plan.sqlite") as store:
        first, more = (
            sampling_task(
                load_problems("wordsums", split="train", limit=limit, offset=offset), Chains(14 * 64), chains=30
            )
            for limit, offset in ((50, 0), (200, 50))
        )
        began = time.process_time()
        asyncio.run(run_task(first, store))
        print(f"a chain took {(time.process_time() - began) / 1500 * 1e6:.0f} us of the driver's CPU", file=sys.stderr)
        print_plan("scripted, measured", "64 x 14", asyncio.run(estimate(more, store, Prices(), of=1_000_000)), 64)


class Chains(CustomModel):
    """A scripted model that says it took half a second, and a sixtieth of one for each token of its longest reply."""

    capabilities = Capabilities(source="chains", local=True)

    def __init__(self, width: int) -> None:
        self.name, self.width, self.random = "scripted/chains", width, random.Random(1)

    async def reply(self, messages: Messages, sampling: Sampling, n: int = 1) -> list[Reply]:
        lengths = [round(106 * self.random.lognormvariate(0, 0.5)) for _ in range(n)]
        seconds = 0.5 * self.random.lognormvariate(0, 0.3) + max(lengths) / 60
        prompt = sum(len(message.content) for message in messages) // 4 // n
        texts = [" ".join(str(self.random.randrange(1000)) for _ in range(length)) for length in lengths]
        return [
            Reply(f"{text}\nAnswer: 7", self.name, Usage(prompt, length), seconds=seconds)
            for text, length in zip(texts, lengths, strict=True)
        ]


def print_plan(name: str, where: str, one: Estimate, cards: int) -> None:
    tokens, taken = one.tokens["teacher"], one.seconds
    assert one.dollars is not None and one.corpus is not None, "prices are known, and chains become a corpus"
    cells = (
        f"`{name}`",
        where,
        f"{one.requests:,}",
        f"{tokens.output / 1e9:.1f} G + {tokens.input / 1e9:.1f} G",
        f"{money(one.cost)} ({money(one.dollars.low)} to {money(one.dollars.high)})" if one.cost else "–",
        f"{duration(taken.value)} ({duration(taken.low)} to {duration(taken.high)})",
        f"{cards * taken.value / 3600:,.0f}" if cards else "–",
        f"{size(one.store.value)} ({size(one.store.low)} to {size(one.store.high)})",
        f"{size(one.corpus.value)} ({size(one.corpus.low)} to {size(one.corpus.high)})",
    )
    print(f"| {' | '.join(cells)} |", flush=True)


def show(rows: Sequence[dict[str, object]]) -> None:
    print(f"{'setting':<38} {'figure':<9} {'low':>12} {'estimate':>12} {'high':>12} {'real':>12}  within")
    for row in rows:
        figures = " ".join(
            f"{row[name]:>12.4g}" if row["figure"] != "store" else f"{row[name]:>12,.0f}" for name in FIGURES
        )
        print(f"{row['setting']:<38} {row['figure']:<9} {figures}  {'yes' if row['within'] else 'NO'}")


FIGURES = ("low", "estimate", "high", "real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="settings whose names have this in them")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plan", action="store_true")
    options = parser.parse_args()
    if options.plan:
        return plan()
    chosen = SETTINGS[:1] + SETTINGS[5:6] if options.quick else SETTINGS
    rows = [*settings([one for one in chosen if options.only in one.name]), *([] if options.only else simulated())]
    if options.json:
        for row in rows:
            print(json.dumps({"bench": "estimate", **row}))
    else:
        show(rows)
    out = [row for row in rows if not row["within"]]
    print(f"bar: every figure within its bounds: {len(rows) - len(out)} of {len(rows)}", file=sys.stderr)
    if out and not options.json:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
