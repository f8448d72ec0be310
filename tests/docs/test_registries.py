"""Whatever a person may type by name is explained in its place, and the glossary's terms have no other words."""

import re
from collections.abc import Collection

import pytest

from places import ROOT
from stepdown import errors
from stepdown.cli import VERBS, app
from stepdown.cli.manual import manual
from stepdown.corpus.selection import FILTERS
from stepdown.corpus.targets import TARGETS
from stepdown.errors import StepdownError, UnknownName
from stepdown.exchange.corpus_exporters import TUNING_FORMATS
from stepdown.exchange.run_exporters import FORMATS
from stepdown.extras import EXTRAS
from stepdown.graders import load_grader
from stepdown.methods import METHODS
from stepdown.models.http.dialects import DIALECTS
from stepdown.models.http.endpoints import ADDRESSES
from stepdown.plugins import KINDS
from stepdown.problems import datasets
from stepdown.prompts import PROMPT_SETS
from stepdown.runner import CONTROLS
from stepdown.training.objectives import OBJECTIVES

SOURCES = "".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py"))
PAGES = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md")}
PAGES["README.md"] = (ROOT / "README.md").read_text("utf-8")
# A variable that one process of ours sets for another.
PRIVATE = {"STEPDOWN_LEASH"}


def graders() -> list[str]:
    with pytest.raises(UnknownName) as refused:
        load_grader("?")
    return re.findall(r"[a-z][a-z-]+", refused.value.hint.partition(":")[2])


REGISTRIES: dict[tuple[str, str], Collection[str]] = {
    ("README.md", "verb"): VERBS,
    ("docs/methods.md", "method"): METHODS,
    ("docs/serving.md", "method of the endpoint"): METHODS,
    ("docs/methods.md", "short name"): [alias for method in METHODS.values() for alias in method.aliases],
    ("docs/problems.md", "data set"): [one.name for one in datasets()],
    ("docs/prompts.md", "prompt set"): PROMPT_SETS,
    ("docs/selection.md", "filter"): FILTERS,
    ("docs/audits.md", "control"): CONTROLS,
    ("docs/distillation.md", "target"): TARGETS,
    ("docs/exchange.md", "format"): [*FORMATS, *TUNING_FORMATS],
    ("docs/measuring.md", "grader"): graders(),
    ("docs/quickstart.md", "extra"): EXTRAS,
    ("docs/endpoints.md", "dialect"): DIALECTS,
    ("docs/endpoints.md", "provider"): ADDRESSES,
    ("docs/distillation.md", "objective"): OBJECTIVES,
    ("docs/json.md", "kind of plugin"): KINDS,
    ("docs/architecture.md", "room"): {
        path.stem for path in (ROOT / "src" / "stepdown").iterdir() if path.stem[0] != "_"
    }
    - {"py"},
    ("docs/cli.md", "variable"): {*re.findall(r"STEPDOWN_[A-Z]+", SOURCES)} - PRIVATE,
}


@pytest.mark.parametrize(("page", "what"), REGISTRIES, ids=[what for _, what in REGISTRIES])
def test_every_entry_is_explained_on_its_page(page: str, what: str) -> None:
    names = [*REGISTRIES[page, what]]
    assert len(names) > 1 and [name for name in names if not re.search(rf"`{re.escape(name)}\b", PAGES[page])] == []


def test_every_verb_with_json_says_its_object() -> None:
    [*headings] = re.findall(r"^## [a-z ]+\n\n(.*)$", PAGES["docs/json.md"], re.MULTILINE)
    told = " ".join(headings)
    verbs = {verb for verb in VERBS if "--json" in options(verb)}
    assert len(verbs) > 15 and {verb for verb in verbs if not re.search(rf"`{verb}\b", told)} == set()


def options(verb: str) -> set[str]:
    return {name for one in app[verb].assemble_argument_collection(parse_docstring=True) for name in one.names}


def test_every_option_says_what_it_does() -> None:
    found = re.findall(r"^- `(-.*?)(?:: (.*))?$", manual(), re.MULTILINE)
    assert len(found) > 150 and [name for name, words in found if len(words) < 10] == []


def test_every_exit_code_is_explained() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StepdownError)]
    codes = {kind.exit_code for kind in kinds}
    assert len(codes) > 4 and {code for code in codes if f"\n| {code} |" not in PAGES["docs/cli.md"]} == set()


def terms() -> list[tuple[str, str]]:
    """Each term of the glossary with a word that is not used for it."""
    rows = re.findall(r"^\| (.+?) \|[^|]*\|[^|]*\| ?(.*?) ?\|$", PAGES["docs/glossary.md"], re.MULTILINE)
    return [(term, word) for term, words in rows if term != "term" for word in words.split(", ") if word.strip()]


def test_every_word_of_the_last_column_is_looked_for() -> None:
    rows = [row.split("|") for row in PAGES["docs/glossary.md"].splitlines() if row.startswith("| ")]
    last = {word for row in rows if row[1].strip() != "term" for word in row[-2].strip().split(", ")} - {""}
    assert len(last) > 10 and {word for _, word in terms()} == last


@pytest.mark.parametrize(("term", "word"), terms())
def test_no_page_calls_a_term_otherwise(term: str, word: str) -> None:
    used = re.compile(rf"\b{re.escape(word)}s?\b", re.IGNORECASE)
    found = [page for page, text in PAGES.items() if page != "docs/glossary.md" and used.search(text)]
    assert found == [], f"say `{term}`"


def test_every_term_stands_in_the_glossary_once() -> None:
    rows = re.findall(r"^\| ([\w@ -]+?) \|", PAGES["docs/glossary.md"], re.MULTILINE)
    names = [name for name in rows if name != "term"]
    assert len(names) > 70 and sorted({*names}) == sorted(names)
