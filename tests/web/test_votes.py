"""People vote on two runs' solutions: blind, each rater for themselves, and somebody decides where they differ."""

import re

import pytest

from run_pages import HOSTILE
from served import Answer, get, post
from stepdown.measuring import ballot, kept_preferences
from stepdown.store import PersonVote, Run, Store, VoteChoice, put_votes, stored_votes
from stored_runs import keep_alike

COUNT = 6


@pytest.fixture
def runs(store: Store) -> tuple[Run, Run]:
    good, bad = f"Because. {HOSTILE}", "So."
    return keep_alike(store, good, COUNT, student="openai/good"), keep_alike(store, bad, COUNT, student="openai/bad")


@pytest.fixture
def place(site: str, runs: tuple[Run, Run]) -> str:
    return f"{site}/votes/{runs[0].id}/{runs[1].id}"


def shown_to(rater: str, address: str) -> Answer:
    return get(address, cookie=f"stepdown_rater={rater}")


def form_in(page: str) -> dict[str, str]:
    """The hidden fields of the form by which one votes."""
    form = page.partition('class="verdict"')[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


def vote(address: str, rater: str, prefer: str) -> Answer:
    """Vote, as a rater who reads the texts, on what is shown next."""
    page = shown_to(rater, address).text
    left = page.partition("Left</h2>")[2].partition("Right</h2>")[0]
    side = "left" if (prefer in left) else "right"
    return post(address, {**form_in(page), "rater": rater, "vote": side})


def test_a_name_comes_first_and_is_kept_by_the_browser(place: str) -> None:
    assert 'class="verdict"' not in get(place).text and "Your name" in get(place).text
    assert post(place, {"rater": " "}).status == 400
    answer = post(place, {"rater": "Ann B."})
    assert answer.status == 200 and 'class="verdict"' in shown_to("Ann%20B.", place).text


def test_nothing_on_the_page_says_whose_a_solution_is(place: str, runs: tuple[Run, Run]) -> None:
    page = shown_to("Ann", place).text.partition("<main")[2].partition("<form")[0]
    assert "Because." in page and "So." in page and "<script>window" not in page
    assert not [word for word in ("openai", "good", "bad", "direct") if word in page]
    sides = {rater: "Because" in shown_to(rater, place).text.partition("Right</h2>")[0] for rater in "ABCDEFGH"}
    assert set(sides.values()) == {True, False}


def test_two_raters_vote_through_all_pairs_and_are_counted(place: str, runs: tuple[Run, Run]) -> None:
    for rater in ("Ann", "Ben"):
        for number in range(COUNT):
            assert f"{number} of {COUNT} done" in shown_to(rater, place).text
            vote(place, rater, "Because." if rater == "Ann" or number else "So.")
        assert f"All {COUNT} pairs are done" in shown_to(rater, place).text
    found = kept_preferences(*runs)
    assert (found.won, found.ties, found.raters) == (COUNT - 1, 1, ("Ann", "Ben"))


def test_a_vote_is_changed_taken_back_or_skipped(place: str, runs: tuple[Run, Run]) -> None:
    vote(place, "Ann", "Because.")
    problem = stored_votes(*runs)[0].problem
    page = shown_to("Ann", f"{place}?at={problem}").text
    assert page.count('aria-pressed="true"') == 1 and "Take it back" in page
    post(place, {**form_in(page), "vote": "skip"})
    assert [one.preferred for one in stored_votes(*runs)] == ["skip"]
    assert "1 of them skipped" in shown_to("Ann", place).text
    post(place, {**form_in(page), "vote": ""})
    assert stored_votes(*runs) == []


@pytest.mark.parametrize(
    ("change", "status"),
    [({"vote": "both"}, 400), ({"problem": "sums/test/99"}, 404), ({"item": "0" * 16}, 409), ({"rater": ""}, 400)],
)
def test_what_is_no_vote_on_these_texts_is_refused(
    change: dict[str, str], status: int, place: str, runs: tuple[Run, Run]
) -> None:
    form = form_in(shown_to("Ann", place).text) | {"vote": "left", "rater": "Ann"} | change
    assert post(place, form).status == status and stored_votes(*runs) == []


@pytest.mark.parametrize("asked", ["n=0", "seed=x", "where=nowhere", "n=²"])
def test_an_address_that_asks_for_no_pairs_is_refused(place: str, asked: str) -> None:
    assert get(f"{place}?{asked}").status in (400, 404)


def say(runs: tuple[Run, Run], rater: str, said: VoteChoice, count: int = COUNT) -> None:
    drawn = list(ballot(*runs).pairs.items())[:count]
    put_votes(*runs, [PersonVote(one, rater, said, "first", texts) for one, texts in drawn])


def test_where_raters_differ_somebody_decides(place: str, runs: tuple[Run, Run]) -> None:
    assert "Nobody has voted yet" in get(f"{place}/differ").text
    say(runs, "Ann", "first")
    say(runs, "Ben", "second", 2)
    for decided in (0, 1):
        page = shown_to("Cleo", f"{place}/differ").text
        assert f"2 <small>{decided} decided" in page and "<strong>Ann</strong>" in page and "alpha" in page
        post(f"{place}/differ", {**form_in(page), "rater": "Cleo", "vote": "tie"})
    assert "Every pair that raters differ on is decided" in get(f"{place}/differ").text
    found = kept_preferences(*runs)
    assert (found.won, found.ties, len(found.adjudicated), found.split) == (COUNT - 2, 2, 2, 0)


def test_a_final_vote_decides_and_is_taken_back(place: str, runs: tuple[Run, Run]) -> None:
    say(runs, "Ann", "first", 1)
    say(runs, "Ben", "second", 1)
    form = form_in(shown_to("Cleo", f"{place}/differ").text) | {"rater": "Cleo"}
    assert post(f"{place}/differ", form | {"vote": "skip"}).status == 400
    assert "decided by <strong>Cleo</strong>" in post(f"{place}/differ", form | {"vote": "left"}).text
    post(f"{place}/differ", form | {"vote": ""})
    assert kept_preferences(*runs).adjudicated == ()


def test_the_list_names_pairs_that_were_voted_on_and_leads_to_two_runs(
    site: str, place: str, runs: tuple[Run, Run]
) -> None:
    say(runs, "Ann", "first")
    page = get(f"{site}/votes").text
    assert f"/votes/{min(one.id for one in runs)}/" in page and "<td>6</td>" in page and "Ann" in page
    assert get(f"{site}/votes?first={runs[0].id}&second={runs[1].id}").place.startswith(f"/votes/{runs[0].id}/")
    assert f'href="/votes/{runs[0].id}/{runs[1].id}"' in get(f"{site}/compare?run={runs[0].id}&run={runs[1].id}").text
