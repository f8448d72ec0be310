"""The queue of plans worth a minute: why each is there, how other runs fare, who does it, what came of it."""

import re
from html import unescape

from served import Answer, get, post
from solving_site import NAMES
from stepdown.models import ScriptedModel
from stepdown.runner import run
from stepdown.store import Run, Store, marked_plans
from stepdown.store.reviews import request_review
from stepdown.types import Messages, Plan, Problem, Sampling
from worlds import P1, follower, sums, teacher


def edit(solving: str, of: Run, **fields: str) -> Answer:
    steps = "Take the number.\r\nAdd one with care."
    return post(f"{solving}/runs/{of.id}/plans/{P1}", {"steps": steps, "base": "0", "why": "careless"} | fields)


def words(answer: Answer) -> str:
    """A page's text without marks, blanks made one."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def mark(solving: str, of: Run, **fields: str) -> Answer:
    return post(f"{solving}/runs/{of.id}/queue", {"problem": P1} | fields)


def careful(messages: Messages, sampling: Sampling, sample: int) -> str:
    return "1. Take the number.\n2. Add one with care.\n3. Say it."


def solve_by_another_plan(store: Store) -> Run:
    """A run in which the other student solves number 1 by the plan of a more careful teacher."""
    other = ScriptedModel(follower, NAMES[1])
    return run(sums(3), "trace-of-thought", student=other, teacher=ScriptedModel(careful, "openai/gpt-4"), store=store)


def wrong_run(store: Store, count: int) -> Run:
    """A run in which every plan is worth a minute."""
    lost = ScriptedModel(lambda messages, sampling, sample: "Answer: 99", NAMES[0])
    return run(sums(count), "trace-of-thought", student=lost, teacher=teacher(), store=store)


def test_the_queue_opens_the_plan_most_worth_a_minute_and_says_why(solving: str, first: Run) -> None:
    said = words(get(f"{solving}/runs/{first.id}/queue"))
    assert f"{P1} wrong What is 1 plus one?" in said and "its student fails by it" in said and "1 of 1" in said


def test_the_queue_counts_what_edits_gain_per_minute(solving: str, first: Run) -> None:
    edit(solving, first, solve="1", seconds="30")
    said = words(get(f"{solving}/runs/{first.id}/queue"))
    assert "edited 1 fixed 1 broken 0 minutes spent 0.5 accuracy gained per minute +66.67 points" in said


def test_a_run_without_wrong_traces_has_an_empty_queue_that_says_so(solving: str, first: Run) -> None:
    derived = edit(solving, first, solve="1").place.rpartition("=")[2]
    assert "Nothing to mend" in get(f"{solving}/runs/{derived}/queue").text


def test_where_the_audit_suggests_nothing_the_wrong_traces_are_offered(solving: str, store: Store) -> None:
    other = run(sums(4), "direct", student=ScriptedModel(follower, NAMES[0]), store=store)
    said = words(get(f"{solving}/runs/{other.id}/queue"))
    assert "These are its wrong traces instead." in said and "This trace has no plan to edit." in said


def test_the_queue_says_how_other_runs_fare_and_where_their_plans_differ(
    solving: str, first: Run, store: Store
) -> None:
    other = solve_by_another_plan(store)
    said, text = (f(get(f"{solving}/runs/{first.id}/queue?at={P1}")) for f in (words, lambda answer: answer.text))
    assert "the plan of gpt-4 differs in step 2 and has 1 step more: other solves it by it" in said
    assert f"/runs/{first.id}/solved/{P1}?by={other.id}" in text


def test_the_editor_begins_with_another_runs_plan_where_the_address_asks(
    solving: str, first: Run, store: Store
) -> None:
    other = solve_by_another_plan(store)
    text = get(f"{solving}/runs/{first.id}/queue?at={P1}&from={other.id}").text
    assert ">Take the number.\nAdd one with care.\nSay it.</textarea>" in text
    assert f'value="begun from the plan of openai/gpt-4, run {other.id}"' in text and 'name="base" value="0"' in text


def test_the_gain_of_edits_is_paired_and_has_an_interval(solving: str, first: Run) -> None:
    assert "accuracy gained, with 95 % interval –" in words(get(f"{solving}/runs/{first.id}/queue"))
    edit(solving, first, solve="1")
    assert "+33.3 points [-41.5, +79.2] of 3 problems" in words(get(f"{solving}/runs/{first.id}/queue"))


def test_a_plan_that_is_skipped_comes_again_at_the_end_and_one_discarded_does_not(solving: str, store: Store) -> None:
    three = wrong_run(store, 3)
    ids = [f"sums/test/{number}" for number in range(3)]
    answer = mark(solving, three, problem=ids[0], mark="skipped")
    assert "2 of 3" in words(answer) and f"{ids[0]} was put off: it comes again at the end. Undo" in words(answer)
    mark(solving, three, problem=ids[1], mark="discarded", author="Bob")
    said = words(mark(solving, three, problem=ids[2], mark="discarded"))
    assert "1 of 3 · put off by Ann" in said and "2 of 3 done, 1 put off, 2 set aside" in said
    said = words(mark(solving, three, problem=ids[1], mark="open"))
    assert "2 of 3" in said and "1 of 3 done" in said


def test_plans_are_shared_out_and_everybody_sees_their_own(solving: str, store: Store) -> None:
    three = wrong_run(store, 3)
    post(f"{solving}/runs/{three.id}/queue", {"people": "Ann, Bob,"})
    assert [one.person for one in marked_plans(three).values()] == ["Ann", "Ann", "Bob"]
    said = words(mark(solving, three, problem="sums/test/0", who="Ann", mark="discarded"))
    assert "2 of 2 · for Ann" in said and "Ann 1 of 2 Bob 0 of 1" in said
    mark(solving, three, problem="sums/test/2", mark="assigned", person="Bob")
    assert "Ann 1 of 1 Bob 0 of 2" in words(get(f"{solving}/runs/{three.id}/queue"))
    assert "Nothing is given to Eve" in words(get(f"{solving}/runs/{three.id}/queue?who=Eve"))


def test_what_nobody_can_say_of_a_plan_is_refused(solving: str, first: Run) -> None:
    assert mark(solving, first, mark="burnt").status == 400
    assert mark(solving, first, mark="skipped", problem="none").status == 404
    assert post(f"{solving}/runs/{first.id}/queue", {"people": " , "}).status == 400
    assert marked_plans(first) == {}


def test_the_navigation_says_how_many_plans_wait(solving: str, first: Run) -> None:
    assert 'class="badge live"' not in get(f"{solving}/compare").text
    request_review(first, Problem("p/0", "Which?", "1"), Plan("1. Look.", "teacher"))
    assert "Review 1 waiting Jobs" in words(get(f"{solving}/compare"))


def test_problems_solved_again_are_listed_with_the_jobs(solving: str, first: Run) -> None:
    assert "No job yet" in words(get(f"{solving}/jobs"))
    edit(solving, first, solve="1")
    assert f"{P1} finished student old and new" in words(get(f"{solving}/jobs"))
