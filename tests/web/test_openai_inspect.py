"""An evaluation harness against the endpoint: Inspect asks for answers as it would ask any model of OpenAI's."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from small_endpoint import NAME, endpoint
from worlds import student, teacher

pytestmark = pytest.mark.slow

# In a process of its own: the harness sets up logging and warns of its own libraries.
EVALUATION = """
import json, sys
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate

url, name, logs = sys.argv[1:]
rows = [Sample(input=f"What is {n} plus one?", target=str(n + 1)) for n in range(5)]
model = get_model(f"openai-api/stepdown/{name}", base_url=url, api_key="none")
task = Task(dataset=MemoryDataset(rows), solver=generate(), scorer=match(numeric=True))
[log] = eval(task, model=model, display="none", log_dir=logs, max_retries=0)
accuracy = log.results.scores[0].metrics["accuracy"].value
answers = [sample.output.completion for sample in log.samples]
print(json.dumps({"status": log.status, "accuracy": accuracy, "answers": answers}))
"""


@pytest.mark.skipif(find_spec("inspect_ai") is None, reason="Inspect is not installed")
def test_inspect_scores_five_problems_through_the_endpoint(tmp_path: Path) -> None:
    models = {"openai/teacher": teacher("openai/teacher"), "openai/student": student("openai/student")}
    with endpoint(tmp_path, models) as served:
        done = subprocess.run(
            [sys.executable, "-c", EVALUATION, served.url, NAME, str(tmp_path / "logs")],
            capture_output=True, text=True, timeout=120, cwd=tmp_path,
            env={**os.environ, "INSPECT_LOG_DIR": str(tmp_path), "DO_NOT_TRACK": "1"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["status"], found["accuracy"]) == ("success", 1.0)
    assert found["answers"] == [f"Answer: {n + 1}" for n in range(5)]
