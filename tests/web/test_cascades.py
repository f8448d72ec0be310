"""The calibration of a cascade in a browser: the figures of `stepdown calibrate`, a curve, and the way there."""

from html import unescape

import pytest

from cascade_runs import two_runs
from served import get
from stepdown.measuring import Goal, calibrate
from stepdown.models import Prices
from stepdown.store import Run, Store


@pytest.fixture
def pair(store: Store) -> tuple[Run, Run]:
    return two_runs(store, 20)


def query(cheap: Run, dear: Run) -> str:
    return f"cheap={cheap.id}&dear={dear.id}"


def test_the_page_has_the_figures_of_the_command_and_what_serves_it(site: str, pair: tuple[Run, Run]) -> None:
    found = calibrate(*pair, Goal(accuracy=0.6), prices=Prices())
    page = unescape(get(f"{site}/cascade?{query(*pair)}&accuracy=0.6").text)
    assert found.chosen is not None and found.to_toml() in page
    before, command, after = found.warning.split("`")
    assert f"{before}<code>{command}</code>{after}" in page
    assert all(f"{row.right}/{row.graded}" in page for row in found.rows)


def test_a_guarantee_is_asked_for_in_percent_and_refused_with_what_it_takes(site: str, pair: tuple[Run, Run]) -> None:
    page = unescape(get(f"{site}/cascade?{query(*pair)}&accuracy=&lose=35%25&sure=95%25").text)
    assert "loses at most 35 % of problems to the teacher with 95 % certainty" in page
    assert "is no number" in unescape(get(f"{site}/cascade?{query(*pair)}&accuracy=&spend=1%25").text)
    refused = unescape(get(f"{site}/cascade?{query(*pair)}&accuracy=&lose=1%25").text)
    assert "better planner" in refused and "Chosen" not in refused


def test_compare_leads_to_the_cascade_that_its_runs_make(site: str, pair: tuple[Run, Run]) -> None:
    cheap, dear = pair
    there = unescape(get(f"{site}/compare?run={dear.id}&run={cheap.id}").text)
    assert f"/cascade?{query(cheap, dear)}" in there and f"/cascade?{query(dear, cheap)}" not in there


@pytest.mark.slow
def test_the_curve_is_drawn_in_the_ink_of_the_page(site: str, pair: tuple[Run, Run]) -> None:
    light, dark = (get(f"{site}/cascade.svg?{query(*pair)}&scheme={one}").text for one in ("light", "dark"))
    assert light.startswith("<svg") and "0.75" in light and light != dark


@pytest.mark.parametrize(
    ("asked", "status"),
    [("cheap=0&dear=1", 404), ("accuracy=x", 400), ("accuracy=2", 400), ("accuracy=.5&price=1", 400)],
)
def test_what_is_no_cascade_or_no_goal_is_refused(site: str, pair: tuple[Run, Run], asked: str, status: int) -> None:
    full = asked if asked.startswith("cheap") else f"{query(*pair)}&{asked}"
    assert get(f"{site}/cascade?{full}").status == status


def test_two_runs_that_are_no_halves_are_refused_with_the_way_out(site: str, pair: tuple[Run, Run]) -> None:
    answer = get(f"{site}/cascade?{query(pair[1], pair[0])}")
    assert answer.status == 400 and "one sample per problem, so no votes" in unescape(answer.text)
