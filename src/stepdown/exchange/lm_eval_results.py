"""A run as lm-evaluation-harness writes one: its results file, and its samples, a line for each document and grader.

Source of the form: lm_eval 0.4.13, `result_schema.py` and `loggers/evaluation_tracker.py`.
"""

import json
import statistics
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from stepdown.exchange.imported import plain_name
from stepdown.exchange.lm_eval_samples import HARNESS
from stepdown.models import Prices
from stepdown.store import Run
from stepdown.types import Grade, Problem, Sampling, Trace
from stepdown.version import __version__

METRIC = "exact_match"
_SOURCE = "stepdown"
Attempts = list[tuple[Trace, Grade]]


def write_results(run: Run, path: Path, prices: Prices) -> int:
    """Write the results file of a run, a filter for each grader that graded it, and return its number of traces."""
    task = task_of(run)
    shares = {grader: [_share(one) for one in run.by_problem(grader)] for grader in run.graders()}
    scores: dict[str, Any] = {"name": task, "alias": task}
    for grader, found in shares.items():
        known = [one for one in found if one is not None]
        if known:
            scores[f"{METRIC},{_filter(grader)}"] = statistics.fmean(known)
            error = statistics.stdev(known) / len(known) ** 0.5 if len(known) > 1 else "N/A"
            scores[f"{METRIC}_stderr,{_filter(grader)}"] = error
    graded = sum(one is not None for one in shares.get(run.grader, ()))
    scores["sample_len"] = graded
    settings = run.settings
    body = {
        "results": {task: scores},
        "group_subtasks": {},
        "configs": {task: _config(run, task)},
        "versions": {task: 1.0},
        "n-shot": {task: 0},
        "higher_is_better": {task: {METRIC: True}},
        "n-samples": {task: {"original": settings.count, "effective": graded}},
        "config": {"model": _SOURCE, "model_args": {"model": settings.student}, "limit": None, "gen_kwargs": {}},
        "git_hash": None,
        "date": run.created,
        "lm_eval_version": None,
        "task_hashes": {},
        "model_source": _SOURCE,
        "model_name": settings.student,
        "model_name_sanitized": settings.student.replace("/", "__"),
        "stepdown": {"version": __version__, "run": run.id, "grader": run.grader, "settings": settings},
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
    return len(run)


def write_samples(run: Run, path: Path, prices: Prices) -> int:
    """Write the samples of a run, each document once by each grader, and return the number of lines."""
    count = 0
    with path.open("x", encoding="utf-8") as file:
        for grader in run.graders() or [""]:
            for line in _lines(run, grader):
                file.write(json.dumps(line, ensure_ascii=True) + "\n")
                count += 1
    return count


def task_of(run: Run) -> str:
    """Return what the harness would call the run's data: `gsm8k_test`."""
    return plain_name(run.settings.dataset.replace("/", "_"))


def _filter(grader: str) -> str:
    # A comma parts a metric from its filter; the harness's own filters keep their names.
    return grader.removeprefix(f"{HARNESS}/{METRIC}/").replace(",", ";")


def _share(attempts: Attempts) -> float | None:
    """Return the share of a problem's graded samples that is right; None where none is graded."""
    graded = [grade.verdict == "right" for _, grade in attempts if grade.verdict != "ungraded"]
    return sum(graded) / len(graded) if graded else None


def _config(run: Run, task: str) -> dict[str, Any]:
    settings = run.settings
    return {
        "task": task,
        "dataset_path": settings.dataset,
        "output_type": "generate_until",
        "metric_list": [{"metric": METRIC, "aggregation": "mean", "higher_is_better": True}],
        "generation_kwargs": _drawn(settings.sampling),
        "repeats": settings.samples,
        "num_fewshot": 0,
        "metadata": {"version": 1.0, "method": settings.method, "teacher": settings.teacher},
    }


def _drawn(sampling: Sampling) -> dict[str, Any]:
    return {
        "until": list(sampling.stop),
        "max_gen_toks": sampling.max_tokens,
        "do_sample": sampling.temperature > 0,
        "temperature": sampling.temperature,
    }


def _lines(run: Run, grader: str) -> Iterator[dict[str, Any]]:
    for place, attempts in enumerate(run.by_problem(grader)):
        (trace, grade), problem = attempts[0], attempts[0][0].problem
        doc, last = _doc(problem), trace.answer
        turns = msgspec.to_builtins(last.messages) if last else []
        prompt, drawn = json.dumps(turns, ensure_ascii=False), _drawn(last.sampling if last else run.settings.sampling)
        yield {
            "doc_id": place,
            "doc": doc,
            "target": problem.answer,
            "arguments": {"gen_args_0": {"arg_0": [prompt], "arg_1": drawn}},
            "resps": [[one.solution for one, _ in attempts]],
            "filtered_resps": [grade.found if grade.found is not None else "[invalid]"],
            "filter": _filter(grader),
            "metrics": [METRIC],
            "doc_hash": _hashed(json.dumps(doc, indent=2, ensure_ascii=False)),
            "prompt_hash": _hashed(prompt),
            "target_hash": _hashed(problem.answer),
            METRIC: _share(attempts),
        }


def _doc(problem: Problem) -> dict[str, Any]:
    choices = {"choices": list(problem.choices)} if problem.choices else {}
    return {"id": problem.id, "question": problem.question, **choices, "answer": problem.answer, "kind": problem.kind}


def _hashed(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
