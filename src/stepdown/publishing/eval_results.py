"""Test scores as files in `.eval_results`, which the hub shows on a model's page and in a data set's leaderboard.

The form is https://huggingface.co/docs/hub/eval-results. Only a score over a whole test split stands there: one over
some of its problems is another figure than those beside it.
"""

import json
from collections.abc import Iterator

from stepdown.models.weights import StudentCard, StudentScore
from stepdown.problems import datasets, hub_files
from stepdown.stats import wilson

FOLDER = ".eval_results"


def eval_results(card: StudentCard) -> dict[str, str]:
    """Return the files by name: the newest whole score of each data set that the hub has."""
    return {f"{FOLDER}/{name}.yaml": _entry(name, score, card) for name, score in _whole(card)}


def _whole(card: StudentCard) -> Iterator[tuple[str, StudentScore]]:
    known = {one.name: one for one in datasets()}
    if "test" in card.training.get("allow", ()):
        return  # what was trained on test questions has no such score
    found: dict[str, StudentScore] = {}
    for score in card.test:
        name, _, split = score.dataset.partition("/")
        whole = known[name].rows.get(split) if name in known and split == "test" else None
        if hub_files(name) and whole and score.total == whole:
            found[name] = score
    yield from found.items()


def _entry(name: str, score: StudentScore, card: StudentCard) -> str:
    """Return one result as YAML; each value is written as JSON, which is YAML too."""
    hub = hub_files(name)
    assert hub is not None, "looked for before"
    low, high = wilson(score.right, score.graded)
    notes = (
        f"{card.method}, prompt set {card.prompts}; {score.right} right of {score.graded} graded of {score.total}; "
        f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
    )
    value = round(100 * score.right / score.graded, 4) if score.graded else 0.0
    lines = [
        "- dataset:",
        f"    id: {json.dumps(hub.repo)}",
        f"    task_id: {json.dumps(name)}",
        f"    revision: {json.dumps(hub.revision)}",
        f"  value: {value}",
        f"  notes: {json.dumps(notes)}",
    ]
    return "\n".join(lines) + "\n"
