"""Inspect's side of the comparison: python inspect_peer.py URL PROBLEMS FLIGHT, in a venv that has it."""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import match
from inspect_ai.solver import Generate, Solver, TaskState, solver


@solver
def planned() -> Solver:
    """Ask for a plan, then for the solution by it."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        plan = await get_model().generate(f"{state.input_text}\n\nWrite a plan, and do not solve it.")
        state.user_prompt.text = f"{state.input_text}\n\nFollow this plan:\n{plan.completion}"
        return await generate(state)

    return solve


def run(samples: list[Sample], url: str, flight: int) -> None:
    model = get_model("openai-api/local/mock", base_url=url, api_key="none", config=GenerateConfig(max_tokens=1024))
    task = Task(dataset=MemoryDataset(samples), solver=planned(), scorer=match(numeric=True))
    [log] = eval(task, model=model, max_connections=flight, max_samples=2 * flight, log_dir="logs", display="none")
    assert log.status == "success", log.error


def main() -> None:
    url, problems, flight = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = [json.loads(line) for line in Path(problems).read_text().splitlines()]
    samples = [Sample(input=row["question"], target=str(row["answer"])) for row in rows]
    run(samples[:20], url, flight)
    start, cpu = time.perf_counter(), time.process_time()
    run(samples, url, flight)
    row = {"cpu_s": time.process_time() - cpu, "seconds": time.perf_counter() - start}
    print(json.dumps({"name": "Inspect", "version": version("inspect-ai"), **row}))


if __name__ == "__main__":
    main()
