"""What is written of a study: its tables as Markdown, its findings as JSON, and the N-curve."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from stepdown.errors import MissingExtra
from stepdown.files import write_whole
from stepdown.text import in_markdown
from stepdown.training.studies import CellComparison, CellScore, StudyFindings, contamination_lines

TESTED = (
    "Differences are in percentage points, on the problems that both have graded; the p of one seed is that of the"
    " exact McNemar test, of several it is over seeds and problems. ± is half the interval: as it is, and as is to be"
    " expected with twice the seeds and with twice the problems."
)
_COMPARED = (
    "| students | against | problems | difference, 95 % interval | p | p (Holm) | ± | seeds x 2 | problems x 2 |",
    "|---|---|---:|---|---:|---:|---:|---:|---:|",
)


def write_study(study: StudyFindings, out: Path) -> None:
    """Write `study.json`, `study.md` and, where charts can be drawn, the N-curve `curve.png` into a folder.

    Each is there whole or not at all: the same command, with more seeds, writes them anew.
    """
    out.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(study), indent=2) + b"\n"
    for name, body in (("study.json", encoded), ("study.md", markdown(study).encode())):
        write_whole(out / name, body)
    draw_scores(study.scores, out / "curve.png")


def markdown(study: StudyFindings) -> str:
    """Return the table of a study as Markdown."""
    rows = [
        f"| {in_markdown(one.name)} | {len(one.runs)} | {' '.join(f'{100 * share:.1f}' for share in one.accuracies)} | "
        f"{100 * one.mean:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}] | {one.graded}/{one.total} | "
        f"{_known(one.steps)} | {_known(one.tokens)} |"
        for one in (*study.before, *study.scores)
    ]
    head = [
        "| students | seeds | right by seed, % | mean, 95 % interval | graded | steps | tokens |",
        "|---|---:|---|---|---:|---:|---:|",
    ]
    lines = [
        f"# {in_markdown(study.base)} on {in_markdown(study.test)}",
        "",
        *head,
        *rows,
        "",
        f"Intervals are {study.over}.",
    ]
    lines += [f"\nFrom {in_markdown(str(study.study))}."] if study.study else []
    lines += [f"\n**{in_markdown(line)}**" for line in contamination_lines(study)]
    if study.compared:
        lines += ["", *_COMPARED, *map(_line, study.compared), "", TESTED]
    if len(study.pairs) > len(study.compared):
        lines += ["", "## Every two places", "", *_COMPARED, *map(_line, study.pairs)]
    return "\n".join(lines) + "\n"


def _line(one: CellComparison) -> str:
    interval = f"{100 * one.difference:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
    chances = " | ".join("<.001" if p < 0.0005 else f"{p:.3f}" for p in (one.p, one.p_holm))
    widths = " | ".join("" if width is None else f"{100 * width:.1f}" for width in half_widths(one))
    return (
        f"| {in_markdown(one.name)} | {in_markdown(one.against)} | {one.problems} | {interval} | {chances} | {widths} |"
    )


def half_widths(one: CellComparison) -> tuple[float | None, ...]:
    """Return half the interval of a comparison as it is, with twice the seeds and with twice the problems."""
    return one.half_width, one.twice_seeds, one.twice_problems


def _known(number: int) -> str:
    return f"{number:,}" if number else ""


def draw_scores(scores: Sequence[CellScore], target: Path) -> bool:
    """Draw accuracy by N with intervals, a line per target and choice, as a png; False where nothing can draw it."""
    try:
        import vl_convert

        from stepdown.training.charts import scores_chart
    except (ImportError, MissingExtra):
        return False
    write_whole(target, vl_convert.vegalite_to_png(scores_chart(scores).to_dict(), scale=2))
    return True
