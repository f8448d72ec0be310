"""The page of a published folder: a head that the hub reads, the card in words, licences, fingerprints, and its use."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from stepdown.corpus import Card, readme
from stepdown.models.weights import CATALOGUE, StudentCard, student_readme
from stepdown.problems import hub_files
from stepdown.publishing.licences import SourceLicence, licence_tags, source_licences
from stepdown.text import in_markdown

_COMMIT = 40  # hexadecimal digits
_TAGS = ("stepdown", "reasoning", "distillation")


def corpus_page(card: Card, questions: str) -> str:
    """Return the page of a corpus; `questions` is the SHA-256 of the file of its questions, "" where it has none."""
    sources = source_licences(card.dataset, card.teachers)
    head = {
        **licence_tags(card.licence, sources),
        "tags": [*_TAGS, f"content-{card.content}"],
        "task_categories": ["text-generation"],
        "size_categories": [_size(card.chains)],
        "configs": [{"config_name": "default", "data_files": "part-*.parquet"}],
        **_sources_on_hub(card.dataset),
    }
    use = "Train on it: `stepdown train hf://datasets/OWNER/NAME@COMMIT --base MODEL --out students/new`."
    return _page(head, readme(card), _licences(card.licence, sources), _contamination(questions, card.unknown), use)


def student_page(card: StudentCard, questions: str, *, has_curves: bool) -> str:
    """Return the page of a student; `questions` is the SHA-256 of the file of the questions it has met."""
    lessons = card.lessons
    sources = source_licences(lessons.dataset, lessons.teachers, card.base, card.licence)
    sources += [SourceLicence("the corpus as a whole", lessons.licence)] * bool(lessons.licence)
    repositories = {one.name: one.repo for one in CATALOGUE}
    base = repositories.get(card.base.removeprefix("embedded/"), _repository(card.base, card.base_source))
    head = {
        **licence_tags("", sources),
        "tags": [*_TAGS, "student"],
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        **({"base_model": base, "base_model_relation": "finetune"} if base else {}),
        **({"datasets": found} if (found := list(_sources_on_hub(lessons.dataset).values())) else {}),
    }
    use = "Its page's commit pins it: `hf download OWNER/NAME --revision COMMIT --local-dir new`, then `--student new`."
    about = student_readme(card, has_curves=has_curves)
    return _page(head, about, _licences("", sources), _contamination(questions, lessons.unknown), use)


def _page(head: Mapping[str, Any], *parts: str) -> str:
    # JSON on each line, which is YAML too: no name can end the head or begin a key.
    lines = [f"{name}: {json.dumps(value)}" for name, value in head.items()]
    return "\n".join(["---", *lines, "---", ""]) + "\n" + "\n\n".join(part.strip() for part in parts if part) + "\n"


def _licences(given: str, sources: Iterable[SourceLicence]) -> str:
    rows = [f"| {in_markdown(one.what)} | {in_markdown(one.licence)} |" for one in sources]
    whole = f"It was published under: {in_markdown(given, 2_000)}." if given else "None was given for the whole."
    note = "*unknown*: nothing that made this folder says it; terms of a model's provider may apply to its texts."
    return "\n".join(["## Licences", "", whole, "", "| source | licence |", "|---|---|", *rows, "", note])


def _contamination(questions: str, unknown: Iterable[str]) -> str:
    lost = ", ".join(map(in_markdown, unknown))
    lines = [
        "## Contamination",
        "",
        "Its questions are known by 64-bit hashes of their words, in `questions.bin`"
        + (f" (SHA-256 `{questions}`)." if questions else ": that file is missing, so what was met is unknown."),
        "stepdown refuses to train on or to test with questions that meet there, whatever their ids.",
        *([f"Trained on what nobody knows: {lost}."] if lost else []),
    ]
    return "\n".join(lines)


def _sources_on_hub(dataset: str) -> dict[str, str]:
    found = hub_files(dataset.partition("/")[0])
    return {"source_datasets": found.repo} if found else {}


def _repository(base: str, source: str) -> str:
    """Return a base that is a name of the hub; "" for a path, whose source is a hash and no commit."""
    if source and len(source) != _COMMIT and not base.startswith("hf://"):
        return ""
    name = base.removeprefix("hf://").partition("@")[0]
    return name if name.count("/") == 1 and not name.startswith((".", "/", "~")) and "\\" not in name else ""


def _size(count: int) -> str:
    for most, words in ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M")):
        if count < most:
            return words
    return "1M<n<10M" if count < 10**7 else "10M<n<100M"
