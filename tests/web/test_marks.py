"""People mark a run's solutions by the criteria of a rubric, blind to the judge, and correct it without any file."""

import json
import re

import pytest
from msgspec.structs import replace

from served import Answer, get, post
from stepdown.cli import main
from stepdown.graders import Criterion, Rubric, RubricGrader
from stepdown.measuring import drawn_places, run_marks
from stepdown.models import ScriptedModel
from stepdown.runner import grade
from stepdown.store import PersonMark, Run, Store, put_marks, stored_marks
from stepdown.types import Grade, Problem, Trace
from stored_runs import keep_alike, keep_run

RUBRIC = Rubric(name="clear", criteria=(Criterion(name="reasons", ask="Why?"),
                                        Criterion(name="plain", ask="Plain?", scale=5)))  # fmt: skip
REASONS, PLAIN = RUBRIC.key("reasons"), RUBRIC.key("plain")
COUNT = 8


@pytest.fixture
def judged(store: Store) -> Run:
    """Eight solutions, of all of which a judge finds reasons and that they are plain."""
    run = keep_alike(store, "So it is.", COUNT)
    return grade(run, RubricGrader(RUBRIC, ScriptedModel({"Why?": "YES", "Plain?": "4"}, "thejudge")))


@pytest.fixture
def place(site: str, judged: Run) -> str:
    return f"{site}/marks/{judged.id}"


def shown_to(rater: str, address: str) -> Answer:
    return get(address, cookie=f"stepdown_rater={rater}")


