"""What `--track` tells a tracker of trainings and of runs: settings, curves, results, and small files."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.options import OUTPUT
from stepdown.cli.run_summaries import Result
from stepdown.models.weights import CARD, read_card
from stepdown.tracking import Tracking
from stepdown.training import TrainingProgress

Track = Annotated[Literal["trackio", "mlflow", "wandb"] | None, Parameter(name="--track", group=OUTPUT)]
_FILES = (CARD, "README.md", "log.jsonl", "curves.png")


def tracked_by(
    tracking: Tracking, out: Path, parameters: Any, then: Callable[[TrainingProgress], None]
) -> Callable[[TrainingProgress], None]:
    """Return what a training reports to: the tracker, a run for each seed, and whoever was told before."""

    def tell(now: TrainingProgress) -> None:
        then(now)
        if not now.words:
            tracking.begin(_name(out, now.seed), {**msgspec.to_builtins(parameters), "seed": now.seed})
            figures = {"loss": now.loss, "margin": now.margin, "reverse_kl": now.divergence, "dev": now.dev}
            tracking.log({**figures, "tokens_per_second": now.tokens_per_second}, now.step)

    return tell


def track_students(tracking: Tracking, folders: Sequence[Path]) -> None:
    """Tell of students that are whole: what each was trained on, its chosen step, and its files."""
    for folder in folders:
        card = read_card(folder)
        if card is None:
            continue
        about = {"base": card.base, "corpus": card.lessons.fingerprint, "chains": card.lessons.chains}
        tracking.begin(_name(folder, card.seed), {**card.training, **about})
        tracking.log({"chosen_step": card.step, "tokens": card.tokens, "seconds": card.seconds})
        for file in _FILES:
            tracking.keep(folder / file)
    tracking.end()


def track_results(tracking: Tracking, results: Iterable[Result]) -> None:
    """Tell of runs: their settings, how many were right, tokens and money."""
    for one in results:
        fields = msgspec.to_builtins(one)
        tracking.begin(f"run-{one.run}", {name: fields[name] for name in fields if isinstance(fields[name], str)})
        counted = {name: fields[name] for name in ("right", "graded", "total", "accuracy", "cost", "seconds", "calls")}
        tokens = {f"tokens_{role}": count for role, count in one.tokens.items()}
        tracking.log({**counted, **tokens, "errors": one.errors, "truncated": one.truncated})
    tracking.end()


def _name(folder: Path, seed: int) -> str:
    """Return what the student of a seed is called, whose folder, or that of all seeds, is given."""
    name = folder.parent.name if folder.name.startswith("seed-") else folder.name
    return f"{name}/seed-{seed}"
