"""Runs as a folder of files: every link leads to a file, nothing of others is in it, and it is whole or not there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from run_pages import HOSTILE, problem, put, put_run
from stepdown.errors import StepdownError, UsageError
from stepdown.runner import plain
from stepdown.store import Store, label
from stepdown.types import Problem
from stepdown.web.bundles import Bundle, BundlePlan, write_bundle
from stepdown.web.bundles.places import place_at
from stepdown.web.bundles.search_index import index_of

SECRET, OTHERS, NOTE = "sk-secret-of-this-machine", "Ada has 77 PEARS", "a note for us alone"
LINK = re.compile(r'\b(?:href|src|srcset)="([^"]*)"')


def bundled(store: Store, out: Path, *, force: bool = False, runs: int = 2) -> Bundle:
    plan = BundlePlan(runs=tuple(run.id for run in store.runs()[:runs]), title="Pears & plans")
    return plain(write_bundle(store, plan, out, force=force))


def fill(store: Store) -> None:
    """Keep two runs to show, one of them with hostile texts, and one of somebody else's."""
    first = put_run(store, "rw-")
    put_run(store, "rrr", method="chain-of-thought")
    put(first, (3, 0), Problem("../A b/%2e?#<x>", f"{HOSTILE} {SECRET} {Path.cwd()}/there", "4"), "wrong")
    other = put_run(store, "r", method="plan-and-solve")
    put(other, (1, 0), problem(77), "right")
    label(first, name="ours", note=NOTE, author="Ann")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("bundle")
    with pytest.MonkeyPatch.context() as patch, Store(folder / "s.sqlite") as store:
        patch.setenv("SOME_API_KEY", SECRET)
        fill(store)
        bundled(store, folder / "site")
    yield folder / "site"


def pages(site: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in site.rglob("*.html")}


def test_every_link_of_every_page_leads_to_a_file_of_the_bundle(site: Path) -> None:
    found = [(page, link.partition("#")[0]) for page, text in pages(site).items() for link in LINK.findall(text)]
    links = [(page, link) for page, link in found if link]
    assert len(links) > 200 and not [link for _, link in links if link.startswith("/") or ":" in link or "?" in link]
    assert all((page.parent / link).resolve().is_relative_to(site) for page, link in links)
    assert not [link for page, link in links if not (page.parent / link).is_file()]


def test_runs_traces_and_compare_are_there(site: Path) -> None:
    texts = " ".join(pages(site).values())
    assert "<h1>Pears &amp; plans</h1>" in texts and "Against the baseline" in (site / "compare.html").read_text()
    assert sum("/traces" in str(path) for path in pages(site)) == 7


def test_a_page_says_its_policy_and_has_no_form_and_no_foreign_script(site: Path) -> None:
    for path, text in pages(site).items():
        assert text.index("Content-Security-Policy") < text.index("<link"), path
        assert "<form" not in text and "hx-" not in text and "htmx" not in text and "style=" not in text
        assert set(re.findall(r"<script[^>]*?src=\"[^\"]*?([^\"/]+)\"", text)) <= {
            *("katex.min.js", "katex-auto-render.min.js", "app.js", "tables.js", "matrix.js", "search-index.js",
              "bundle_search.js")
        }  # fmt: skip


def test_hostile_texts_are_text(site: Path) -> None:
    [hostile] = [text for path, text in pages(site).items() if "/traces" in str(path) and "window.hurt" in text]
    assert "<script>window" not in hostile and "&lt;script&gt;window.hurt=1" in hostile
    assert "<" not in (site / "static/search-index.js").read_text()


def test_nothing_of_other_runs_of_keys_of_notes_and_of_this_machine_is_in_it(site: Path) -> None:
    whole = b" ".join(path.read_bytes() for path in site.rglob("*") if path.suffix in {".html", ".js", ".json", ".svg"})
    for text in (OTHERS, SECRET, NOTE, str(Path.cwd()), str(site)):
        assert text.encode() not in whole
    assert b"***" in whole


def test_the_card_says_what_is_there(site: Path) -> None:
    card = json.loads((site / "bundle.json").read_bytes())
    here = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert {*card["files"], "bundle.json"} == here and card["traces"] == 7 and len(card["runs"]) == 2


def test_a_bundle_replaces_nothing_but_a_bundle_and_that_only_when_told(store: Store, tmp_path: Path) -> None:
    fill(store)
    out = tmp_path / "site"
    bundled(store, out, runs=1)
    with pytest.raises(UsageError, match="holds a bundle already"):
        bundled(store, out, runs=1)
    bundled(store, out, runs=1, force=True)
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.txt"):
        bundled(store, out, runs=1, force=True)
    assert (out / "mine.txt").read_text() == "mine"


def test_a_bundle_that_fails_leaves_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    monkeypatch.setattr("stepdown.web.bundles.folder.index_of", fail)
    with pytest.raises(StepdownError, match="no more"):
        bundled(store, tmp_path / "site", runs=1)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".site", "site"))] == []


def fail(*given: object) -> bytes:
    assert callable(index_of)
    raise StepdownError("no more")


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("/", "index.html"),
        ("/?page=2", "index.page-2.html"),
        ("/?page=1&words=x", "index.html"),
        ("/runs/ab?where=wrong&words=x#traces", "runs/ab.where-wrong.html"),
        ("/runs/ab/traces/gsm8k/test/12?where=wrong&sample=0", "runs/ab/traces/gsm8k/test/12.html"),
        ("/runs/ab/traces/gsm8k/test/12?sample=3", "runs/ab/traces/gsm8k/test/12.sample-3.html"),
        ("/charts/cost.svg?run=ab&scheme=dark", "charts/cost.scheme-dark.svg"),
        ("/matrix?run=a&run=b&run=c&where=wrong&sort=a", "matrix.where-wrong.html"),
        ("/matrix?run=a&run=b&where=won&of=", "matrix.run-a.run-b.where-won.html"),
        ("/corpora/kept?problem=7", "corpora/kept.problem-7.html"),
        ("/runs/ab/queue?at=gsm8k&who=Ann", "runs/ab/queue.at-gsm8k.html"),
        ("/cascade.svg?cheap=a&dear=b&scheme=dark", "cascade.cheap-a.dear-b.scheme-dark.svg"),
        ("/studies/first/curves.svg?at=3", "studies/first/curves.svg"),
    ],
)
def test_an_address_becomes_a_file(address: str, file: str) -> None:
    place = place_at(address, 10)
    assert place is not None and place.file == file


def test_addresses_that_differ_become_files_that_differ() -> None:
    ids = ["a/b", "a-b", "A/b", "a/../b", "a/b/", "..", "", "con", "a%2fb", "é", "e", "x" * 300, "x" * 301]
    files = [place.file for one in ids if (place := place_at(f"/runs/r/traces/?problem={one}")) is not None]
    assert len({file.lower() for file in files}) == len(ids) - 1  # two say the same
    assert all(".." not in file and len(file) < 150 for file in files)


@pytest.mark.parametrize(
    "address", ["/new", "/jobs", "/reviews", "/studies/a/state", "/v1/models", "/corpora/x?problem=11"]
)
def test_what_needs_a_server_has_no_file(address: str) -> None:
    assert place_at(address, 10) is None
