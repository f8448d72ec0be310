"""How long the matrix of 10 runs by 5,000 problems takes, asked over a real port; bar: each page in less than a second.

python benchmarks/matrix.py [--problems 5000] [--runs 10] [--json]

Each figure is the wall time of one request in seconds: the first that counts the runs, and later ones that filter,
sort, search and turn pages; `cpu` is the processor's for the first. About a kilobyte of text is in each solution.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import aiohttp
import msgspec
from pages import fill, serving
from rows import print_row

from stepdown.audits import keep_audits
from stepdown.store import Store
from stepdown.types import Grade, Settings, Verdict

BAR = 1.0


def make(path: Path, problems: int, runs: int) -> list[str]:
    """Fill a store with runs on the same problems whose verdicts differ, as a command leaves it."""
    base = Settings(dataset="long/test", problems="p", count=problems, method="trace-of-thought", student="")
    with Store(path) as store:
        for number in range(runs):
            run = store.open_run(msgspec.structs.replace(base, student=f"ollama/{number}"))
            fill(run, problems)
            verdicts: list[Verdict] = [
                "right" if (one * 7 + number * 3) % 11 > 3 else "wrong" for one in range(problems)
            ]
            run.put_grades((at, 0, Grade(one, str(at + number), "", "default@1")) for at, one in enumerate(verdicts))
            run.refresh()
        names = [run.id for run in store.runs()]
    keep_audits(path, names)
    return names


async def measure(base: str, asked: dict[str, str]) -> dict[str, float]:
    """Return the seconds of one request of each address, in their order."""
    found, used = dict[str, float](), time.process_time()
    async with aiohttp.ClientSession(base) as session:
        for name, address in asked.items():
            start = time.perf_counter()
            async with session.get(address) as answer:
                text = await answer.text()
                assert answer.status == 200 and "Verdicts and answers" in text, f"{address} answers {answer.status}"
            found[name] = round(time.perf_counter() - start, 3)
            found.setdefault("cpu", round(time.process_time() - used, 3))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matrix.sqlite"
        runs = make(path, options.problems, options.runs)
        address = "/matrix?dataset=long/test"
        pages = {
            "first": address,
            "again": address,
            "differ": f"{address}&where=differ&sort=hardest",
            "won_by_one": f"{address}&where=won&of={runs[-1]}&page=3",
            "last": f"{address}&page={options.problems // 50}",
            "words": f"{address}&words=number+77",
            "leaked": f"{address}&where=leaked",
        }
        with serving(path) as base:
            times = asyncio.run(measure(base, pages))
    row = {"bench": "matrix", "problems": options.problems, "runs": options.runs, **times}
    print_row(row | {"bar_s": BAR, "met": max(times.values()) < BAR}, as_json=options.json)


if __name__ == "__main__":
    main()
