"""What may have been billed beyond what a report counts is said where there is something, and nowhere else."""

from pathlib import Path

import pytest

from stepdown.models import Prices
from stepdown.reports import lost_costs, lost_words, report
from stepdown.runner import run
from stepdown.store import LostCall, Run, Store, put_lost_calls
from stepdown.types import Usage
from worlds import LastWord, student, sums


def solved(store: Store) -> Run:
    return run(sums(2), "direct", student=student(), grader=LastWord(), store=store)


def test_a_report_without_lost_calls_says_nothing_of_them(store: Store) -> None:
    found = report(solved(store))
    assert found.lost == () and found.to_json()["lost"] == [] and "without a reply" not in str(found)


def test_a_report_says_how_much_more_may_have_been_billed(store: Store, tmp_path: Path) -> None:
    one = solved(store)
    put_lost_calls(store, [LostCall(one.id, "student", Usage(100, 20))] * 3)
    (tmp_path / "p.json").write_text('{"student": {"input": 1000, "output": 10000}}')
    found = report(one, prices=Prices(tmp_path / "p.json"))
    said = "up to $0.90 more may have been billed for 3 calls without a reply"
    assert said in " ".join(str(found).split()) and said in found.to_markdown()
    row = {"run": one.id, "model": "student", "calls": 3, "input": 300, "output": 60, "cost": 0.9}
    assert found.to_json()["lost"] == [row | {"cost": found.lost[0].cost}]


def test_what_a_batch_lost_may_be_billed_at_half_the_price(store: Store, tmp_path: Path) -> None:
    one, prices = solved(store), tmp_path / "p.json"
    put_lost_calls(
        store, [LostCall(one.id, "student", Usage(100, 20, batched=1)), LostCall(one.id, "student", Usage(100, 20))]
    )
    prices.write_text('{"student": {"input": 1000, "output": 10000}}')
    [found] = lost_costs([one], Prices(prices))
    assert (found.calls, found.input, found.output) == (2, 200, 40) and found.cost == pytest.approx(0.15 + 0.3)


def test_where_a_price_is_unknown_tokens_are_said(store: Store) -> None:
    one = solved(store)
    put_lost_calls(store, [LostCall(one.id, "nobody/m", Usage(100, 20))])
    assert lost_words(list(lost_costs([one], Prices()))) == (
        "up to 120 tokens more may have been billed for 1 call without a reply"
    )
