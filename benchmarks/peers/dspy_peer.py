"""DSPy's side of the comparison: python dspy_peer.py URL PROBLEMS FLIGHT, in a venv that has it."""

import json
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dspy


class AsItCame(dspy.ChatAdapter):
    """Takes the reply as the one field that was asked for: the server knows nothing of DSPy's headings."""

    def parse(self, signature: Any, completion: str) -> dict[str, str]:
        return {next(iter(signature.output_fields)): completion}


class Planned(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plan, self.solve = dspy.Predict("question -> plan"), dspy.Predict("question, plan -> answer")

    def forward(self, question: str) -> dspy.Prediction:
        return self.solve(question=question, plan=self.plan(question=question).plan)


def graded(example: dspy.Example, found: dspy.Prediction, trace: object = None) -> bool:
    numbers = re.findall(r"-?\d+", found.answer)
    return bool(numbers) and numbers[-1] == str(example.answer)


def run(examples: list[dspy.Example], flight: int) -> None:
    dspy.Evaluate(devset=examples, metric=graded, num_threads=flight, display_progress=False)(Planned())


def main() -> None:
    url, problems, flight = sys.argv[1], sys.argv[2], int(sys.argv[3])
    model = dspy.LM("openai/mock", api_base=url, api_key="none", cache=False, max_tokens=1024)
    dspy.configure(lm=model, adapter=AsItCame())
    rows = [json.loads(line) for line in Path(problems).read_text().splitlines()]
    examples = [dspy.Example(**row).with_inputs("question") for row in rows]
    run(examples[:20], flight)
    start, cpu = time.perf_counter(), time.process_time()
    run(examples, flight)
    row = {"cpu_s": time.process_time() - cpu, "seconds": time.perf_counter() - start}
    print(json.dumps({"name": "DSPy", "version": version("dspy"), **row}))


if __name__ == "__main__":
    main()
