"""Runs are named, tagged, noted, hidden, sorted and kept as files in pages."""

import csv
import io
import json

import pytest

from run_pages import HOSTILE, problem, put_run, trace
from served import get, post
from stepdown.store import Run, Store, run_labels
from stepdown.store.labels import RunLabels
from stepdown.types import Plan


def say(site: str, run: Run, **fields: str) -> int:
    return post(f"{site}/runs/{run.id}/labels", fields).status


def test_a_run_gets_a_name_tags_and_a_note_which_its_page_and_the_list_show(store: Store, site: str) -> None:
    run = put_run(store, "rw")
    assert say(site, run, name="first try", tags="paper, small", note=HOSTILE, hidden="no") == 200
    assert run_labels(run) == RunLabels("first try", ("paper", "small"), HOSTILE.strip())
    for text in (get(f"{site}/runs/{run.id}").text, get(f"{site}/").text, get(f"{site}/?tag=paper").text):
        assert "first try" in text and ">paper</a>" in text and "<script>alert" not in text
    say(site, run, tags="small")
    assert run_labels(run).tags == ("small",) and run_labels(run).name == "first try"


def test_a_hidden_run_leaves_the_list_and_comes_back_when_asked_for(store: Store, site: str) -> None:
    run, other = put_run(store, "rw"), put_run(store, "rr", student="ollama/other")
    say(site, run, hidden="yes")
    links = [f'href="/runs/{one.id}"' for one in (run, other)]
    assert [link in get(f"{site}/").text for link in links] == [False, True]
    assert [link in get(f"{site}/?hidden=yes").text for link in links] == [True, True]
    say(site, run, hidden="no")
    assert links[0] in get(f"{site}/").text


def test_runs_are_sorted_by_what_is_asked(store: Store, site: str) -> None:
    runs = [put_run(store, one, student=f"ollama/{one}") for one in ("rw", "rr", "ww")]
    for name, run in zip("bca", runs, strict=True):
        say(site, run, name=f"the {name} run")
    orders = {"": [2, 1, 0], "oldest": [0, 1, 2], "name": [2, 0, 1], "accuracy": [1, 0, 2]}
    for sort, order in orders.items():
        text = get(f"{site}/?sort={sort}").text
        places = [text.index(f'id="run-{runs[at].id}"') for at in order]
        assert places == sorted(places), sort


@pytest.mark.parametrize("fields", [{"name": "x" * 81}, {"tags": "-no"}, {"note": "x" * 10_001}])
def test_what_can_be_no_label_is_refused_and_nothing_is_kept(store: Store, site: str, fields: dict[str, str]) -> None:
    run = put_run(store, "rw")
    assert say(site, run, **{"name": "kept", **fields, "note": fields.get("note", "a note")}) == 400
    assert run_labels(run) == RunLabels()


def test_runs_are_kept_as_files(store: Store, site: str) -> None:
    run, other = put_run(store, "rw"), put_run(store, "rr", student="ollama/other")
    both = f"run={run.id}&run={other.id}"
    rows = list(csv.DictReader(io.StringIO(get(f"{site}/export?to=csv&{both}").text)))
    assert [row["run"] for row in rows] == [run.id] * 2 + [other.id] * 2
    assert get(f"{site}/export?to=jsonl&run={run.id}").text.count("\n") >= 2
    report = get(f"{site}/export?to=report&{both}")
    assert report.headers["content-disposition"] == 'attachment; filename="2-runs-report.html"'
    assert run.id in report.text and report.text.startswith("<!doctype html>")
    assert f'href="/export?to=csv&amp;run={run.id}&amp;run={other.id}"' in get(f"{site}/compare?{both}").text
    run.put_trace(0, trace(problem(0), "Answer: 1", plan=Plan("1. Add.", "t")))
    assert json.loads(get(f"{site}/export?to=plans&run={run.id}").text)["plan"] == "1. Add."


@pytest.mark.parametrize("asked", ["to=csv", "to=exe&run={run}", "to=plans&run={run}", "to=csv&run=none"])
def test_what_cannot_be_a_file_is_refused(store: Store, site: str, asked: str) -> None:
    assert get(f"{site}/export?{asked.format(run=put_run(store, 'rw').id)}").status in {400, 404}
