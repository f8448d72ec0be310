"""What `--track` tells a tracker of trainings and of runs: settings, curves, results, and small files."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from stepdown.cli.options import OUTPUT
from stepdown.cli.run_summaries import Result
from stepdown.models.weights import CARD, read_card
from stepdown.store import Run, Store
from stepdown.text import clipped
from stepdown.tracking import Rows, Tracking
from stepdown.training import CellComparison, CellScore, StudyFindings, TrainingProgress, read_log

Track = Annotated[Literal["trackio", "mlflow", "wandb"] | None, Parameter(name="--track", group=OUTPUT)]
_LOG = "log.jsonl"
_FILES = (CARD, "README.md", _LOG, "curves.png")
_STUDY_FILES = ("study.json", "study.md", "curve.png")
# What a training's log has of each step, by the names that trackers are told.
_CURVES = ("loss", "margin", "reverse_kl", "dev", "tokens_per_second")
# A table of problems is to be looked at: so many rows, golds of so many characters.
_MOST_ROWS, _LONGEST = 1000, 200


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


def track_students(tracking: Tracking, folders: Sequence[Path], *, curves: bool = False) -> None:
    """Tell of students that are whole: what each was trained on, its chosen step, and its files.

    Their `curves` are told from their logs where nobody told of them while they were trained.
    """
    for folder in folders:
        card = read_card(folder)
        if card is None:
            continue
        about = {"base": card.base, "corpus": card.lessons.fingerprint, "chains": card.lessons.chains}
        tracking.begin(_name(folder, card.seed), {**card.training, **about})
        for row in read_log(folder / _LOG) if curves and tracking.follows and (folder / _LOG).is_file() else ():
            tracking.log({name: row[name] for name in _CURVES if isinstance(row.get(name), int | float)}, row["step"])
        tracking.log({"chosen_step": card.step, "tokens": card.tokens, "seconds": card.seconds})
        for file in _FILES:
            tracking.keep(folder / file)
    tracking.end()


def track_results(tracking: Tracking, results: Iterable[Result], store: Store) -> None:
    """Tell of runs: their settings, how many were right, tokens and money, and what became of their first problems."""
    for one in results:
        fields = msgspec.to_builtins(one)
        tracking.begin(f"run-{one.run}", {name: fields[name] for name in fields if isinstance(fields[name], str)})
        counted = {name: fields[name] for name in ("right", "graded", "total", "accuracy", "cost", "seconds", "calls")}
        tokens = {f"tokens_{role}": count for role, count in one.tokens.items()}
        tracking.log({**counted, **tokens, "errors": one.errors, "truncated": one.truncated})
        if tracking.follows:
            tracking.table("problems", _problems(store.run(one.run)))
    tracking.end()


def _problems(run: Run) -> Rows:
    """Return what became of a run's first problems; no question, and nothing read in a solution."""
    return [
        {
            "problem": trace.problem.id,
            "sample": trace.sample,
            "verdict": grade.verdict,
            "gold": clipped(trace.problem.answer, _LONGEST),
        }
        for trace, grade in islice(run.graded(), _MOST_ROWS)
    ]


def track_study(tracking: Tracking, findings: StudyFindings, out: Path) -> None:
    """Tell of a study: its tables as they are written, and their files."""
    tracking.begin(f"{out.resolve().name}/study", {"base": findings.base, "test": findings.test})
    tracking.table("students", [_of_score(one) for one in (*findings.before, *findings.scores)])
    tracking.table("compared", [_of_comparison(one) for one in findings.compared])
    if len(findings.pairs) > len(findings.compared):
        tracking.table("pairs", [_of_comparison(one) for one in findings.pairs])
    for file in _STUDY_FILES:
        tracking.keep(out / file)
    tracking.end()


def _of_score(one: CellScore) -> dict[str, str | float | None]:
    """Return a place of a study as a row; shares are of 1."""
    names = ("name", "chains", "by", "target", "mean", "low", "high", "graded", "total", "met", "without", "tokens")
    by_seed = " ".join(f"{share:.4f}" for share in one.accuracies)
    return {**{name: getattr(one, name) for name in names}, "steps": one.steps, "by_seed": by_seed}


def _of_comparison(one: CellComparison) -> dict[str, str | float | None]:
    return dict(msgspec.structs.asdict(one))


def _name(folder: Path, seed: int) -> str:
    """Return what the student of a seed is called, whose folder, or that of all seeds, is given."""
    name = folder.parent.name if folder.name.startswith("seed-") else folder.name
    return f"{name}/seed-{seed}"
