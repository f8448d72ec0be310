"""The README of a student folder: its card in words, for people."""

from collections.abc import Sequence

from stepdown.models.weights.students import StudentCard, StudentScore
from stepdown.text import in_markdown

_USE = {
    False: "Serve it with `stepdown run DATASET --student FOLDER`, where FOLDER is this folder.",
    True: "Write it with its weights by `stepdown export FOLDER --to student --out OTHER`: FOLDER is this folder.",
}


def student_readme(card: StudentCard, *, has_curves: bool = False) -> str:
    """Return the card as Markdown; whatever came from outside stands in it as plain text."""
    lessons = card.lessons
    facts = [
        ("base", card.base),
        ("base's source", card.base_source),
        ("problems", f"{lessons.problems} of {lessons.dataset}" if lessons.dataset else ""),
        ("chains", f"{lessons.chains} kept, target {lessons.target}" if lessons.chains else ""),
        ("teachers", ", ".join(f"{name} ({count})" for name, count in lessons.teachers.items())),
        ("selection", ", ".join(lessons.selection)),
        ("corpus", lessons.fingerprint),
        ("questions met", "unknown" if lessons.questions is None else f"{lessons.questions:,} different ones"),
        ("behind it, trained on what nobody knows", ", ".join(lessons.unknown)),
        ("asked with", f"prompt set {card.prompts}, method {card.method}"),
        ("training", f"{card.steps} steps, seed {card.seed}, {card.tokens:,} tokens in {card.seconds:,.0f} s"),
        ("study", "; ".join(map(str, card.studies))),
        ("chosen", f"step {card.step}" if card.steps else ""),
        ("weights", f"SHA-256 {card.weights}" if card.weights else ""),
        ("weights left out", "base and adapter make them again" if card.left_out else ""),
        ("no model.gguf", card.gguf),
        ("licence", card.licence or lessons.licence),
    ]
    parts = [
        "# A student of stepdown",
        _USE[bool(card.left_out)],
        _table(("", ""), [(name, value) for name, value in facts if value]),
        "## Scores" if card.dev or card.test else "",
        _scores(card),
        "![loss and dev accuracy by step](curves.png)" if has_curves else "",
        "## Settings of the training" if card.training else "",
        _table(("setting", "value"), [(name, str(value)) for name, value in sorted(card.training.items())]),
        "## Notes" if card.notes else "",
        "\n".join(f"- {in_markdown(note)}" for note in card.notes),
        f"Written by stepdown {in_markdown(card.stepdown)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scores(card: StudentCard) -> str:
    rows = [(kind, score) for kind, scores in (("dev", card.dev), ("test", card.test)) for score in scores]
    cells = [(kind, score.dataset, str(score.step), _share(score)) for kind, score in rows]
    return _table(("split", "problems", "step", "right / graded / total"), cells)


def _share(score: StudentScore) -> str:
    return f"{score.right} / {score.graded} / {score.total}"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [heads, tuple("---" for _ in heads), *(tuple(in_markdown(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
