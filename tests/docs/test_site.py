"""The site of the documents is built strictly, loads nothing from elsewhere, and its notebook runs."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from places import ROOT

DOCS = ROOT / "docs"
# What a browser fetches by itself.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "built"
    done = subprocess.run([sys.executable, DOCS / "make_site.py", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


class Fetched(HTMLParser):
    """Collects what a page loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if FETCHED.get(tag) == name]


@pytest.mark.slow
def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    loaded = [one for page in pages for one in Fetched(page).found]
    styles = "".join(style.read_text("utf-8") for style in site.rglob("*.css"))
    assert len(pages) > 40 and len(loaded) > 100
    assert [one for one in loaded if re.match(r"(https?:)?//", one)] == []
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", styles) == []


@pytest.mark.slow
def test_every_page_is_in_the_navigation_and_in_llms_txt(site: Path) -> None:
    listed = set(re.findall(r"\]\(([\w/]+\.md)\)", (site / "llms.txt").read_text("utf-8")))
    assert {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} | {"notebook.md"} == listed
    assert all((site / page).exists() for page in listed)


@pytest.mark.slow
def test_a_public_name_shows_its_signature(site: Path) -> None:
    assert "concurrency: int | None = None" in (site / "api.md").read_text("utf-8")


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(DOCS / "quickstart.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert "2 runs on wordsums-2/test" in shown and "40/40" in shown and "plan by teacher" in shown
    assert "40 of 40 · 40 right of 40 graded" in shown and "shape: (40, 5)" in shown
