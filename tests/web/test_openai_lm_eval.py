"""lm-evaluation-harness asks the endpoint by its own command: its prompts, answers and scores are those of the task."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness_task import write_task
from small_endpoint import endpoint
from stepdown.exchange import import_traces, load_task, other_verdicts
from stepdown.models import ScriptedModel
from stepdown.store import Store
from stepdown.types import Messages, Problem, Sampling

pytestmark = pytest.mark.slow

QUIET = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "DO_NOT_TRACK": "1"}


class Asked(msgspec.Struct):
    """What a run of the harness left: its results, and the lines of its samples by filter."""

    results: dict[str, Any]
    samples: Path
    lines: list[dict[str, Any]]


def solve(messages: Messages, sampling: Sampling, sample: int) -> str:
    """Add one: of three sums say one as the task asks, one otherwise, and one not at all."""
    number = int(re.findall(r"What is (\d+) plus 1", messages[-1].content)[-1])
    said = f"{number}+1={number + 1}\n#### {number + 1}", f"So it is {number + 1}, I think", "I do not know."
    return said[number % 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("harness")
    write_task(made)
    return made


@pytest.fixture(scope="module")
def asked(folder: Path) -> Asked:
    with endpoint(folder, {"openai/student": ScriptedModel(solve, "openai/student")}) as served:
        options = {
            "--model": "local-chat-completions", "--tasks": "sums.yaml", "--output_path": "out",
            "--model_args": f"base_url={served.url}/chat/completions,model=direct/openai/student,num_concurrent=4",
            "--fewshot_as_multiturn": "False",
        }  # fmt: skip
        words = [word for pair in options.items() for word in pair]
        done = subprocess.run(
            [sys.executable, "-m", "lm_eval", "run", *words, "--apply_chat_template", "--log_samples"],
            capture_output=True, text=True, timeout=240, cwd=folder,
            env={**os.environ, **QUIET, "HF_HOME": str(folder / "hf")},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (results,), (samples,) = (folder / "out").rglob("results_*.json"), (folder / "out").rglob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text("utf-8").splitlines()]
    return Asked(json.loads(results.read_text("utf-8"))["results"]["sums"], samples, lines)


def problems(folder: Path) -> dict[str, tuple[Problem, str]]:
    """Each problem by its question, with its prompt by us."""
    task = load_task(folder / "sums.yaml")
    return {problem.question: (problem, task.prompt(problem)) for problem in task.problems}


def test_its_prompts_are_those_of_the_task_file_here(asked: Asked, folder: Path) -> None:
    ours = problems(folder)
    assert len(asked.lines) == 12 and len(ours) == 6
    for line in asked.lines:
        system, user = json.loads(line["arguments"]["gen_args_0"]["arg_0"][0])
        assert (system["role"], user["role"]) == ("system", "user")
        assert system["content"] + user["content"] == ours[line["doc"]["question"]][1]


def test_its_answers_and_scores_are_those_of_the_task_s_graders_here(asked: Asked, folder: Path) -> None:
    ours, task = problems(folder), load_task(folder / "sums.yaml")
    scores = dict[str, list[float]]()
    for line in asked.lines:
        grader = task.grader(line["filter"])
        grade = asyncio.run(grader(ours[line["doc"]["question"]][0], line["resps"][0][0]))
        assert (grade.found, float(grade.verdict == "right")) == (line["filtered_resps"][0], line["exact_match"])
        scores.setdefault(line["filter"], []).append(float(grade.verdict == "right"))
    strict, flexible = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    assert scores == {"strict-match": strict, "flexible-extract": flexible}
    for name, found in scores.items():
        assert asked.results[f"exact_match,{name}"] == pytest.approx(sum(found) / 6)


def test_its_samples_are_a_run_that_says_what_its_results_say(asked: Asked, tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        run = import_traces(asked.samples, store=store)
        theirs = {one.grader.rpartition("/")[2]: one.right / one.graded for one in other_verdicts(run)}
        assert theirs == {name: asked.results[f"exact_match,{name}"] for name in ("strict-match", "flexible-extract")}
        assert run.settings.student == "direct/openai/student" and len(run) == 6


def test_the_endpoint_kept_what_it_answered(asked: Asked, folder: Path) -> None:
    with Store(folder / "served.sqlite") as store:
        said = {trace.solution for run in store.runs() for trace in run}
    assert said == {line["resps"][0][0] for line in asked.lines}
