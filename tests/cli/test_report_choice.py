"""Which runs a report is of: those of a data set, a tag or the last command without failed tries, or all named."""

import json
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from command_line import Solved, printed, solved_once, speak, stored_runs
from faulty_server import FaultyServer
from stepdown.cli import main

RUN = ("run", "sums.jsonl", "--student", "openai/student")
SMALL = (*RUN, "--method", "direct", "-n", "2", "--tag", "small")


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    folder = tmp_path_factory.mktemp("world")
    with solved_once(folder, SMALL, speak=speak, count=4) as solved, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OPENAI_BASE_URL", solved.server.url)
        assert main([*RUN, "--method", "direct,cot", "--tag", "large"]) == 0
        Path("other.jsonl").write_text(json.dumps({"question": "What is 1 plus one?", "answer": "2"}) + "\n")
        assert main(["run", "other.jsonl", "--student", "openai/student", "--method", "direct"]) == 0
        yield solved


@pytest.fixture(autouse=True)
def server(solved: Solved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyServer:
    return solved.copy_to(tmp_path, monkeypatch)


def reported(capsys: pytest.CaptureFixture[str], *options: str) -> list[list[str]]:
    return [[row["run"] for row in one["rows"]] for one in printed(capsys, "report", *options)]


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ("", [[3], [1, 2]]),
        ("sums", [[1, 2]]),
        ("sums --all", [[0, 1, 2]]),
        ("--last", [[3]]),
        ("@last", [[3]]),
        ("--tag large", [[1, 2]]),
        ("--tag small", [[0]]),
        ("other --tag large", None),
    ],
)
def test_a_report_is_of_what_was_chosen(
    capsys: pytest.CaptureFixture[str], options: str, places: list[list[int]] | None
) -> None:
    runs = stored_runs()
    if places is None:
        assert main(["report", *options.split()]) == 2
    else:
        assert reported(capsys, *options.split()) == [[runs[place] for place in some] for some in places]


def test_a_run_that_is_named_is_in_the_report_whatever_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    small, large, *_ = stored_runs()
    assert main(["runs", "hide", small]) == 0
    assert reported(capsys, small, large) == [[small, large]]


def test_what_is_left_out_is_said_and_no_test_of_holms(capsys: pytest.CaptureFixture[str]) -> None:
    [made] = printed(capsys, "report", "sums")
    assert [one["why"] for one in made["left_out"]] == [f"the same on fewer problems than {stored_runs()[1]}"]
    assert sum(row["p_holm"] is not None for row in made["rows"]) == 1
    assert main(["report", "sums"]) == 0
    assert "1 run left out (1 the same on fewer problems): --all" in " ".join(capsys.readouterr().out.split())


def test_a_data_set_whose_runs_are_all_hidden_is_not_passed_over_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "hide", "other"]) == 0
    assert len(reported(capsys)) == 1
    assert main(["report", "other"]) == 0 and "other: 1 run left out (1 hidden)" in capsys.readouterr().err


@pytest.mark.slow
def test_one_page_has_a_section_for_each_data_set() -> None:
    assert main(["report", "--html", "page.html"]) == 0
    page = Path("page.html").read_text("utf-8")
    assert page.count("<article") == page.count('<li><a href="#report-') == 2 and page.count("How to cite") == 1
    assert "Holm&#x27;s correction are within a data set" in page
    ids = [part.partition('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


class Recorder(webbrowser.BaseBrowser):
    """A browser that keeps what it was asked to open."""

    opened: ClassVar[list[str]] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return True


@pytest.mark.slow
def test_a_page_is_opened_in_a_browser(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    browsers: Any = webbrowser
    monkeypatch.setattr(browsers, "_tryorder", ["recorder"])
    monkeypatch.setattr(browsers, "_browsers", {"recorder": [None, Recorder()]})
    assert main(["report", "other", "--open"]) == 0
    [address] = Recorder.opened
    assert "<svg" in Path(address.removeprefix("file://")).read_text("utf-8") and address in capsys.readouterr().err


@pytest.mark.slow
def test_without_a_browser_the_address_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    browsers: Any = webbrowser
    monkeypatch.setattr(browsers, "_tryorder", [])
    monkeypatch.setattr(browsers, "_browsers", {})
    assert main(["report", "other", "--html", "page.html", "--open"]) == 0
    assert f"the page is at {Path('page.html').resolve().as_uri()}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [("{} --precision 2", "there is one run"), ("{} --adherence", "none of these runs has any"),
     ("other --adherence", "none of these runs has any")],
)  # fmt: skip
def test_what_the_runs_cannot_tell_is_refused_and_not_left_out(
    capsys: pytest.CaptureFixture[str], options: str, why: str
) -> None:
    assert main(["report", *options.format(stored_runs()[0]).split()]) == 2
    assert why in capsys.readouterr().err
