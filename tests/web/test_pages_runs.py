"""The list of runs and the page of a run show what is in the store, and no more of it than they must."""

import asyncio
import re

import pytest

from run_pages import HOSTILE, graded, problem, put, put_run, trace
from served import get
from stepdown.models import Prices
from stepdown.reports import report
from stepdown.shards import Shard
from stepdown.store import AbandonedReply, LostCall, Store, StoredCall, put_lost_calls, put_shard
from stepdown.store.reviews import request_review
from stepdown.text import figures
from stepdown.types import GREEDY, Message, Plan, Reply, Usage
from stepdown.web.pages.runs import RUNS, RunQuery, list_runs, live
from stepdown.web.state import State
from stored_runs import keep_run


def ids(text: str) -> list[str]:
    return re.findall(r'id="run-(\w+)"', text)


def test_an_empty_store_says_what_to_do_next(site: str) -> None:
    page = get(site)
    assert page.status == 200
    assert all(words in page.text for words in ("New run", "stepdown demo", "stepdown import"))


def test_runs_are_listed_newest_first_with_the_reports_figures(store: Store, site: str) -> None:
    older, newer = put_run(store, "rrw-"), put_run(store, "rrrw", method="chain-of-thought")
    page = get(site)
    row = report(older, prices=Prices()).rows[0]
    assert ids(page.text) == [newer.id, older.id]
    assert "2 / 3 / 4" in page.text
    assert f"{figures.percent(row.accuracy)} <span" in page.text
    assert f"[{figures.percent(row.low)}, {figures.percent(row.high)}]" in page.text


def test_what_a_run_paid_for_calls_that_were_left_is_shown_as_an_estimate(store: Store, site: str) -> None:
    run = put_run(store, "r")
    assert "≈" not in get(site).text and "estimated" not in get(f"{site}/runs/{run.id}").text
    left = AbandonedReply("She has", "ollama/small", Usage(300, 7))
    store.put_calls([StoredCall(bytes(16), "ollama/small", "", (Message("user", "?"),), GREEDY, 0, left, run.id)])
    assert ">≈ 457<" in get(site).text
    assert "1 call left by who asked, or broken, before the end" in get(f"{site}/runs/{run.id}").text


def test_calls_whose_connection_broke_are_said_where_there_are_any(store: Store, site: str) -> None:
    run = put_run(store, "r")
    assert "without a reply" not in get(f"{site}/runs/{run.id}").text
    put_lost_calls(store, [LostCall(run.id, "ollama/small", Usage(300, 50))] * 2)
    said = "up to 700 tokens more may have been billed for 2 calls without a reply"
    assert said in get(f"{site}/runs/{run.id}").text


def test_a_run_whose_other_shards_are_elsewhere_says_which(store: Store, site: str) -> None:
    run = keep_run(store, [[graded(problem(0), "right")]], dataset="sums/test", count=3)
    assert "shards" not in get(site).text
    put_shard(run, Shard(1, 3), 1)
    text = get(f"{site}/runs/{run.id}").text
    assert "1 of 3 shards" in get(site).text and "without 2/3, 3/3" in text and "1 of 3 problems" in text
    put_shard(run, Shard(3, 3), 2)
    assert "of 3 shards" not in get(site).text + get(f"{site}/runs/{run.id}").text


def test_a_run_whose_other_problems_were_solved_without_a_shard_is_whole(store: Store, site: str) -> None:
    run = put_run(store, "rrw")
    put_shard(run, Shard(1, 3), 1)
    assert "of 3 shards" not in get(site).text + get(f"{site}/runs/{run.id}").text


def test_the_servers_of_a_fleet_have_a_row_each(store: Store, site: str) -> None:
    run = put_run(store, "r")
    assert "Servers" not in get(f"{site}/runs/{run.id}").text
    for number, server in enumerate(("http://a:8000/v1", "http://<b>/v1")):
        reply = Reply("4", "small", server=server, seconds=0.25)
        asked = (Message("user", str(number)),)
        store.put_calls([StoredCall(bytes([number] * 16), "vllm/small", "", asked, GREEDY, 0, reply, run.id)])
    text = get(f"{site}/runs/{run.id}").text
    assert "Servers: 2" in text and "http://a:8000/v1" in text and ">0.25<" in text
    assert "http://&lt;b&gt;/v1" in text


def test_a_run_that_waits_for_a_person_says_so_and_leads_there(store: Store, site: str) -> None:
    run = put_run(store, "r")
    assert "to review" not in get(site).text and "for a person" not in get(f"{site}/runs/{run.id}").text
    request_review(run, problem(0), Plan("1. Look.", "teacher"))
    assert '<a class="badge warn" href="/reviews">1 plan to review</a>' in get(site).text
    assert "1 plan of this run waits for a person" in get(f"{site}/runs/{run.id}").text


