"""A person edits plans, corrects verdicts and decides on held plans in pages that work without JavaScript."""

import asyncio
import re
from html import unescape
from typing import Any

import aiohttp
import pytest

from served import Answer, get, post
from stepdown.store import Run
from stepdown.store.annotations import annotations_by_trace
from stepdown.store.reviews import pending_reviews, request_review, review_decision
from stepdown.types import Plan, Problem
from worlds import P1

HOSTILE = "<script>alert(1)</script><img src=//evil.example/x onerror=alert(1)> ![x](//evil.example)"


def edit(solving: str, of: Run, **fields: str) -> Answer:
    steps = "Take the number.\r\nAdd one with care."
    return post(f"{solving}/runs/{of.id}/plans/{P1}", {"steps": steps, "base": "0", "why": "careless"} | fields)


def words(answer: Answer) -> str:
    """A page's text without marks, blanks made one."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def test_the_editor_shows_each_step_on_a_line(solving: str, first: Run) -> None:
    answer = get(f"{solving}/runs/{first.id}/plans/{P1}")
    assert answer.status == 200 and ">Take the number.\nAdd one to it.</textarea>" in answer.text
    assert "Nobody has edited it yet." in answer.text


def test_an_edit_is_kept_with_who_why_and_seconds_and_nothing_is_solved(solving: str, first: Run) -> None:
    answer = edit(solving, first, seconds="42.5")
    assert answer.place == f"/runs/{first.id}/plans/{P1}" and "Ann , 20" in words(answer)
    (kept,) = first.edits()
    assert (kept.plan.author, kept.plan.why, kept.seconds) == ("Ann", "careless", 42.5)
    assert kept.plan.steps == ("Take the number.", "Add one with care.") and len(first.store.runs()) == 1


def test_solving_again_waits_and_shows_old_and_new_side_by_side(solving: str, first: Run) -> None:
    answer = edit(solving, first, solve="1")
    assert answer.status == 200 and answer.place.startswith(f"/runs/{first.id}/solved/{P1}?by=")
    assert "wrong → became right fixed" in words(answer)
    derived = answer.place.rpartition("=")[2]
    assert f'href="/compare?run={first.id}&amp;run={derived}&amp;baseline={first.id}"' in answer.text
    assert f'href="/runs/{derived}/traces/{P1}?sample=0"' in answer.text
    assert "removed: </span>" in answer.text and "<ins>with care" in answer.text


def test_the_lineage_links_to_what_was_solved_by_each_edit(solving: str, first: Run) -> None:
    derived = edit(solving, first, solve="1").place.rpartition("=")[2]
    text = get(f"{solving}/runs/{first.id}/plans/{P1}").text
    assert f"/runs/{first.id}/solved/{P1}?by={derived}" in text and "careless" in text
    assert f'href="/runs/{first.id}"' in get(f"{solving}/runs/{derived}/plans/{P1}").text


def test_any_student_may_solve_again_and_gets_a_run_of_its_own(solving: str, first: Run) -> None:
    answer = edit(solving, first, solve="1", student="openai/other")
    assert first.store.run(answer.place.rpartition("=")[2]).settings.student == "openai/other"


@pytest.mark.parametrize("student", ["/etc/passwd", "../models/x", "weights.gguf", "embedded/../../x", "no-such"])
def test_a_page_reaches_no_model_by_a_path(solving: str, first: Run, student: str) -> None:
    answer = edit(solving, first, solve="1", student=student)
    assert answer.status in {400, 404} and first.edits() == [] and len(first.store.runs()) == 1


def test_a_plan_without_steps_is_refused(solving: str, first: Run) -> None:
    answer = edit(solving, first, steps=" \r\n ")
    assert answer.status == 400 and "The plan has no steps" in answer.text


def test_hostile_text_in_plan_and_why_stays_text(solving: str, first: Run) -> None:
    edit(solving, first, steps=HOSTILE, why=HOSTILE, author=HOSTILE[:90], solve="1")
    for path in (f"plans/{P1}", "queue"):
        text = get(f"{solving}/runs/{first.id}/{path}").text
        assert "<script>alert" not in text and "<img src=//evil" not in text and "&lt;script&gt;alert" in text
    assert [plan.text for _, plan in first.plans()][1] == f"1. {HOSTILE}"


async def begun(solving: str, of: Run, student: str) -> str:
    """Solve again as htmx asks for it, and return the part of the page that comes back."""
    async with aiohttp.ClientSession(headers={"HX-Request": "true"}) as session:
        fields = {"steps": "Add.", "solve": "1", "student": student}
        async with session.post(f"{solving}/runs/{of.id}/plans/{P1}", data=fields) as answer:
            assert answer.status == 200
            return await answer.text()


def test_what_cannot_be_solved_says_so_in_its_place(solving: str, first: Run) -> None:
    text = asyncio.run(begun(solving, first, "/etc/passwd"))
    assert "cannot be named on a page" in text and "Nothing was kept" in text and "<html" not in text


async def followed(solving: str, of: Run) -> tuple[str, str]:
    """Ask for a solution as a page does while it is written, and return its text and what came of it."""
    form = {"steps": f"{HOSTILE} with care", "solve": "1"}
    async with aiohttp.ClientSession(headers={"HX-Request": "true"}) as session:
        async with session.post(f"{solving}/runs/{of.id}/plans/{P1}", data=form) as answer:
            address = re.search(r'data-solving="([^"]+)"', await answer.text())
        assert address, "the page says where the solution is"
        text, found = "", dict[str, Any]({"at": 0, "done": None})
        while found["done"] is None:
            async with session.get(f"{solving}{address[1]}?at={found['at']}") as answer:
                found = await answer.json()
            text += found["text"]
        return text, str(found["done"])


def test_a_solution_is_read_while_it_is_written_and_ends_with_old_and_new(solving: str, first: Run) -> None:
    text, done = asyncio.run(followed(solving, first))
    assert text == "Answer: 2" and "fixed" in done
    assert "<script>alert" not in done and len(first.edits()) == 1


CAREFUL = {"steps": "Take the number.\r\nAdd one with care.", "author": "Bob"}


@pytest.mark.parametrize("solve", ["", "1"])
def test_an_edit_that_somebody_else_overtook_is_shown_and_not_overwritten(solving: str, first: Run, solve: str) -> None:
    edit(solving, first, **CAREFUL)
    late = edit(solving, first, steps="Mine, <b>alone</b>.", why="mine", author="Cy", solve=solve)
    assert late.status == 409 and "Bob changed this plan meanwhile" in words(late) and "Add one with care." in late.text
    assert ">Mine, &lt;b&gt;alone&lt;/b&gt;.</textarea>" in late.text and 'value="Cy"' in late.text
    assert len(first.edits()) == 1 and 'name="base" value="1"' in late.text
    assert edit(solving, first, steps="Mine, alone.", base="1").status == 200
    assert [one.plan.author for one in first.edits()] == ["Bob", "Ann"]


def test_the_same_edit_twice_and_the_plan_as_it_was_overtake_nobody(solving: str, first: Run) -> None:
    edit(solving, first, **CAREFUL)
    for steps in (CAREFUL["steps"], "Take the number.\nAdd one to it."):
        assert edit(solving, first, steps=steps, author="Bob").status == 200
    assert len(first.edits()) == 1


def test_a_verdict_that_somebody_else_changed_meanwhile_is_not_overwritten(solving: str, first: Run) -> None:
    page = get(f"{solving}/runs/{first.id}/plans/{P1}").text
    (shown,) = re.findall(r'name="shown" value="([0-9a-f]+)"', page)
    for verdict, status in (("right", 200), ("ungraded", 409)):
        form = {"verdict": verdict, "shown": shown, "author": "Bob"}
        assert post(f"{solving}/runs/{first.id}/verdicts/{P1}", form).status == status
    assert [grade.verdict for _, grade in first.graded()][1] == "right"


def test_a_verdict_is_corrected_by_a_grader_of_its_own(solving: str, first: Run) -> None:
    post(f"{solving}/runs/{first.id}/verdicts/{P1}", {"verdict": "right", "why": "it says 2 above", "sample": "0"})
    assert first.grader == "default@2+person"
    assert [(grade.verdict, grade.why) for _, grade in first.graded()][1] == ("right", "Ann: it says 2 above")


def test_a_verdict_that_is_none_is_refused(solving: str, first: Run) -> None:
    assert post(f"{solving}/runs/{first.id}/verdicts/{P1}", {"verdict": "great"}).status == 400
    assert post(f"{solving}/runs/{first.id}/verdicts/{P1}", {"verdict": "right", "sample": "7"}).status == 404


def test_remarks_on_plan_and_solution_are_kept(solving: str, first: Run) -> None:
    post(f"{solving}/runs/{first.id}/annotations/{P1}", {"delegation": HOSTILE, "answer": "a slip", "author": "Bob"})
    ((place, found),) = annotations_by_trace(first).items()
    assert (place, found[0].answer, found[0].author) == ((P1, 0), "a slip", "Bob")
    assert "&lt;script&gt;" in get(f"{solving}/runs/{first.id}/plans/{P1}").text


@pytest.mark.parametrize("path", ["/runs/none/queue", "/runs/{run}/plans/nothing/0", "/runs/{run}/solving/ab",
                                  f"/runs/{{run}}/solved/{P1}?by=none"])  # fmt: skip
def test_what_is_not_there_is_a_404_with_words(solving: str, first: Run, path: str) -> None:
    answer = get(solving + path.format(run=first.id))
    assert answer.status == 404 and "There is no" in answer.text


# -- reviews


def held(of: Run, count: int = 1) -> None:
    for number in range(count):
        request_review(
            of, Problem(f"p/{number}", f"Which? {HOSTILE}", "1"), Plan(f"1. Look {number}.\n2. Add.", "teacher")
        )


def test_a_held_plan_is_accepted_in_the_browser(solving: str, first: Run) -> None:
    held(first, 2)
    assert "2 plans wait" in words(get(f"{solving}/reviews")) and "<script>alert" not in get(f"{solving}/reviews").text
    answer = post(f"{solving}/reviews/{first.id}/p/0", {"steps": "Look 0.\r\nAdd.", "decision": "accepted"})
    assert "1 plan waits" in words(answer)
    found = review_decision(first, "p/0")
    assert found is not None and (found.decision, found.plan.author) == ("accepted", "teacher")


def test_a_held_plan_is_edited_in_the_browser(solving: str, first: Run) -> None:
    held(first)
    post(f"{solving}/reviews/{first.id}/p/0", {"steps": "Look twice.", "decision": "accepted", "author": "Bob"})
    found = review_decision(first, "p/0")
    assert found is not None and (found.decision, found.plan.steps) == ("edited", ("Look twice.",))


def test_a_problem_is_left_in_the_browser_and_the_second_to_decide_is_told(solving: str, first: Run) -> None:
    held(first)
    post(f"{solving}/reviews/{first.id}/p/0", {"decision": "left"})
    late = post(f"{solving}/reviews/{first.id}/p/0", {"decision": "accepted", "steps": "Look <b>hard</b>."})
    found = review_decision(first, "p/0")
    assert found is not None and (found.decision, found.plan.author) == ("left", "Ann")
    assert late.status == 409 and "Somebody was first" in late.text and "Look &lt;b&gt;hard&lt;/b&gt;." in late.text
    assert pending_reviews(first.store) == []


def test_the_count_of_waiting_plans_is_a_fragment_that_asks_again(solving: str, first: Run) -> None:
    held(first)
    text = get(f"{solving}/reviews?count=0").text
    assert text.startswith("<p") and 'hx-trigger="every 2s"' in text and "1 plan waits" in text
    assert get(f"{solving}/reviews?count=1").status == 204


def test_no_waiting_plan_says_how_to_start_a_reviewed_run(solving: str) -> None:
    said = words(get(f"{solving}/reviews"))
    assert "Hold each plan for a person" in said and "No plan waits" in said