def form_in(page: str) -> dict[str, str]:
    form = page.partition('class="marking"')[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


def mark(address: str, rater: str, *marks: str) -> Answer:
    """Mark what is shown next, criterion by criterion."""
    form = form_in(shown_to(rater, address).text)
    return post(address, {**form, "rater": rater} | {f"mark-{n}": one for n, one in enumerate(marks) if one})


def test_a_solution_is_marked_by_each_criterion_with_nothing_of_the_judge_in_sight(place: str, judged: Run) -> None:
    page = shown_to("Ann", place).text.partition("<main")[2].partition("</main>")[0]
    assert "So it is." in page and "Why?" in page and "Plain?" in page
    assert not [word for word in ("thejudge", "YES", "right</", "badge") if word in page]
    mark(place, "Ann", "no", "5")
    found = {(one.key, one.rater, one.mark) for one in stored_marks(judged)}
    assert found == {(REASONS, "Ann", "no"), (PLAIN, "Ann", "5")}
    assert f"1 of {COUNT} done" in shown_to("Ann", place).text


def test_marks_given_on_pages_correct_the_judge_with_no_file_in_between(
    place: str, judged: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(COUNT):
        mark(place, "Ann", "no" if number % 2 else "yes", "skip")
    assert f"All {COUNT} solutions are done" in shown_to("Ann", place).text
    assert main(["marks", judged.id, "--store", str(judged.store.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["means"]
    assert (found[0]["judge_mean"], found[0]["people"], found[0]["alone"]) == (1.0, COUNT, 0.5)
    assert found[0]["mean"] < 1 and found[1]["people"] == 0


def test_a_solution_is_done_once_each_criterion_has_a_mark(place: str, judged: Run) -> None:
    mark(place, "Ann", "yes")
    assert f"0 of {COUNT} done" in shown_to("Ann", place).text and len(stored_marks(judged)) == 1
    mark(place, "Ann", "", "3")
    assert f"1 of {COUNT} done" in shown_to("Ann", place).text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"mark-1": "6"}, 400),
        ({"mark-0": "maybe"}, 400),
        ({"problem": "sums/test/99"}, 404),
        ({"sample": "7"}, 404),
        ({"shown": "0"}, 409),
        ({"rater": "\t"}, 400),
    ],
)
def test_what_is_no_mark_of_this_text_is_refused(change: dict[str, str], status: int, place: str, judged: Run) -> None:
    form = form_in(shown_to("Ann", place).text) | {"rater": "Ann", "mark-0": "yes"} | change
    assert post(place, form).status == status and stored_marks(judged) == []


def test_without_a_rubric_people_say_right_or_wrong(place: str, judged: Run) -> None:
    assert "Is the solution right?" in shown_to("Ann", f"{place}?by=right").text
    mark(f"{place}?by=right", "Ann", "no")
    assert [(one.key, one.mark) for one in stored_marks(judged)] == [("", "no")]
    assert get(f"{place}?by=rubric:none@00000000").status == 404


def differ(run: Run, count: int) -> list[str]:
    """Two raters who differ by one criterion on so many solutions."""
    drawn = drawn_places(run, count)
    put_marks(run, [PersonMark(one, 0, REASONS, rater, said) for one in drawn for rater, said in
                    (("Ann", "yes"), ("Ben", "no"))])  # fmt: skip
    return drawn


def test_where_raters_differ_somebody_decides_on_a_page(place: str, judged: Run) -> None:
    assert "Nobody has marked these solutions yet" in get(f"{place}/differ").text
    differ(judged, 2)
    for decided in (0, 1):
        page = shown_to("Cleo", f"{place}/differ").text
        assert f"2 <small>{decided} decided" in page and "<strong>Ben</strong>: no" in page and "Plain?" not in page
        post(f"{place}/differ", {**form_in(page), "rater": "Cleo", "mark-0": "no"})
    assert "Every solution that raters mark differently is decided" in get(f"{place}/differ").text
    assert run_marks(judged).means[0].alone == 0.0
    post(f"{place}/differ", {**form_in(page), "rater": "Cleo", "mark-0": ""})
    assert sum(one.final for one in stored_marks(judged)) == 1


def test_where_raters_differ_the_command_says_so_and_decides(judged: Run, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = differ(judged, 2)
    words = ["marks", judged.id, "--store", str(judged.store.path)]
    final = ["--final", f"{first}=no", "--final", f"{second}=yes", "--criterion", "reasons", "--author", "Cleo"]
    assert main([*words, *final]) == 0
    assert main([*words, "--final", f"{second}=", "--criterion", "reasons", "--differ"]) == 0
    assert "Ann yes, Ben no" in capsys.readouterr().out
    assert main([*words, "--differ", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["differing"]
    assert {one["problem"]: one["final"] for one in found} == {first: "no", second: None}


def test_a_final_mark_is_of_the_sample_that_raters_differ_on(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    one = Trace(Problem("eggs", "How many?", "1"), "direct", solution="One.")
    run = keep_run(store, [[(replace(one, sample=n), Grade("right", "1", "", "default@2")) for n in (0, 1)]], samples=2)
    decide = ["marks", run.id, "--store", str(store.path), "--author", "Cleo", "--final", "eggs=no"]
    put_marks(run, [PersonMark("eggs", 1, "", rater, mark) for rater, mark in (("Ann", "yes"), ("Ben", "no"))])
    assert main(decide) == 0 and [one.sample for one in stored_marks(run) if one.final] == [1]
    put_marks(run, [PersonMark("eggs", 0, "", rater, mark) for rater, mark in (("Ann", "yes"), ("Ben", "no"))])
    assert main(decide) == 2 and "--sample with one of 0, 1" in capsys.readouterr().err
    assert main([*decide, "--sample", "0"]) == 0
    assert sorted(one.sample for one in stored_marks(run) if one.final) == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sample", "1"], "nothing is decided"),
        (["--final", "sums/test/1=yes"], "has several criteria"),
        (["--final", "sums/test/1=yes", "--criterion", "style"], "`style` is no criterion"),
        (["--final", "sums/test/1=6", "--criterion", "plain"], "`6` is no mark"),
        (["--final", "sums/test/99=1", "--criterion", "plain"], "sums/test/99"),
        (["--criterion", "plain"], "nothing is decided"),
        (["--differ", "--to", "x.csv"], "give --to FILE or --differ"),
    ],
)
def test_what_decides_nothing_is_refused(
    options: list[str], message: str, judged: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["marks", judged.id, "--store", str(judged.store.path), *options]) == 2
    assert message in capsys.readouterr().err and stored_marks(judged) == []