def test_filters_and_words_choose_runs(store: Store, site: str) -> None:
    direct, chain = put_run(store, "r"), put_run(store, "r", method="chain-of-thought", student="openai/gpt-4o")
    assert ids(get(f"{site}/?method=direct").text) == [direct.id]
    assert ids(get(f"{site}/?student=openai/gpt-4o").text) == ids(get(f"{site}/?words=GPT").text) == [chain.id]
    assert "No run is like that" in get(f"{site}/?dataset=none").text


def test_a_long_list_is_paged(store: Store, site: str) -> None:
    made = [put_run(store, "r", student=f"ollama/{number}") for number in range(RUNS + 2)]
    second = get(f"{site}/?page=2").text
    assert ids(second) == [made[1].id, made[0].id]
    assert len(ids(get(f"{site}/").text)) == RUNS and "page 2 of 2" in second


def test_the_live_fragment_is_the_lists_first_page(store: Store, site: str) -> None:
    put_run(store, "rw")

    async def fragment() -> str:
        state = State(store.path)
        try:
            return await live(state)
        finally:
            await state.close()

    assert asyncio.run(fragment()).strip() in get(f"{site}/").text


def test_a_run_that_grows_is_counted_anew(store: Store) -> None:
    run = put_run(store, "r")

    async def counts() -> list[int]:
        state, found = State(store.path), []
        for number in range(1, 3):
            found.append((await state.read(lambda one: list_runs(state.run_stats, one, RunQuery()))).entries[0].right)
            put(run, (number, 0), problem(number), "right")
        await state.close()
        return found

    assert asyncio.run(counts()) == [1, 2]


def test_a_run_shows_its_settings_counts_and_traces(store: Store, site: str) -> None:
    run = put_run(store, "rrw-", teacher="openai/gpt-4o")
    page = get(f"{site}/runs/{run.id}").text
    assert "temperature 0, top_p 1, at most 1,024 tokens" in page and "openai/gpt-4o" in page
    assert all(
        f"{where}<span>{count}</span>" in page
        for where, count in {"all": 4, "right": 2, "wrong": 1, "error": 1}.items()
    )
    assert page.count("/traces/sums/test/") == 4


def test_filters_and_words_choose_traces_and_are_carried_along(store: Store, site: str) -> None:
    run = put_run(store, "rrww")
    page = get(f"{site}/runs/{run.id}?where=wrong&words=has+3").text
    assert re.findall(r'/traces/(sums/test/\d)\?([^"]*)"', page) == [
        ("sums/test/3", "where=wrong&amp;words=has+3&amp;sample=0")
    ]
    assert "No trace is like that" in get(f"{site}/runs/{run.id}?words=quince").text


def test_the_end_of_a_runs_id_may_be_left_off_and_an_unknown_one_is_not_found(store: Store, site: str) -> None:
    run = put_run(store, "r")
    assert get(f"{site}/runs/{run.id[:6]}").status == 200
    missing = get(f"{site}/runs/nowhere")
    assert missing.status == 404 and "There is no run <code>nowhere</code>" in missing.text


@pytest.mark.parametrize("query", ["where=pretty", "page=-1", "page=99999999", "page=x", "words=%00%ff", "words=%25_"])
def test_odd_addresses_never_fail(store: Store, site: str, query: str) -> None:
    run = put_run(store, "rw")
    assert get(f"{site}/?{query}").status == 200
    assert get(f"{site}/runs/{run.id}?{query}").status == (404 if "where" in query else 200)


def test_the_audit_of_a_run_is_a_page(store: Store, site: str) -> None:
    run = put_run(store, "rwww")
    page = get(f"{site}/runs/{run.id}/audit").text
    assert "of 3" in page and 'id="audit"' in page


def test_hostile_names_and_questions_are_text(store: Store, site: str) -> None:
    run = put_run(store, "r", dataset=HOSTILE, student=HOSTILE)
    put(run, (1, 0), problem(1, question=HOSTILE), "wrong")
    for page in (get(site), get(f"{site}/runs/{run.id}"), get(f"{site}/runs/{run.id}?words=%3Cscript")):
        assert page.status == 200
        assert "<script>window" not in page.text and "<img src=x" not in page.text
        assert "style=" not in page.text


def test_traces_are_searched_by_what_is_in_them_and_the_filter_is_the_address(store: Store, site: str) -> None:
    run = put_run(store, "rwrr")
    run.put_trace(3, trace(problem(3), "I count my pears twice.\nAnswer: 4", finish=False))
    asked = "text=COUNT+my&answer=&tokens=1-&cut=yes"
    page = get(f"{site}/runs/{run.id}?{asked}").text
    assert re.findall(r'/traces/(sums/test/\d)\?([^"]*)"', page) == [
        ("sums/test/3", "text=COUNT+my&amp;tokens=1-&amp;cut=yes&amp;sample=0")
    ]
    assert "1 trace, text COUNT my, tokens 1-, cut yes" in page
    assert get(f"{site}/runs/{run.id}?tokens=many").status == 400
